//! How orchestrations are tested: on a virtual clock, with mocked activities, through crashes, in other orders, against recorded
//! histories. Needs the feature `testing`:
//!
//! ```toml
//! [dev-dependencies]
//! dacapo = { version = "0.1", features = ["testing"] }
//! ```
//!
//! # A test
//!
//! A [`Harness`] runs the orchestration, a mock stands for each activity, and when nothing but a timer is left the clock goes there at
//! once. Three days take a millisecond:
//!
//! ```standalone_crate
//! use std::time::Duration;
//! use dacapo::{Event, activity, orchestrator, testing::Harness};
//!
//! const APPROVAL: Event<bool> = Event::new("approval");
//! const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 3600);
//!
//! #[activity]
//! async fn reserve(order: u32) -> dacapo::Result<u32> { todo!("asks the warehouse") }
//!
//! #[activity]
//! async fn release(reservation: u32) { todo!("tells the warehouse") }
//!
//! #[orchestrator]
//! async fn process(order: u32) -> dacapo::Result<bool> {
//!     let reservation = reserve(order).await?;
//!     let approved = dacapo::timeout(THREE_DAYS, APPROVAL.wait()).await.unwrap_or(false);
//!     if !approved {
//!         release(reservation).await;
//!     }
//!     Ok(approved)
//! }
//!
//! // #[test]
//! fn an_order_that_nobody_approves_is_released_after_three_days() {
//!     let harness = Harness::new();
//!     harness.mock(reserve, |order| Ok(order + 100));
//!     harness.mock(release, |_| ());
//!     assert!(!harness.run(process(42)).unwrap());
//!     assert_eq!((harness.calls(release), harness.elapsed()), (vec![142], THREE_DAYS));
//! }
//! # an_order_that_nobody_approves_is_released_after_three_days();
//!
//! // #[test]
//! fn an_order_that_is_approved_is_kept() {
//!     let harness = Harness::new();
//!     harness.mock(reserve, |order| Ok(order + 100));
//!     let run = harness.start(process(42));
//!     harness.advance(Duration::from_secs(24 * 3600));
//!     run.raise(APPROVAL, true);
//!     assert!(run.result().unwrap());
//! }
//! # an_order_that_is_approved_is_kept();
//! ```
//!
//! * [`Harness::start`], [`raise`](Run::raise), [`terminate`](Run::terminate) let everything happen that follows from them while the
//!   clock stands still; [`Harness::advance`] moves it; [`Run::result`] and [`Harness::run`] move it as far as it takes.
//! * An activity without a mock ends the test, so that no test charges a card: [`mock`](Harness::mock) it with a closure of its own
//!   signature, with a [sequence](Harness::mock_sequence) of answers, with [none at all](Harness::mock_never), or say that it runs for
//!   [real](Harness::real). Sub-orchestrations run for real.
//! * Every turn is replayed on the side, as the runtime does in debug builds: an orchestrator that reads a clock through a trait object is
//!   reported with both calls. [`Run::replay`] plays the whole history against the code again.
//!
//! # Crashes
//!
//! [`crash_everywhere`] runs the same scenario once for every commit with a crash right after it, and requires the same result.
//!
//! # Orders
//!
//! Activities that run together answer in any order. [`explore`] tries many, with crashes among them, and shows the shortest that changes
//! what happens:
//!
//! ```should_panic,standalone_crate
//! use dacapo::{activity, orchestrator, testing::explore};
//!
//! #[activity]
//! async fn quote(supplier: String) -> u32 { 0 }
//!
//! /// Meant to give the lower price; gives the one that comes first.
//! #[orchestrator]
//! async fn cheapest() -> u32 {
//!     dacapo::select! { a = quote("a".into()) => a, b = quote("b".into()) => b }
//! }
//!
//! explore(|harness| {
//!     harness.mock(quote, |supplier| if supplier == "a" { 10 } else { 20 });
//!     assert_eq!(harness.run(cheapest()), Ok(10));
//! });
//! ```
//!
//! # Code that changes
//!
//! [`record`] writes histories of a running system into files, one for each instance; [`replay_dir`] plays them against the code of
//! today, which is the test to have in CI before a deploy.
//!
//! # Stores
//!
//! [`store_conformance`] checks what every store promises.

mod arguments;
mod driver;
mod explore;
mod harness;
mod histories;
mod run;
mod schedule;
mod stage;
mod store;
pub mod store_conformance;
/// For tests of the library itself; may change in any release.
#[doc(hidden)]
pub mod through;
mod time;
#[cfg(test)]
mod waits;

pub use arguments::Arguments;
pub use explore::{Explore, crash_everywhere, explore};
pub use harness::Harness;
pub use histories::{record, replay_dir};
pub use run::Run;
