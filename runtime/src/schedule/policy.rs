//! What a schedule does about runs that overlap and times that were missed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What to do when a run is due while the one before goes on. The words are Temporal's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Overlap {
    /// Leave it out.
    #[default]
    Skip,
    /// Start it when the one before has ended; of those that are due meanwhile only the first waits.
    BufferOne,
    /// Start it beside the one before.
    AllowAll,
    /// Terminate the one before and start it.
    TerminateOther,
}

/// What to do about the times at which no worker ran, or that passed more than ten seconds before the worker came to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CatchUp {
    /// Leave them out.
    None,
    /// Fire for the last of them.
    #[default]
    Last,
    /// Fire for all of them that are not longer ago than this.
    Within(Duration),
}
