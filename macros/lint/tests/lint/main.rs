//! The rules from outside, one file per guarantee.

mod carried;
mod common;
mod correct;
mod loops;
mod open;

mod properties;
mod resolve;
mod rules;
mod unused;
mod verdicts;
