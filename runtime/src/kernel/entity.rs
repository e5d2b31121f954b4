//! What the worker needs of an entity type: its operations by name, on a state without its type.

use std::cell::RefCell;

use crate::kernel::barrier;
use crate::kernel::engine::work::Operation;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Recorded, Site};
use crate::kernel::payload::Payload;

/// The name of the operation that every entity has.
pub(crate) const DELETE: &str = "delete";

/// An entity type without its types: what the worker needs to run its operations by name.
#[derive(Clone, Copy)]
pub struct EntityRegistration {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    /// The names of its operations, and whether each may change the state.
    operations: &'static [(&'static str, bool)],
    open: Open,
    check: Check,
}

/// Reads a state from its recorded form, or makes the default.
type Open = fn(Option<&Payload>) -> Result<Box<dyn State>, Failure>;

/// Whether an operation of this name can read its arguments, if there is one.
type Check = fn(&str, &Payload) -> Option<Result<(), Failure>>;

inventory::collect!(EntityRegistration);

impl EntityRegistration {
    pub(crate) const fn new(
        name: &'static str,
        site: Site,
        operations: &'static [(&'static str, bool)],
        open: Open,
        check: Check,
    ) -> Self {
        Self { name, site, operations, open, check }
    }

    /// The state from its recorded form, or the default.
    pub(crate) fn open(&self, state: Option<&Payload>) -> Result<Live, Failure> {
        barrier::run(|| (self.open)(state)).flatten().map(|state| Live(Some(state)))
    }

    /// Why an operation cannot be done with these arguments: they cannot be read, or there is none of this name.
    pub(crate) fn refuses(&self, operation: &str, input: &Payload) -> Option<Failure> {
        match barrier::run(|| (self.check)(operation, input)) {
            Ok(Some(checked)) => checked.err(),
            Ok(None) => (operation != DELETE).then(|| self.unknown(operation)),
            Err(panic) => Some(panic),
        }
    }

    /// Whether an operation may change the state; nothing for one that does not exist.
    pub(crate) fn changes(&self, operation: &str) -> Option<bool> {
        self.operations.iter().find(|(name, _)| *name == operation).map(|(_, changes)| *changes)
    }

    pub(crate) fn unknown(&self, operation: &str) -> Failure {
        let known: Vec<_> = self.operations.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "the entity `{}` has no operation `{operation}` in this process; those it has: {}",
            self.name,
            known.join(", ")
        );
        Failure::new(FailureKind::NotRegistered, message)
    }
}

/// The state of an entity in memory. No panic of it passes, and what it signals while it is dropped reaches nobody.
pub(crate) struct Live(Option<Box<dyn State>>);

/// What an operation has brought about.
pub(crate) struct Operated {
    pub(crate) result: Payload,
    /// The state after it, if it may have changed.
    pub(crate) state: Option<Payload>,
    pub(crate) signals: Vec<Operation>,
}

impl Live {
    /// Runs an operation. One that fails may leave the state half changed.
    pub(crate) fn operate(
        &mut self,
        registration: &EntityRegistration,
        operation: &str,
        input: &Payload,
    ) -> Result<Operated, Failure> {
        let Some(state) = &mut self.0 else { return Err(registration.unknown(operation)) };
        let changes = registration.changes(operation).unwrap_or_default();
        let (outcome, signals) = signals_of(|| {
            let result = state.operate(operation, input).unwrap_or_else(|| Err(registration.unknown(operation)))?;
            Ok((result, changes.then(|| state.record()).transpose()?))
        });
        let (result, state) = outcome.flatten()?;
        Ok(Operated { result, state, signals: signals.into_iter().collect::<Result<_, _>>()? })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let state = self.0.take();
        let _ = signals_of(|| barrier::dispose("an entity", state));
    }
}

/// The state of an entity without its type.
pub(crate) trait State: Send {
    /// Runs an operation by its name, if there is one of this name.
    fn operate(&mut self, operation: &str, input: &Payload) -> Option<Recorded>;
    /// The recorded form.
    fn record(&self) -> Recorded;
}

thread_local! {
    /// What the operation that runs on this thread has signalled.
    static SIGNALS: RefCell<Option<Vec<Result<Operation, Failure>>>> = const { RefCell::new(None) };
}

/// Runs user code behind the barrier; gives what it has signalled, too.
fn signals_of<R>(operate: impl FnOnce() -> R) -> (Result<R, Failure>, Vec<Result<Operation, Failure>>) {
    let outer = SIGNALS.replace(Some(Vec::new()));
    let result = barrier::run(operate);
    (result, SIGNALS.replace(outer).unwrap_or_default())
}

/// Keeps a signal of the operation that runs on this thread; gives it back when there is none.
pub(crate) fn signal(operation: Result<Operation, Failure>) -> Option<Result<Operation, Failure>> {
    SIGNALS.with_borrow_mut(|signals| match signals {
        Some(signals) => {
            signals.push(operation);
            None
        }
        None => Some(operation),
    })
}
