//! What the machines of these tests run. Activities never run: the tests give their outcomes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::registration::Registration;
use crate::{Callable, Event, Retry, activity, continue_as_new, entity, orchestrator, timeout};

pub(super) const GO: Event<u32> = Event::new("go");

#[activity]
async fn grow(n: u32) -> u32 {
    n + 1
}

#[activity(retry = Retry::fixed(Duration::from_secs(5)).max_attempts(2))]
async fn shaky(n: u32) -> Result<u32, String> {
    Ok(n)
}

#[orchestrator]
pub(super) async fn at_once(n: u32) -> u32 {
    n
}

#[orchestrator]
pub(super) async fn two_steps(n: u32) -> u32 {
    grow(grow(n).await).await
}

#[orchestrator]
pub(super) async fn tries(n: u32) -> Result<u32, String> {
    shaky(n).await
}

#[orchestrator]
pub(super) async fn hears() -> u32 {
    GO.wait().await
}

#[orchestrator]
pub(super) async fn hears_twice() -> u32 {
    GO.wait().await + GO.wait().await
}

#[orchestrator]
pub(super) async fn sleeps(seconds: u64) -> u32 {
    crate::sleep(Duration::from_secs(seconds)).await;
    GO.wait().await
}

#[orchestrator]
pub(super) async fn grows_then_hears(n: u32) -> u32 {
    grow(n).await + GO.wait().await
}

/// Gives up after ten seconds.
#[orchestrator]
pub(super) async fn grows_in_time(n: u32) -> u32 {
    let grown = timeout(Duration::from_secs(10), grow(n)).await.unwrap_or_default();
    grown + GO.wait().await
}

#[orchestrator]
pub(super) async fn has_a_child() -> u32 {
    hears().id("child").await
}

/// Waits for its child for ten seconds.
#[orchestrator]
pub(super) async fn has_a_child_in_time() -> u32 {
    let heard = timeout(Duration::from_secs(10), hears().id("child")).await.unwrap_or_default();
    heard + GO.wait().await
}

#[orchestrator]
pub(super) async fn grows_what_its_child_says() -> u32 {
    grow(hears().id("child").await).await
}

#[orchestrator]
pub(super) async fn sets_off() -> u32 {
    let _ = hears().id("detached").detach();
    GO.wait().await
}

/// Each execution takes one event.
#[orchestrator]
pub(super) async fn rounds(n: u32) -> u32 {
    let heard = GO.wait().await;
    if heard == 0 { n } else { continue_as_new(rounds(n + 1)).await }
}

/// Never waits.
#[orchestrator]
pub(super) async fn spins(n: u32) -> u32 {
    continue_as_new(spins(n + 1)).await
}

#[orchestrator]
pub(super) async fn shows(n: u32) -> u32 {
    crate::set_custom_status(&n);
    let heard = GO.wait().await;
    heard + GO.wait().await
}

#[orchestrator]
pub(super) async fn tells_an_entity() -> u32 {
    Tally::at("a").add(1).signal();
    Tally::at("b").add(GO.wait().await).await
}

#[orchestrator]
pub(super) async fn locks() -> u32 {
    let guard = crate::lock((Tally::at("a"), Tally::at("b"))).await;
    let heard = GO.wait().await;
    drop(guard);
    heard + GO.wait().await
}

/// A state and its operations.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Tally {
    sum: u32,
}

#[entity]
impl Tally {
    pub(super) fn add(&mut self, n: u32) -> u32 {
        self.sum += n;
        self.sum
    }

    pub(super) fn get(&self) -> u32 {
        self.sum
    }

    /// Fails when there is not enough.
    pub(super) fn take(&mut self, n: u32) -> Result<u32, String> {
        let before = self.sum;
        self.sum = 0;
        self.sum = before.checked_sub(n).ok_or("there is not enough")?;
        Ok(self.sum)
    }

    /// Tells another.
    pub(super) fn pass_on(&mut self, to: String) {
        Self::at(to).add(self.sum).signal();
        self.sum = 0;
    }
}

fn of<A>(function: impl Callable<A>) -> Registration {
    function.registration()
}

pub(super) fn orchestrators() -> Vec<Registration> {
    vec![
        of(at_once),
        of(two_steps),
        of(tries),
        of(hears),
        of(hears_twice),
        of(sleeps),
        of(grows_then_hears),
        of(grows_in_time),
        of(has_a_child),
        of(has_a_child_in_time),
        of(grows_what_its_child_says),
        of(sets_off),
        of(rounds),
        of(spins),
        of(shows),
        of(tells_an_entity),
        of(locks),
    ]
}

pub(super) fn activities() -> Vec<Registration> {
    vec![of(grow), of(shaky)]
}
