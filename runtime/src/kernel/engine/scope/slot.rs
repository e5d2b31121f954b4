//! The slot of a thread for the scope of the orchestrator that is polled on it.

use std::cell::RefCell;
use std::task::Poll;

use crate::kernel::engine::poison::Poison;
use crate::kernel::engine::scope::state::Scope;
use crate::kernel::failure::Failure;

thread_local! {
    static CURRENT: RefCell<Option<Box<Scope>>> = const { RefCell::new(None) };
}

/// Runs `work` on the scope of the orchestrator that is polled on this thread, if there is one.
pub(crate) fn with<R>(work: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    CURRENT.with_borrow_mut(|current| current.as_deref_mut().map(work))
}

/// Puts a scope into this thread's slot until the guard is dropped.
pub(crate) fn enter(scope: &mut Option<Box<Scope>>) -> Entered<'_> {
    let outer = CURRENT.replace(scope.take());
    Entered { scope, outer }
}

/// A scope that is in its thread's slot.
pub(crate) struct Entered<'s> {
    scope: &'s mut Option<Box<Scope>>,
    outer: Option<Box<Scope>>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.scope = CURRENT.replace(self.outer.take());
    }
}

/// The declared value, or the end of the orchestration when the declared type has no place for the failure.
pub(crate) fn settle<O>(name: &str, restored: Result<O, Failure>) -> Poll<O> {
    match restored {
        Ok(output) => Poll::Ready(output),
        Err(failure) => {
            fail(failure.context(format!("`{name}` failed, and its return type has no place for the failure")));
            Poll::Pending
        }
    }
}

/// Gives up the turn because of an event that cannot be read.
pub(crate) fn poison(poison: Poison) {
    with(|scope| {
        scope.taken.remove(&poison.number);
        scope.poison.get_or_insert_with(|| Box::new(poison));
    });
}

/// Ends the orchestration that is polled with `failure`.
pub(crate) fn fail(failure: Failure) {
    with(|scope| {
        scope.fatal.get_or_insert(failure);
    });
}
