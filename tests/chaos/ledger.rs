//! What must be true of the database, from what was asked and answered.

use std::collections::{BTreeMap, BTreeSet};

use dacapo::InstanceStatus;

use crate::journal::{Ask, Entry, Kind};

/// A run that was asked for.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) kind: Kind,
    pub(crate) n: u64,
    /// The start was answered: it is there, whatever happens.
    pub(crate) is_durable: bool,
    pub(crate) may_be_purged: bool,
    /// The purge was answered.
    pub(crate) is_purged: bool,
    pub(crate) may_be_terminated: bool,
    /// The values raised for it, and whether that was answered.
    pub(crate) raised: BTreeMap<u64, bool>,
    /// The values that it says it took.
    pub(crate) taken: BTreeSet<u64>,
    /// Its last activity has begun, so retention may have purged it since.
    pub(crate) has_finished: bool,
}

/// All that was asked since the last calm.
#[derive(Default)]
pub(crate) struct Ledger {
    asked: BTreeMap<u64, Ask>,
    pub(crate) runs: BTreeMap<String, Expected>,
    /// The clients of the worker have their last answers.
    pub(crate) is_quiet: bool,
    /// How many were added to the tally: at least, and at most.
    pub(crate) tallied: (u64, u64),
    /// Activities that have begun since the last kill, by their idempotency keys.
    pub(crate) began: BTreeSet<String>,
    /// What is not as it must be.
    pub(crate) wrong: Vec<String>,
    /// How many times the database was opened, and could not be opened.
    pub(crate) opened: u64,
    pub(crate) refused: u64,
    pub(crate) asked_so_far: u64,
    /// Why questions were not answered well, and how often: the kind and the beginning of the message.
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Ledger {
    pub(crate) fn enter(&mut self, entry: Entry) {
        match entry {
            Entry::Opened => self.opened += 1,
            Entry::Refused(error) => {
                self.refused += 1;
                self.count(format!("open: {error}"));
            }
            Entry::Asked(number, ask) => {
                self.asked_so_far += 1;
                self.asked(&ask);
                self.asked.insert(number, ask);
            }
            Entry::Ok(number) => {
                if let Some(ask) = self.asked.remove(&number) {
                    self.answered(&ask);
                }
            }
            Entry::Err(number, error) => {
                let ask = self.asked.remove(&number);
                self.count(error.clone());
                if let Some(Ask::Start { id, .. }) = ask
                    && error.starts_with("AlreadyExists")
                {
                    self.wrong.push(format!("a start of {id}, which is new, was answered {error}"));
                }
            }
            Entry::Returned { id, output } => self.returned(&id, output),
            Entry::Quiet => self.is_quiet = true,
            Entry::Began(key) => drop(self.began.insert(key)),
            Entry::Finishes(id) => {
                if let Some(run) = self.runs.get_mut(&id) {
                    run.has_finished = true;
                }
            }
        }
    }

    /// What was asked of the worker that runs now, and not answered.
    pub(crate) fn unanswered(&self) -> Vec<&Ask> {
        self.asked.values().collect()
    }

    /// What the killed worker was asked is never answered.
    pub(crate) fn killed(&mut self) {
        self.asked.clear();
        self.began.clear();
    }

    /// Numbers in a message are left out, so that the same errors count as one.
    fn count(&mut self, error: String) {
        let mut shape: String = error.chars().map(|c| if c.is_ascii_hexdigit() { '_' } else { c }).take(70).collect();
        while shape.contains("__") {
            shape = shape.replace("__", "_");
        }
        let words = error.split(':').next().unwrap_or_default();
        *self.errors.entry(format!("{words}: {shape}")).or_default() += 1;
    }

    fn asked(&mut self, ask: &Ask) {
        match ask {
            Ask::Start { id, kind, n } => drop(self.runs.insert(id.clone(), Expected::new(*kind, *n))),
            Ask::Replace { id, n } => {
                let slot = self.runs.entry(id.clone()).or_insert_with(|| Expected::new(Kind::Chain, *n));
                // What it returns is that of one of the starts.
                (slot.may_be_purged, slot.may_be_terminated) = (true, true);
            }
            Ask::Restart { id, new } => {
                if let Some(Expected { kind, n, .. }) = self.runs.get(id) {
                    let restarted = Expected::new(*kind, *n);
                    self.runs.insert(new.clone(), restarted);
                }
            }
            Ask::Raise { id, value } => self.run(id, |run| run.raised.extend([(*value, false)])),
            Ask::Terminate { id } => self.run(id, |run| run.may_be_terminated = true),
            Ask::Purge { id } => self.run(id, |run| run.may_be_purged = true),
            Ask::Tally => self.tallied.1 += 1,
            Ask::Suspend { .. } | Ask::Resume { .. } | Ask::Rewind { .. } | Ask::Schedule { .. } => {}
        }
    }

    fn answered(&mut self, ask: &Ask) {
        match ask {
            Ask::Start { id, .. } => self.run(id, |run| run.is_durable = true),
            Ask::Restart { new, .. } => self.run(new, |run| run.is_durable = true),
            Ask::Raise { id, value } => self.run(id, |run| run.raised.extend([(*value, true)])),
            Ask::Purge { id } => self.run(id, |run| run.is_purged = true),
            Ask::Tally => self.tallied.0 += 1,
            _ => {}
        }
    }

    fn run(&mut self, id: &str, change: impl FnOnce(&mut Expected)) {
        if let Some(run) = self.runs.get_mut(id) {
            change(run);
        }
    }

    fn returned(&mut self, id: &str, output: Result<u64, String>) {
        let Some(run) = self.runs.get(id) else { return };
        let is_right = match &output {
            Ok(output) => run.kind.may_return(run.n, *output),
            // The answer was not to be had; the run is looked at when all is calm.
            Err(failure) => ["chaos.db`", "there is no orchestration"].iter().any(|why| failure.contains(why)),
        };
        if !is_right {
            let message = format!("{id}, a {:?} of {}, returned {output:?}", run.kind, run.n);
            self.wrong.push(message);
        }
    }
}

impl Ledger {
    /// A run is parked by old code or by an activity that was there at many kills, and never by a disk that works again.
    pub(crate) fn judge_report(&mut self, parked: &InstanceStatus) {
        let report = parked.report().filter(|report| report.contains("chaos.db`"));
        self.wrong.extend(report.map(|report| format!("{} was parked by a passing error: {report}", parked.instance_id())));
    }
}

impl Expected {
    /// Whether it is lost if it is not there.
    pub(crate) fn must_exist(&self) -> bool {
        self.is_durable && !self.may_be_purged && !self.has_finished
    }

    fn new(kind: Kind, n: u64) -> Self {
        Self {
            kind,
            n,
            is_durable: false,
            may_be_purged: false,
            is_purged: false,
            may_be_terminated: false,
            raised: BTreeMap::new(),
            taken: BTreeSet::new(),
            has_finished: false,
        }
    }
}
