//! What schedules promise: a run for every time and no two for one, through restarts, pauses and overlaps.

use std::time::{Duration, SystemTime};

use dacapo::{CatchUp, Client, ErrorKind, Event, Overlap, Runtime, Schedule, Status, Timetable, activity, orchestrator};

mod both;
use both::{Kept, on_both_stores, until};

const GO: Event<()> = Event::new("go");

#[activity]
async fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

#[orchestrator]
async fn hello(name: String) -> String {
    greet(name).await
}

/// Goes on until it is told to end.
#[orchestrator]
async fn long() {
    GO.wait().await;
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    Ok(kept.runtime().open().await?)
}

fn every(milliseconds: u64) -> Timetable {
    Timetable::every(Duration::from_millis(milliseconds))
}

/// Never by itself in the time of a test.
fn yearly() -> Timetable {
    Timetable::cron("0 0 1 1 *")
}

/// The ids of the runs of a schedule, the first first.
async fn runs(client: &Client, schedule: &str) -> Vec<String> {
    let page = client.query().tag("schedule", schedule).page_size(10_000).await.expect("it answers");
    let mut ids: Vec<_> = page.instances().iter().map(|run| run.instance_id().to_owned()).collect();
    ids.sort();
    ids
}

async fn fires(client: &Client, schedule: &str, count: usize) {
    until(&format!("{count} runs"), async || runs(client, schedule).await.len() >= count).await;
}

async fn skips(schedule: &Schedule, count: u64) {
    until("it skips", async || schedule.describe().await.expect("it is there").skipped() >= count).await;
}

/// The times of runs, in microseconds.
fn times(ids: &[String]) -> Vec<i64> {
    let time = |id: &String| {
        let (_, time) = id.split_once("s-").expect("the name stands first");
        let time = chrono::DateTime::parse_from_rfc3339(time).expect("a time");
        time.timestamp_micros()
    };
    let mut times: Vec<_> = ids.iter().map(time).collect();
    times.sort_unstable();
    times
}

async fn a_schedule_fires_for_every_time_also_for_those_while_the_worker_was_down(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.schedule("s").create(every(50), hello("Ada".into())).overlap(Overlap::AllowAll).await?;
    fires(&runtime, "s", 3).await;
    drop(runtime);
    // Down for some times: those of another schedule.
    let elsewhere = open(&Kept::memory()).await?;
    elsewhere.schedule("s").create(every(50), hello("Bob".into())).await?;
    fires(&elsewhere, "s", 6).await;
    let runtime = open(&kept).await?;
    fires(&runtime, "s", 15).await;
    runtime.schedule("s").pause("enough").await?;
    let times = times(&runs(&runtime, "s").await);
    for pair in times.windows(2) {
        assert_eq!(pair[1] - pair[0], 50_000, "each time once, none left out: {times:?}");
    }
    assert_eq!(runtime.attach(hello, runs(&runtime, "s").await[0].clone()).result().await?, "Hello, Ada!");
    Ok(())
}

async fn a_paused_schedule_starts_only_what_it_is_told_to(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let schedule = runtime.schedule("s");
    schedule.create(every(20), hello("Ada".into())).await?;
    fires(&runtime, "s", 1).await;
    schedule.pause("holidays").await?;
    until("it is paused", async || schedule.describe().await.is_ok_and(|it| it.paused() == Some("holidays"))).await;
    assert_eq!(schedule.describe().await?.next(), None);
    drop(runtime);

    let runtime = open(&kept).await?;
    let schedule = runtime.schedule("s");
    let before = runs(&runtime, "s").await.len();
    runtime.schedule("other").create(every(20), hello("Bob".into())).await?;
    fires(&runtime, "other", 5).await;
    assert_eq!(runs(&runtime, "s").await.len(), before, "the pause outlives the process");
    schedule.trigger().await?;
    fires(&runtime, "s", before + 1).await;
    let resumed = SystemTime::now();
    schedule.resume().await?;
    fires(&runtime, "s", before + 3).await;
    let resumed =
        i64::try_from(resumed.duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_micros()).expect("it fits");
    let late = times(&runs(&runtime, "s").await).into_iter().skip(before + 1);
    assert!(late.into_iter().all(|time| time >= resumed), "what passed in the pause is not caught up");
    Ok(())
}

async fn a_backfill_runs_every_time_of_a_range_once(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let schedule = runtime.schedule("s");
    let daily = Timetable::cron("0 8 * * *").time_zone("Europe/Berlin");
    schedule.create(daily, hello("Ada".into())).await?;
    schedule.pause("only the past").await?;
    let time = |text: &str| SystemTime::from(chrono::DateTime::parse_from_rfc3339(text).expect("a time"));
    // The day on which Berlin puts its clocks forward is in the range.
    schedule.backfill(time("2025-03-29T07:00:00Z"), time("2025-03-31T06:00:00Z")).await?;
    fires(&runtime, "s", 3).await;
    drop(runtime);
    let runtime = open(&kept).await?;
    let schedule = runtime.schedule("s");
    schedule.backfill(time("2025-03-30T00:00:00Z"), time("2025-04-01T12:00:00Z")).await?;
    fires(&runtime, "s", 4).await;
    let expected = ["s-2025-03-29T07:00:00Z", "s-2025-03-30T06:00:00Z", "s-2025-03-31T06:00:00Z", "s-2025-04-01T06:00:00Z"];
    assert_eq!(runs(&runtime, "s").await, expected);
    let refused = schedule.backfill(time("1980-01-01T00:00:00Z"), time("2025-01-01T00:00:00Z")).await.expect_err("too many");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    Ok(())
}

