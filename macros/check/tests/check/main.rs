//! The real tool on real workspaces. Their crates need not compile: the tool only reads them.

mod command;
mod fixture;
mod follow;
mod formats;
mod methods;
mod modules;
mod silence;
