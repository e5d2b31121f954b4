//! What limits promise: never more than the limit, shared by all orchestrations of a process, fair between keys, nothing lost by a
//! restart.

use std::collections::HashMap;
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dacapo::store::{Event as Recorded, MemoryStore, Timestamp, Turn};
use dacapo::testing::{Harness, crash_everywhere};
use dacapo::{PerMinute, PerSecond, Runtime, Status, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Serialize, Deserialize)]
struct Mail {
    tenant: String,
    number: u32,
}

#[activity(rate_limit = PerMinute(60))]
async fn geocode(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn geocode_all(count: u32) -> Vec<u32> {
    join_all((0..count).map(geocode)).await
}

#[activity(rate_limit = PerMinute(60), limit_key = mail.tenant)]
async fn send(mail: Mail) -> u32 {
    mail.number
}

#[orchestrator]
async fn send_all(tenant: String, count: u32) -> Vec<u32> {
    join_all((0..count).map(|number| send(Mail { tenant: tenant.clone(), number }))).await
}

/// When the activities of a history have answered. A mock takes no time, so that is when they have started.
fn starts(history: Vec<Turn>) -> Vec<Timestamp> {
    let ends = |turn: &Turn| turn.events.iter().filter(|event| matches!(event, Recorded::TaskCompleted { .. })).count();
    history.into_iter().flat_map(|turn| std::iter::repeat_n(turn.at, ends(&turn))).collect()
}

/// The greatest number of starts in any time of this length.
fn most_in(window: Duration, mut starts: Vec<Timestamp>) -> usize {
    starts.sort();
    let in_window = |from: usize| starts[from..].iter().take_while(|at| at.since(starts[from]) < window).count();
    (0..starts.len()).map(in_window).max().unwrap_or(0)
}

#[test]
fn no_minute_has_more_starts_than_the_rate_whoever_asks() {
    let harness = Harness::new();
    harness.mock(geocode, |n| n);
    let (one, other) = (harness.start(geocode_all(100)), harness.start(geocode_all(100)));
    assert_eq!(one.result().expect("it ends well"), (0..100).collect::<Vec<_>>());
    assert_eq!(other.result().expect("it ends well").len(), 100);
    let all: Vec<_> = starts(one.history()).into_iter().chain(starts(other.history())).collect();
    assert_eq!(all.len(), 200, "none is lost");
    assert_eq!(most_in(MINUTE, all), 60);
    let elapsed = harness.elapsed().as_secs();
    assert!((195..=200).contains(&elapsed), "the rate is used: {elapsed} s");
}

#[test]
fn each_key_has_the_whole_limit_and_no_key_waits_for_another() {
    let harness = Harness::new();
    harness.mock(send, |mail| mail.number);
    let large = harness.start(send_all("large".into(), 300));
    let small = harness.start(send_all("small".into(), 10));
    assert_eq!(small.result().expect("it ends well").len(), 10);
    assert!(harness.elapsed() < Duration::from_secs(11), "{:?}", harness.elapsed());
    assert_eq!(large.result().expect("it ends well").len(), 300);
    assert!(harness.elapsed() > Duration::from_secs(295), "{:?}", harness.elapsed());
    assert_eq!(most_in(MINUTE, starts(large.history())), 60);
}

#[activity(rate_limit = PerSecond(4))]
async fn sprint(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn sprints(count: u32) -> Vec<u32> {
    join_all((0..count).map(sprint)).await
}

/// Runs to the end and tells when calls have started, those too that a crash took away.
fn sprint_starts(harness: &Harness, count: u32) -> Vec<Timestamp> {
    harness.mock(sprint, |n| n);
    let run = harness.start(sprints(count));
    let mut starts = Vec::new();
    while run.status().runtime_status() != Status::Completed {
        starts.resize(harness.calls(sprint).len(), Timestamp::from(harness.now()));
        harness.advance(Duration::from_millis(1));
    }
    starts.resize(harness.calls(sprint).len(), Timestamp::from(harness.now()));
    assert_eq!(run.result().expect("it ends well"), (0..count).collect::<Vec<_>>());
    starts
}

#[test]
fn no_second_has_more_starts_than_the_rate_wherever_it_crashes() {
    crash_everywhere(|harness| {
        let starts = sprint_starts(harness, 9);
        assert!(starts.len() >= 9, "none is lost");
        assert_eq!(most_in(Duration::from_secs(1), starts), 4);
    });
}

#[test]
fn the_first_call_of_a_new_store_does_not_wait() {
    let harness = Harness::new();
    assert_eq!(sprint_starts(&harness, 1).len(), 1);
    assert_eq!(harness.elapsed(), Duration::ZERO);
}

#[derive(Default)]
struct Seen {
    running: HashMap<String, usize>,
    most: HashMap<String, usize>,
    order: Vec<String>,
    starts: Vec<Instant>,
}

#[derive(Clone, Default)]
struct Server {
    seen: Arc<Mutex<Seen>>,
    gate: Arc<Notify>,
    entered: Arc<Notify>,
}

impl Server {
    fn enter(&self, who: &str) {
        let mut seen = self.seen.lock().expect("nobody panics with it");
        let running = seen.running.entry(who.to_owned()).or_default();
        *running += 1;
        let running = *running;
        let most = seen.most.entry(who.to_owned()).or_default();
        *most = running.max(*most);
        seen.order.push(who.to_owned());
        seen.starts.push(Instant::now());
        self.entered.notify_one();
    }

    fn leave(&self, who: &str) {
        *self.seen.lock().expect("nobody panics with it").running.get_mut(who).expect("it ends well") -= 1;
    }
}

#[activity(max_concurrent = 2, limit_key = tenant)]
async fn capped(tenant: String, number: u32) -> u32 {
    let server = dacapo::state::<Server>();
    server.enter(&tenant);
    tokio::time::sleep(Duration::from_millis(1)).await;
    server.leave(&tenant);
    number
}

#[orchestrator]
async fn all_capped(tenant: String, count: u32) -> Vec<u32> {
    join_all((0..count).map(|number| capped(tenant.clone(), number))).await
}

#[tokio::test]
async fn max_concurrent_holds_for_each_key_across_orchestrations() -> dacapo::Result<()> {
    let server = Server::default();
    let runtime = Runtime::builder("memory:").state(server.clone()).open().await?;
    let tenants = ["a", "b", "c", "a"];
    let runs = join_all(tenants.map(|tenant| runtime.start(all_capped(tenant.into(), 30)).into_future())).await;
    for run in runs {
        assert_eq!(run?.result().await?, (0..30).collect::<Vec<_>>());
    }
    let seen = server.seen.lock().expect("nobody panics with it");
    assert_eq!(seen.most, HashMap::from([("a".to_owned(), 2), ("b".to_owned(), 2), ("c".to_owned(), 2)]));
    assert_eq!(seen.order.len(), 120);
    Ok(())
}

/// Like `capped`, with no limit but the pool's.
#[activity]
async fn left(number: u32) -> u32 {
    let server = dacapo::state::<Server>();
    server.enter("left");
    server.gate.notified().await;
    server.gate.notify_one();
    number
}

#[activity]
async fn right(number: u32) -> u32 {
    dacapo::state::<Server>().enter("right");
    number
}

#[orchestrator]
async fn both_sides() -> usize {
    let lefts: Vec<_> = (0..500).map(|number| left(number).start()).collect();
    let rights: Vec<_> = (0..10).map(|number| right(number).start()).collect();
    join_all(lefts).await.len() + join_all(rights).await.len()
}

#[tokio::test]
async fn a_few_calls_do_not_wait_behind_many_of_another_activity() -> dacapo::Result<()> {
    let server = Server::default();
    let runtime = Runtime::builder("memory:").state(server.clone()).max_concurrent_activities(1).open().await?;
    let run = runtime.start(both_sides()).await?;
    server.entered.notified().await;
    server.gate.notify_one();
    assert_eq!(run.result().await?, 510);
    let seen = server.seen.lock().expect("nobody panics with it");
    let last = seen.order.iter().rposition(|who| who == "right").expect("it ends well");
    assert!((15..30).contains(&last), "they took turns: the last of ten was started as number {last}");
    Ok(())
}

#[activity(rate_limit = PerSecond(200))]
async fn metered(number: u32) -> u32 {
    dacapo::state::<Server>().enter("metered");
    number
}

#[orchestrator]
async fn all_metered(count: u32) -> Vec<u32> {
    join_all((0..count).map(metered)).await
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_nothing_and_keeps_the_rate() -> dacapo::Result<()> {
    let (store, server) = (MemoryStore::new(), Server::default());
    let open = || Runtime::with_store(store.clone()).state(server.clone()).open();
    let begun = |server: &Server| server.seen.lock().expect("nobody panics with it").starts.len();
    let asked = Instant::now();
    for (restart, reached) in [50, 120, 190].into_iter().enumerate() {
        let runtime = open().await?;
        if restart == 0 {
            runtime.start(all_metered(250)).id("metered").await?;
        }
        while begun(&server) < reached {
            server.entered.notified().await;
        }
        if restart == 1 {
            runtime.shutdown().await?;
            assert!(begun(&server) < 250, "what waits for its turn is left for recovery, not waited for");
        } else {
            drop(runtime);
        }
    }
    let runtime = open().await?;
    assert_eq!(runtime.attach(all_metered, "metered").result().await?, (0..250).collect::<Vec<_>>());
    let seen = server.seen.lock().expect("nobody panics with it");
    assert!(seen.starts.len() <= 250 + 3 * 10, "what a restart interrupted ran again, and no more: {}", seen.starts.len());
    // On a busy machine a start is seen later than it was, never earlier.
    for (number, at) in seen.starts.iter().enumerate() {
        let earliest = Duration::from_millis(5) * u32::try_from(number)?.saturating_sub(1);
        assert!(at.duration_since(asked) >= earliest, "start {number} came {:?} after the first", at.duration_since(asked));
    }
    Ok(())
}

#[activity(max_concurrent = 1, limit_key = 10 / n)]
async fn divided(n: u32) -> dacapo::Result<u32> {
    Ok(n)
}

#[orchestrator]
async fn divide(n: u32) -> dacapo::Result<u32> {
    divided(n).await
}

#[tokio::test]
async fn a_key_that_cannot_be_found_fails_its_call_and_no_other() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let error = runtime.start(divide(0)).await?.result().await.expect_err("ten cannot be divided by zero");
    assert!(error.to_string().contains("the `limit_key` of the call could not be found"), "{error}");
    assert!(error.causes().iter().any(|cause| cause.contains("divide by zero")), "{:?}", error.causes());
    assert_eq!(runtime.start(divide(5)).await?.result().await?, 5);
    Ok(())
}
