//! How a command ends.

use std::process::ExitCode;

/// What the process returns.
pub(crate) enum End {
    Done,
    /// Something was not done; why has been said.
    Refused,
    /// An orchestration that was waited for has ended, and not well.
    EndedBadly,
    /// An orchestration that was waited for has not ended in time.
    TimedOut,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Done => 0,
            End::Refused => 1,
            End::EndedBadly => 3,
            End::TimedOut => 4,
        })
    }
}
