//! How an error asks for a wait before the next attempt, however deep in the function's own error type it lies.
//!
//! An error type is recorded by its `Serialize`. A [`Failure`](crate::Failure) or an [`Error`](crate::Error) in it that asks for a wait
//! notes that while it is written, so that nobody has to know the type.

use std::cell::Cell;
use std::time::Duration;

use serde::{Serialize as _, Serializer};

/// Boxed, so that results with failures in them stay small.
pub(crate) type AskedWait = Option<Box<Duration>>;

thread_local! {
    /// The longest wait written since it was last emptied.
    static NOTED: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// Writes a wait, and notes it.
pub(crate) fn serialize<S: Serializer>(wait: &AskedWait, serializer: S) -> Result<S::Ok, S::Error> {
    NOTED.set(NOTED.get().max(wait.as_deref().copied()));
    wait.serialize(serializer)
}

/// Encodes an error; also gives the longest wait that is asked for in it.
pub(crate) fn of<T>(encode: impl FnOnce() -> T) -> (T, Option<Duration>) {
    NOTED.set(None);
    (encode(), NOTED.take())
}
