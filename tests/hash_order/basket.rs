//! A type with a set in it, in a file that the attribute does not read.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

/// Whether this process stands for one of another build.
pub(crate) static CHANGED: AtomicBool = AtomicBool::new(false);

/// Its items have another order in every value that is made.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Basket {
    items: HashSet<String>,
}

impl Basket {
    /// With so many items, whose names begin with `prefix`.
    pub(crate) fn of(prefix: &str, count: usize) -> Self {
        Self { items: (0..count).map(|n| format!("{prefix} {n:04}")).collect() }
    }

    /// The same, with other items in the build that has changed.
    pub(crate) fn of_this_build(prefix: &str, count: usize) -> Self {
        Self::of(if CHANGED.load(Ordering::SeqCst) { "else" } else { prefix }, count)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}
