//! The process in which jobs run: its functions, its time, its settings.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::code::Code;
use crate::kernel::machine::tests::functions;
use crate::kernel::payload::{Payload, Values};
use crate::kernel::registration::Registration;
use crate::kernel::stored::InstanceKey;
use crate::kernel::time::Timestamp;

/// `n` seconds after the tests begin.
pub(super) fn second(n: i64) -> Timestamp {
    Timestamp((1_000 + n) * 1_000_000)
}

pub(super) struct Process {
    pub(super) now: Cell<Timestamp>,
    /// Functions that its build does not have.
    pub(super) lacks: Vec<&'static str>,
    /// The longest value that it keeps.
    pub(super) longest: usize,
    /// Why no run may be taken up.
    pub(super) deadly: Option<&'static str>,
    /// Whose calls may be tried again.
    pub(super) forgiven: RefCell<Vec<InstanceKey>>,
}

impl Default for Process {
    fn default() -> Self {
        Self { now: Cell::new(second(0)), lacks: Vec::new(), longest: 1_000, deadly: None, forgiven: RefCell::default() }
    }
}

impl Process {
    fn find(&self, functions: Vec<Registration>, name: &str) -> Option<Registration> {
        functions.into_iter().find(|function| function.name() == name && !self.lacks.contains(&function.name()))
    }
}

impl Code for Process {
    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn orchestrator(&self, name: &str) -> Option<Registration> {
        self.find(functions::orchestrators(), name)
    }

    fn version(&self, name: &str, version: u32) -> Option<Registration> {
        self.orchestrator(name).filter(|found| found.version() == version)
    }

    fn not_registered(&self, name: &str, version: u32) -> String {
        format!("there is no version {version} of `{name}`")
    }

    fn execution(&self, orchestrator: Registration, id: &Arc<str>) -> Execution {
        Execution::new(orchestrator, id.clone(), Box::new(|| {})).verified(true)
    }

    fn activity(&self, name: &str, _input: &Payload) -> Result<(Registration, Option<Arc<str>>), Failure> {
        let found = self.find(functions::activities(), name);
        Ok((found.ok_or_else(|| Failure::new(FailureKind::NotRegistered, format!("there is no `{name}`")))?, None))
    }

    fn excess(&self, what: fmt::Arguments<'_>, value: &Payload) -> Option<String> {
        (value.as_str().len() > self.longest).then(|| format!("{what} is too long"))
    }

    fn values(&self) -> Values {
        Values::Shown
    }

    fn deadly(&self, _key: InstanceKey, _id: &str, pending: &[Action]) -> Option<String> {
        self.deadly.filter(|_| !pending.is_empty()).map(str::to_owned)
    }

    fn forgive(&self, key: InstanceKey) {
        self.forgiven.borrow_mut().push(key);
    }
}
