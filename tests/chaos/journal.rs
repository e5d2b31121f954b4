//! What a worker was asked and what it answered, line by line in a file beside its database that outlives every kill.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The orchestrations there are. What each returns follows from its kind and `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Activities one after the other.
    Chain,
    /// Activities side by side, some of which send heartbeats, return large values or retry.
    Fan,
    /// Sub-orchestrations side by side.
    Parent,
    /// Two entities, locked.
    Transfer,
    /// `n` events over several executions.
    Collect,
    /// An activity that fails until it is mended.
    Fragile,
    /// Sub-orchestrations that wait until somebody terminates their parent.
    Forever,
    /// An orchestrator of which old builds have version 1 alone.
    Versioned,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] =
        [Self::Chain, Self::Fan, Self::Parent, Self::Transfer, Self::Collect, Self::Fragile, Self::Forever, Self::Versioned];

    /// Whether it ends by itself, and well.
    pub(crate) fn is_finite(self) -> bool {
        !matches!(self, Self::Collect | Self::Fragile | Self::Forever)
    }

    /// Whether it may return this.
    pub(crate) fn may_return(self, n: u64, output: u64) -> bool {
        match self {
            Self::Chain => output == n,
            Self::Fan | Self::Transfer => output == 0,
            Self::Parent => output == 2 * n,
            Self::Fragile => output == n + 2,
            Self::Versioned => [n + 1, n + 2].contains(&output),
            Self::Collect | Self::Forever => false,
        }
    }
}

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Start {
        id: String,
        kind: Kind,
        n: u64,
    },
    /// Starts a chain in place of whatever has the id.
    Replace {
        id: String,
        n: u64,
    },
    Raise {
        id: String,
        value: u64,
    },
    Terminate {
        id: String,
    },
    Suspend {
        id: String,
    },
    Resume {
        id: String,
    },
    Rewind {
        id: String,
    },
    /// Starts a run once more under a new id.
    Restart {
        id: String,
        new: String,
    },
    Purge {
        id: String,
    },
    Tally,
    Schedule {
        name: String,
        what: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A worker has opened the database.
    Opened,
    /// Its clients have asked all they wanted and have their answers.
    Quiet,
    /// It could not be opened, and why.
    Refused(String),
    Asked(u64, Ask),
    Ok(u64),
    Err(u64, String),
    /// What a run returned to a client.
    Returned {
        id: String,
        output: Result<u64, String>,
    },
    /// An activity began, by its idempotency key.
    Began(String),
    /// The last activity of a run began.
    Finishes(String),
}

pub(crate) struct Journal(File);

impl Journal {
    /// Takes away the line in the middle of which a writer was killed. Nobody may be writing.
    pub(crate) fn mend(path: &Path) {
        let text = std::fs::read(path).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            let mended = OpenOptions::new().write(true).open(path).and_then(|journal| journal.set_len(whole as u64));
            mended.expect("the journal can be cut");
        }
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).expect("the journal can be opened"))
    }

    pub(crate) fn write(&self, entry: &Entry) {
        let line = serde_json::to_string(entry).expect("an entry is JSON") + "\n";
        (&self.0).write_all(line.as_bytes()).expect("the journal has room");
    }
}

/// The entries from a line on. The last one may be being written.
pub(crate) fn read(path: &Path, from: usize) -> Vec<Entry> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().skip(from).map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}
