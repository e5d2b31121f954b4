//! What runs beside the machines: it wakes them, waits for them, and cleans up after them.

pub(super) mod backlog;
pub(super) mod clock;
pub(super) mod inbox;
pub(super) mod retention;
pub(super) mod waiting;
pub(super) mod watchers;
