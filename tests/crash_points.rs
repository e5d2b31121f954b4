//! A crash right after any commit changes nothing: what a commit decides and does not do itself is found again.

use std::future::IntoFuture as _;
use std::time::Duration;

use dacapo::testing::{Harness, crash_everywhere};
use dacapo::{Client, Codec, Event, Payloads, Retention, Retry, ReuseId, Status, Timetable, activity, entity, orchestrator};
use serde::{Deserialize, Serialize};

const NEVER: Event<u32> = Event::new("never");
const HOUR: Duration = Duration::from_secs(3600);

async fn status(client: &Client, id: &str) -> Option<Status> {
    client.status(id).await.ok().map(|status| status.runtime_status())
}

#[orchestrator]
async fn waits() -> u32 {
    NEVER.wait().await
}

#[orchestrator]
async fn waits_for_children() -> u32 {
    let (a, b) = dacapo::join!(waits().id("a"), waits_for_one().id("b"));
    a + b
}

#[orchestrator]
async fn waits_for_one() -> u32 {
    waits().id("c").await
}

/// The status of the whole family, once nothing more happens.
fn family(harness: &Harness) -> [Option<Status>; 4] {
    harness.advance(HOUR);
    harness.client(async |client| {
        let all = futures::join!(status(&client, "root"), status(&client, "a"), status(&client, "b"), status(&client, "c"));
        [all.0, all.1, all.2, all.3]
    })
}

#[test]
fn the_termination_of_a_suspended_run_ends_its_children() {
    let ended = crash_everywhere(|harness| {
        let root = harness.start(waits_for_children().id("root"));
        harness.client(async |client| client.suspend("root", "a break").await).expect("it is suspended");
        root.terminate("enough");
        family(harness)
    });
    assert_eq!(ended, [Some(Status::Terminated); 4]);
}

#[test]
fn the_termination_of_a_family_with_suspended_members_ends_all_of_it() {
    let ended = crash_everywhere(|harness| {
        let root = harness.start(waits_for_children().id("root"));
        harness.client(async |client| client.suspend("b", "a break").await).expect("it is suspended");
        root.terminate("enough");
        family(harness)
    });
    assert_eq!(ended, [Some(Status::Terminated); 4]);
}

#[derive(Default, Serialize, Deserialize)]
struct Count(u32);

#[entity]
impl Count {
    fn add(&mut self, n: u32) -> u32 {
        self.0 += n;
        self.0
    }
}

#[orchestrator]
async fn locks_both() -> u32 {
    let (one, two) = (Count::at("one"), Count::at("two"));
    let _guard = dacapo::lock((one.clone(), two.clone())).await;
    one.add(1).await + two.add(1).await + NEVER.wait().await
}

#[orchestrator]
async fn adds_to_both() -> u32 {
    Count::at("one").add(10).await + Count::at("two").add(10).await
}

#[test]
fn the_termination_of_a_suspended_holder_gives_its_locks_back() {
    let counted = crash_everywhere(|harness| {
        let holder = harness.start(locks_both().id("holder"));
        harness.client(async |client| client.suspend("holder", "a break").await).expect("it is suspended");
        holder.terminate("enough");
        harness.run(adds_to_both())
    });
    assert_eq!(counted, Ok(22));
}

/// Fails until somebody has mended it, which a test does by the event.
#[orchestrator]
async fn fails_at_first(mended: bool) -> Result<u32, String> {
    let sent = sends(1).await;
    if mended { Ok(sent) } else { breaks().await }
}

#[activity]
async fn sends(n: u32) -> u32 {
    n
}

#[activity(retry = Retry::none())]
async fn breaks() -> Result<u32, String> {
    Err("broken".into())
}

#[orchestrator]
async fn asks_a_child() -> Result<u32, String> {
    Ok(sends(10).await + fails_at_first(false).id("child").await?)
}

#[test]
fn a_rewound_family_goes_on() {
    let ended = crash_everywhere(|harness| {
        harness.mock(sends, |n| n);
        harness.mock(breaks, |()| Err("broken".into()));
        let root = harness.start(asks_a_child().id("root"));
        root.result().expect_err("it is broken");
        harness.mock(breaks, |()| Ok(5));
        harness.client(async |client| client.rewind("root", "mended").await).expect("it is rewound");
        root.result()
    });
    assert_eq!(ended, Ok(15));
}

