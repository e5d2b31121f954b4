//! What keeps the check from reading everything.

use dacapo_lint::Place;

/// Something that kept the check from its work.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) at: Option<Place>,
}
