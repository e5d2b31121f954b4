//! What an orchestrator may ask without a call: values that are the same at every replay.

use std::time::SystemTime;

use rand_core::SeedableRng as _;
use rand_pcg::Pcg64;
use serde::Serialize;
use uuid::Uuid;

use crate::engine::scope::{self, Scope};
use crate::payload::Payload;

/// The time of the current turn, recorded in the history. It does not move between two awaits.
///
/// # Panics
/// Outside an orchestrator; an activity asks the real clock.
#[must_use]
pub fn now() -> SystemTime {
    ask("now", |scope| scope.now.into())
}

/// A new uuid, the same one at every replay: version 5 of the instance id, the start time and a counter, as Durable
/// Functions' `NewGuid` makes it.
///
/// # Panics
/// Outside an orchestrator; an activity makes its own.
#[must_use]
pub fn new_uuid() -> Uuid {
    ask("new_uuid", Scope::new_uuid)
}

/// A new source of random numbers, the same numbers at every replay. Use it through the `rand` crate's traits.
///
/// # Panics
/// Outside an orchestrator; an activity uses `rand` as it likes.
///
/// ```
/// # use std::time::Duration;
/// use rand::RngExt as _;
///
/// #[dacapo::orchestrator]
/// async fn waits_a_while() {
///     dacapo::sleep(Duration::from_millis(dacapo::rng().random_range(0..1000))).await;
/// }
/// ```
#[must_use]
pub fn rng() -> Pcg64 {
    // Seeded as a uuid is made, so that both share one counter and never repeat each other.
    let (high, low) = ask("rng", Scope::new_uuid).as_u64_pair();
    Pcg64::seed_from_u64(high ^ low.rotate_left(32))
}

/// The id of the orchestration this code runs in; in an activity that of its caller.
///
/// # Panics
/// Outside both.
#[must_use]
pub fn instance_id() -> String {
    scope::with(|scope| scope.instance.to_string()).unwrap_or_else(crate::activity::instance_id)
}

/// Whether the code is being replayed, so that what it does now it has done before. `false` outside an orchestrator.
#[must_use]
pub fn is_replaying() -> bool {
    scope::with(|scope| scope.replaying).unwrap_or(false)
}

/// Shows `status` as the instance's custom status, from the end of the current turn on.
///
/// A value without a JSON form fails the orchestration.
///
/// # Panics
/// Outside an orchestrator.
pub fn set_custom_status<T: Serialize + ?Sized>(status: &T) {
    ask("set_custom_status", |scope| match Payload::encode(status) {
        Ok(payload) => scope.custom_status = Some(payload),
        Err(failure) => {
            scope.fatal.get_or_insert(failure);
        }
    });
}

fn ask<R>(what: &str, work: impl FnOnce(&mut Scope) -> R) -> R {
    scope::with(work).unwrap_or_else(|| panic!("`dacapo::{what}` answers in an `#[orchestrator]` only"))
}
