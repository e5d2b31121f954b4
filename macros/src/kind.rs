//! The two attributes of functions.

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttributeKind {
    Activity,
    Orchestrator,
}

impl AttributeKind {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Orchestrator => "orchestrator",
        }
    }

    /// With its article.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Activity => "an activity",
            Self::Orchestrator => "an orchestrator",
        }
    }
}