async fn a_run_that_goes_on_is_treated_as_the_policy_has_it(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for (name, overlap) in [
        ("skips", Overlap::Skip),
        ("buffers", Overlap::BufferOne),
        ("allows", Overlap::AllowAll),
        ("terminates", Overlap::TerminateOther),
    ] {
        let schedule = runtime.schedule(name);
        schedule.create(yearly(), long()).overlap(overlap).await?;
        for _ in 0..3 {
            schedule.trigger().await?;
        }
    }
    skips(&runtime.schedule("skips"), 2).await;
    assert_eq!(runs(&runtime, "skips").await.len(), 1);
    fires(&runtime, "allows", 3).await;
    fires(&runtime, "terminates", 3).await;
    let terminated = runtime.query().tag("schedule", "terminates").status(Status::Terminated).await?;
    assert_eq!(terminated.instances().len(), 2, "only the last goes on");

    skips(&runtime.schedule("buffers"), 1).await;
    let first = runs(&runtime, "buffers").await;
    assert_eq!(first.len(), 1, "one waits, one is left out");
    drop(runtime);
    // What waits does so through a restart.
    let runtime = open(&kept).await?;
    runtime.attach(long, first[0].clone()).raise(GO, ()).await?;
    fires(&runtime, "buffers", 2).await;
    assert_eq!(runtime.schedule("buffers").describe().await?.skipped(), 1);
    Ok(())
}

async fn a_schedule_is_described_changed_and_deleted(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let schedule = runtime.schedule("s");
    schedule.create(yearly().time_zone("Asia/Tokyo"), hello("Ada".into())).catch_up(CatchUp::None).await?;
    let described = schedule.describe().await?;
    assert_eq!((described.name(), described.orchestrator(), described.last_run()), ("s", "hello", None));
    assert_eq!((described.overlap(), described.catch_up(), described.paused()), (Overlap::Skip, CatchUp::None, None));
    assert!(described.next().is_some_and(|next| next > SystemTime::now()));
    let taken = schedule.create(yearly(), hello("Ada".into())).await.expect_err("there is one");
    assert_eq!(taken.to_string(), "a schedule with the name `s` exists already; change it with `update`");

    schedule.update(every(20), hello("Grace".into())).await?;
    fires(&runtime, "s", 1).await;
    let first = runs(&runtime, "s").await[0].clone();
    assert_eq!(runtime.attach(hello, first).result().await?, "Hello, Grace!");
    runtime.schedule("other").create(yearly(), hello("Ada".into())).await?;
    let names = async || -> dacapo::Result<Vec<String>> {
        Ok(runtime.schedules().await?.iter().map(|schedule| schedule.name().to_owned()).collect())
    };
    assert_eq!(names().await?, ["other", "s"]);
    schedule.delete().await?;
    assert_eq!(names().await?, ["other"]);
    let gone = schedule.trigger().await.expect_err("it is gone");
    assert_eq!((gone.kind(), gone.to_string().as_str()), (ErrorKind::NotFound, "there is no schedule with the name `s`"));
    schedule.create(yearly(), hello("Ada".into())).await?;
    Ok(())
}

async fn a_run_that_cannot_be_started_is_told_and_the_schedule_goes_on(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().only_registered().open().await?;
    let schedule = runtime.schedule("s");
    schedule.create(every(20), hello("Ada".into())).await?;
    until("it fails", async || {
        schedule.describe().await.is_ok_and(|it| it.error().is_some_and(|error| error.contains("`hello`")))
    })
    .await;
    drop(runtime);
    let runtime = open(&kept).await?;
    fires(&runtime, "s", 1).await;
    until("the error is over", async || runtime.schedule("s").describe().await.is_ok_and(|it| it.error().is_none())).await;
    Ok(())
}

on_both_stores! {
    a_schedule_fires_for_every_time_also_for_those_while_the_worker_was_down
    a_paused_schedule_starts_only_what_it_is_told_to
    a_backfill_runs_every_time_of_a_range_once
    a_run_that_goes_on_is_treated_as_the_policy_has_it
    a_schedule_is_described_changed_and_deleted
    a_run_that_cannot_be_started_is_told_and_the_schedule_goes_on
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused_by_its_field() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let refused = async |name: &str, timetable: Timetable| {
        let error = runtime.schedule(name).create(timetable, hello("Ada".into())).await.expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    let cron = refused("s", Timetable::cron("0 25 * * *")).await;
    assert!(cron.starts_with("invalid schedule `s`: invalid cron pattern `0 25 * * *`: "), "{cron}");
    let zone = refused("s", yearly().time_zone("Europe/Berln")).await;
    assert!(zone.contains("unknown time zone `Europe/Berln`"), "{zone}");
    assert!(refused("s", every(0)).await.contains("`every` is 0ns"));
    assert!(refused("a/b", yearly()).await.contains("a/b"));
    let error =
        runtime.schedule("s").create(yearly(), hello("Ada".into()).id("mine")).await.expect_err("runs have their own ids");
    assert!(error.to_string().contains("remove `.id(\"mine\")`"), "{error}");
    assert_eq!(runtime.counts().await?.total(), 0);
    Ok(())
}

#[test]
fn a_day_of_a_schedule_takes_no_time_in_a_harness() {
    let harness = dacapo::testing::Harness::new();
    harness.mock(greet, |name| name);
    let created = harness.client(async |client| {
        client.schedule("s").create(Timetable::cron("0 * * * *"), hello("Ada".into())).await.map_err(|error| error.to_string())
    });
    assert_eq!(created, Ok(()));
    harness.advance(Duration::from_secs(24 * 3600));
    assert_eq!(harness.calls(greet).len(), 24);
}
