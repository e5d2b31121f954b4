//! Where in the source a call is made.

use std::cell::Cell;
use std::panic::Location;

thread_local! {
    static AWAITING: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Notes where the orchestrator awaits, until the guard is dropped.
pub(crate) fn awaiting(site: &'static Location<'static>) -> Awaiting {
    Awaiting(AWAITING.replace(Some(site)))
}

/// Holds the place that encloses the one where the orchestrator awaits.
pub(crate) struct Awaiting(Option<&'static Location<'static>>);

impl Drop for Awaiting {
    fn drop(&mut self) {
        AWAITING.set(self.0);
    }
}

/// Where a call was written. A function passed to `map` is called from inside the standard library; then the place is
/// the `.await` under which it happens.
pub(super) fn place(site: &'static Location<'static>) -> String {
    let inside_std = site.file().starts_with("/rustc/") || site.file().contains("/library/core/");
    let site = if inside_std { AWAITING.get().unwrap_or(site) } else { site };
    format!("{}:{}", site.file(), site.line())
}
