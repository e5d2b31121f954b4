//! The attributes of Dacapo.

mod args;
mod attributes;
mod context;
mod expand;
mod fallback;
mod rewrite;
mod signature;

use proc_macro::TokenStream;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Activity,
    Orchestrator,
}

impl Role {
    fn attribute(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Orchestrator => "orchestrator",
        }
    }

    /// With its article.
    fn noun(self) -> &'static str {
        match self {
            Self::Activity => "an activity",
            Self::Orchestrator => "an orchestrator",
        }
    }
}

/// Activity.
#[proc_macro_attribute]
pub fn activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Role::Activity, arguments.into(), item.into()).into()
}

/// Orchestrator.
#[proc_macro_attribute]
pub fn orchestrator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Role::Orchestrator, arguments.into(), item.into()).into()
}
