//! The rules an orchestrator must keep to survive replay, as an analysis of `syn` trees.
//!
//! [`check`] walks one function twice: `walk` looks for refused names and constructs, resolving them through the [`Source`] file,
//! and `lower` reduces the body to its data flow, on which `loops` and `held` judge how its calls are awaited.
//!
//! Invariant: nothing here knows `proc_macro`; the attribute macros and the command-line check are callers of the same functions.

mod by_name;
mod calls;
mod check;
mod collect;
mod declared;
mod finding;
mod flow;
mod function;
mod hashed;
mod held;
mod loops;
mod lower;
mod marks;
mod names;
mod open;
mod pages;
mod recorded;
mod refused;
mod rewrite;
mod rules;
mod scope;
mod source;
mod syntax;
mod text;
mod together;
mod ty;
mod types;
mod walk;

pub use check::{Options, check, check_in};
pub use finding::{Finding, Step, cite};
pub use function::{Function, FunctionKind, Mention, Place, Use};
pub use marks::{is_logging, take_sequential};
pub use open::{Arguments, Computed, Kind, Opened, open};
pub use pages::rules_markdown;
pub use rules::{RULES, Rule, rule_named};
pub use source::Source;
pub use together::{Externs, Module};