#[test]
fn a_restarted_and_a_replaced_run_go_on() {
    let ended = crash_everywhere(|harness| {
        harness.mock(sends, |n| n);
        harness.start(waits_for_children().id("root"));
        let replaced = harness.client(async |client| {
            let run = client.start(fails_at_first(true)).id("root").reuse_id(ReuseId::ReplaceAny).await;
            run.expect("it takes the place").result().await
        });
        let restarted = harness.client(async |client| client.restart("root").into_future().await);
        harness.advance(HOUR);
        (replaced, restarted.is_ok(), family(harness))
    });
    assert_eq!((ended.0, ended.1), (Ok(1), true));
    assert_eq!(ended.2[0], Some(Status::Completed));
}

#[test]
fn a_purge_takes_the_whole_family_or_nothing() {
    let left = crash_everywhere(|harness| {
        let root = harness.start(waits_for_children().id("root"));
        root.terminate("enough");
        harness.advance(HOUR);
        let purged = harness.client(async |client| client.purge("root").recursive().into_future().await);
        (purged.expect("it is purged"), family(harness))
    });
    assert_eq!(left, (4, [None; 4]));
}

#[test]
fn retention_takes_what_has_ended_in_the_end() {
    let left = crash_everywhere(|harness| {
        harness.settings(|builder| builder.retention(Retention::all(HOUR)));
        let root = harness.start(waits_for_children().id("root"));
        root.terminate("enough");
        harness.advance(5 * HOUR);
        family(harness)
    });
    assert_eq!(left, [None; 4]);
}

struct Reversed;

impl Codec for Reversed {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        plain.iter().rev().copied().collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.encode(encoded))
    }
}

#[orchestrator(version = 2)]
async fn renews(left: u32, sum: u32) -> u32 {
    let sum = if dacapo::patched("doubled") { sum + 2 * sends(left).await } else { sum + sends(left).await };
    let sum = sum + Count::at("renewals").add(1).await;
    dacapo::sleep(HOUR).await;
    if left == 0 { sum } else { dacapo::continue_as_new(renews(left - 1, sum)).await }
}

#[test]
fn versions_and_executions_with_a_codec_go_on() {
    let ended = crash_everywhere(|harness| {
        harness.settings(|builder| builder.payloads(Payloads::default().out_of_line_above(1).codec(Reversed)));
        harness.mock(sends, |n| n);
        harness.run(renews(2, 0))
    });
    assert_eq!(ended, Ok(2 * 3 + 1 + 2 + 3));
}

#[activity(retry = Retry::fixed(Duration::from_secs(60)).max_attempts(3))]
async fn beats(n: u32) -> Result<u32, String> {
    let seen = dacapo::activity::last_heartbeat::<u32>();
    dacapo::activity::heartbeat(&n);
    if dacapo::activity::attempt() < 3 { Err("again".into()) } else { Ok(seen.unwrap_or(0)) }
}

#[orchestrator]
async fn calls_beats() -> Result<u32, String> {
    beats(7).await
}

#[test]
fn a_heartbeat_reaches_the_next_attempt() {
    let seen = crash_everywhere(|harness| {
        harness.real(beats);
        harness.run(calls_beats())
    });
    assert_eq!(seen, Ok(7));
}

#[orchestrator]
async fn reports() -> u32 {
    Count::at("reports").add(1).await
}

#[test]
fn a_schedule_starts_each_run_once() {
    let counted = crash_everywhere(|harness| {
        let timetable = Timetable::every(HOUR);
        harness
            .client(async |client| client.schedule("hourly").create(timetable, reports()).into_future().await)
            .map(drop)
            .expect("it is made");
        harness.advance(3 * HOUR + HOUR / 2);
        harness.client(async |client| client.schedule("hourly").pause("enough").await).expect("it is paused");
        harness.run(adds_to_reports())
    });
    assert_eq!(counted, Ok(3));
}

#[orchestrator]
async fn adds_to_reports() -> u32 {
    Count::at("reports").add(0).await
}
