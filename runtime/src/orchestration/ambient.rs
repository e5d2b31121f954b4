//! What an orchestrator may ask without a call: values that are the same at every replay.

use std::panic::Location;
use std::time::SystemTime;

use rand_core::SeedableRng as _;
use rand_pcg::Pcg64;
use serde::Serialize;
use uuid::Uuid;

use crate::kernel::bounds::encode_shown;
use crate::kernel::engine::scope::{self, Recalled, Scope};
use crate::kernel::failure::Failure;
use crate::kernel::function::Storable;
use crate::kernel::payload::Payload;

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

/// The id of the orchestration that waits for the one this code runs in, if one does.
///
/// # Panics
/// Outside an orchestrator.
#[must_use]
pub fn parent_id() -> Option<String> {
    ask("parent_id", |scope| scope.parent.as_deref().map(str::to_owned))
}

/// Runs `work` once and records what it returns; a replay gives the recorded value and does not run it.
///
/// For a value that is cheap to get and differs between runs: a setting of this machine, a random key. It is recorded with
/// the turn: a crash before the turn is durable runs it again, so work that others can see belongs into an activity.
/// A panic in it, or a value without a JSON form, fails the orchestration.
///
/// # Panics
/// Outside an orchestrator.
///
/// ```standalone_crate
/// #[dacapo::orchestrator]
/// async fn where_it_began() -> u32 {
///     dacapo::side_effect(|| std::process::id())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = dacapo::Runtime::open("memory:").await?;
/// assert_eq!(runtime.start(where_it_began()).await?.result().await?, std::process::id());
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn side_effect<T: Storable>(work: impl FnOnce() -> T) -> T {
    let site = Location::caller();
    match ask("side_effect", |scope| scope.recall(site)) {
        Recalled::Live => {
            let value = work();
            let recorded = Payload::encode(&value);
            ask("side_effect", |scope| match recorded {
                Ok(result) => scope.call_side_effect(result, site),
                Err(failure) => {
                    scope.fatal.get_or_insert(failure);
                }
            });
            value
        }
        Recalled::Result(result) => {
            let value = result.decode();
            ask("side_effect", |scope| scope.call_side_effect(result, site));
            value.unwrap_or_else(|failure: Failure| {
                scope::fail(failure.context("what a side effect has returned cannot be read"));
                give_up()
            })
        }
        Recalled::Nothing => {
            ask("side_effect", |scope| scope.call_side_effect(Payload::null(), site));
            give_up()
        }
    }
}

/// Leaves the orchestrator of a replay that cannot go on. The engine reports why.
fn give_up() -> ! {
    std::panic::resume_unwind(Box::new("the replay does not follow its history"))
}

/// Whether the code that asks may take its new way: `true` in every run that comes here for the first time, which is recorded
/// under `name`; `false` where a history that was written before is replayed.
///
/// It changes an orchestrator in place while runs of it wait. Once no run is left that began before the change, as
/// [`Client::census`](crate::Client::census) tells, the old way and the question can be removed; a recorded patch that nobody asks for is no
/// difference.
///
/// # Panics
/// Outside an orchestrator.
///
/// ```
/// # #[dacapo::activity] async fn notify_by_mail(user: String) {}
/// # #[dacapo::activity] async fn notify_by_app(user: String) {}
/// #[dacapo::orchestrator]
/// async fn notify(user: String) {
///     if dacapo::patched("notify-by-app") {
///         notify_by_app(user).await;
///     } else {
///         notify_by_mail(user).await;
///     }
/// }
/// ```
#[must_use]
pub fn patched(name: &str) -> bool {
    ask("patched", |scope| scope.patched(name))
}

/// Shows `status` as the instance's custom status, from the end of the current turn on.
///
/// A value without a JSON form, or one whose JSON is longer than 64 KiB, fails the orchestration.
///
/// # Panics
/// Outside an orchestrator.
pub fn set_custom_status<T: Serialize + ?Sized>(status: &T) {
    ask("set_custom_status", |scope| match encode_shown("the custom status", status) {
        Ok(payload) => scope.custom_status = Some(payload),
        Err(failure) => {
            scope.fatal.get_or_insert(failure);
        }
    });
}

fn ask<R>(what: &str, work: impl FnOnce(&mut Scope) -> R) -> R {
    scope::with(work).unwrap_or_else(|| panic!("`dacapo::{what}` can only be called inside an `#[orchestrator]`"))
}
