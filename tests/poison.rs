//! An event that a run cannot read parks it, and can be put aside: it neither fails the run nor is it lost.

use dacapo::store::{self, Append, Batch, Lookup, Turn, Update};
use dacapo::{EntityId, ErrorKind, Event, Payload, Payloads, Runtime, Status, activity, entity, orchestrator};

mod both;
use both::{Kept, events, reaches, reported, until};

const GO: Event<u32> = Event::new("go");
const NEXT: Event<bool> = Event::new("next");

#[activity]
async fn step(n: u32) -> u32 {
    n + 1
}

#[orchestrator]
async fn waits() -> u32 {
    let n = GO.wait().await;
    step(n).await
}

#[orchestrator]
async fn works() -> u32 {
    let n = step(0).await;
    step(n + GO.wait().await).await
}

/// Waits for one event after another.
#[orchestrator]
async fn waits_twice() -> u32 {
    NEXT.wait().await;
    let n = GO.wait().await;
    step(n).await
}

/// Its second execution waits for what was raised to the first.
#[orchestrator]
async fn executions(execution: u32) -> u32 {
    if execution == 1 {
        NEXT.wait().await;
        return dacapo::continue_as_new(executions(2)).await;
    }
    GO.wait().await
}

async fn open(kept: &Kept) -> Runtime {
    kept.runtime().open().await.expect("it opens")
}

/// What another process raises, which does not know the type.
async fn raise(kept: &Kept, id: &str, event: &str, value: &str) {
    let client = kept.client().await;
    client.raise_named(id, event, value).await.expect("it is kept");
}

async fn an_event_of_another_type_parks_the_run_until_it_is_put_aside(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(works()).id("w").await?;
    until("it waits", async || events(&runtime, "w").await.contains(&"TaskCompleted".to_owned())).await;
    let refused = runtime.raise_named("w", "go", "forty").await.expect_err("the worker knows the type");
    assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains("waits for another type"), "{refused}");
    raise(&kept, "w", "go", "forty").await;
    let status = reported(&runtime, "w").await;
    assert_eq!(status.runtime_status(), Status::Suspended);
    let report = status.report().expect("it is parked").to_owned();
    for part in ["event 1, `go`,", "\"forty\"", "invalid type: string", "--without-event 1", ".without_event(1)"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let refused = runtime.resume("w", "try again").await.expect_err("nothing has changed");
    assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains("event 1, `go`"), "{refused}");
    for (number, why) in [(0, "counted from 1"), (2, "only 1 events have been raised")] {
        let refused = runtime.resume("w", "").without_event(number).await.expect_err("there is none");
        assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains(why), "{refused}");
        assert_eq!(reported(&runtime, "w").await.report(), Some(report.as_str()), "it is still parked for the same reason");
    }
    runtime.resume("w", "it was a word").without_event(1).await?;
    assert_eq!(runtime.status("w").await?.runtime_status(), Status::Running);
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    runtime.raise("w", GO, 40).await?;
    assert_eq!(runtime.attach(works, "w").result().await?, 42);
    let told = serde_json::to_string(&runtime.history("w").await?)?;
    assert!(told.contains("\"forty\"") && told.contains("\"without_events\":[1]"), "{told}");
    Ok(())
}

async fn run_ends(runtime: &Runtime, id: &str, raised: u32, expected: u32) {
    runtime.raise(id, GO, raised).await.expect("it waits");
    let run = runtime.attach(waits, id);
    let result = tokio::time::timeout(std::time::Duration::from_secs(20), run.result());
    assert_eq!(result.await.expect("it goes on").expect("it completes"), expected);
}

async fn a_resume_of_a_run_that_is_not_suspended_leaves_it_running(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(waits()).id("w").await?;
    runtime.shutdown().await?;
    let runtime = open(&kept).await;
    let refused = runtime.resume("w", "").without_event(1).await.expect_err("it is not suspended");
    assert!(refused.to_string().contains("not suspended"), "{refused}");
    run_ends(&runtime, "w", 1, 2).await;
    Ok(())
}

async fn a_termination_that_follows_an_unreadable_event_ends_the_run(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(waits()).id("w").await?;
    runtime.shutdown().await?;
    raise(&kept, "w", "go", "forty").await;
    kept.client().await.terminate("w", "enough").await?;
    let runtime = open(&kept).await;
    reaches(&runtime, "w", Status::Terminated).await;
    Ok(())
}

async fn an_event_that_was_kept_for_a_later_wait_is_put_aside(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(waits_twice()).id("w").await?;
    runtime.raise_named("w", "go", 1.5).await?;
    runtime.raise_named("w", "other", "is taken by nobody").await?;
    runtime.raise("w", NEXT, true).await?;
    assert!(
        reported(&runtime, "w").await.report().is_some_and(|report| report.contains("event 1, `go`") && report.contains("1.5"))
    );
    runtime.shutdown().await?;

    let runtime = open(&kept).await;
    let refused = runtime.resume("w", "").without_event(4).await.expect_err("there is none");
    assert!(refused.to_string().contains("only 3 events"), "{refused}");
    kept.client().await.resume("w", "from elsewhere").without_event(1).await?;
    reaches(&runtime, "w", Status::Running).await;
    until("it waits", async || events(&runtime, "w").await.contains(&"ExecutionResumed".to_owned())).await;
    runtime.suspend("w", "").await?;
    let refused = runtime.resume("w", "").without_event(3).await.expect_err("it was taken");
    assert!(refused.to_string().contains("a wait has taken it already"), "{refused}");
    assert_eq!(runtime.status("w").await?.runtime_status(), Status::Suspended);
    let refused = runtime.resume("w", "").without_event(1).await.expect_err("it is put aside");
    assert!(refused.to_string().contains("already been put aside"), "{refused}");
    runtime.resume("w", "").await?;
    run_ends(&runtime, "w", 1, 2).await;
    Ok(())
}

async fn an_event_for_the_next_execution_is_put_aside(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(executions(1)).id("g").await?;
    for value in ["one", "two"] {
        runtime.raise_named("g", "go", value).await?;
    }
    runtime.raise("g", NEXT, true).await?;
    assert!(reported(&runtime, "g").await.report().is_some_and(|report| report.contains("event 1, `go`")));
    runtime.resume("g", "").without_event(1).await.expect_err("the second is no better");
    assert!(reported(&runtime, "g").await.report().is_some_and(|report| report.contains("event 2, `go`")));
    runtime.resume("g", "").without_event(1).without_event(2).await?;
    runtime.shutdown().await?;
    let runtime = open(&kept).await;
    runtime.raise("g", GO, 3).await?;
    assert_eq!(runtime.attach(executions, "g").result().await?, 3);
    Ok(())
}

/// As builds left a run that failed by such an event, until that was a reason to park it.
async fn a_run_that_failed_by_an_event_is_rewound_without_it(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(waits()).id("w").await?;
    runtime.shutdown().await?;
    let store = kept.store().await;
    let found = store.find(Lookup::Id("w".to_owned())).await?.expect("it is there");
    let failure =
        serde_json::json!({"kind": "Codec", "message": "the value of the event `go` cannot be read", "retryable": true});
    let told = serde_json::json!([
        {"EventRaised": {"name": "go", "input": "forty"}},
        {"ExecutionFailed": {"failure": failure}},
    ]);
    let turn = Turn { at: found.updated_at, events: serde_json::from_str(&told.to_string())? };
    let mut state = found.state.clone();
    (state.status, state.busy) = (Status::Failed, false);
    let mut batch = Batch::default();
    batch.append = Some(Append::new(found.key, 2, turn));
    batch.update = Some(Update::new(found.key, state));
    let (sender, answer) = tokio::sync::oneshot::channel();
    store.apply(batch, Box::new(move |result| drop(sender.send(result.map_err(|refused| refused.error)))));
    answer.await.expect("it answers")?;
    store.close().await?;

    let runtime = open(&kept).await;
    assert_eq!(runtime.status("w").await?.runtime_status(), Status::Failed);
    runtime.rewind("w", "").await?;
    assert!(reported(&runtime, "w").await.report().is_some_and(|report| report.contains("event 1, `go`")));
    runtime.resume("w", "").without_event(1).await?;
    runtime.shutdown().await?;
    let runtime = open(&kept).await;
    run_ends(&runtime, "w", 8, 9).await;
    Ok(())
}

/// Turns every bit around.
#[derive(Debug)]
struct Turned;

impl store::Codec for Turned {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        plain.iter().map(|byte| !byte).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.encode(encoded))
    }
}

async fn a_report_quotes_no_value_that_is_kept_encrypted(kept: Kept) -> dacapo::Result<()> {
    let payloads = || Payloads::default().codec(Turned);
    let runtime = kept.runtime().payloads(payloads()).open().await?;
    runtime.start(waits()).id("w").await?;
    kept.client().await.payloads(payloads()).raise_named("w", "go", "marker-7315").await?;
    let status = reported(&runtime, "w").await;
    let report = status.report().expect("it is parked");
    assert!(report.contains("event 1, `go`") && report.contains("encrypted") && !report.contains("7315"), "{report}");
    runtime.resume("w", "").without_event(1).await?;
    run_ends(&runtime, "w", 1, 2).await;
    Ok(())
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Counter {
    value: u32,
}

#[entity]
impl Counter {
    fn add(&mut self, n: u32) -> u32 {
        self.value += n;
        self.value
    }
}

async fn a_signal_that_its_entity_cannot_read_is_refused_or_reported(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let (visits, id) = (EntityId::named("counter", "visits"), "@counter@visits");
    for (operation, input) in [("add", "one"), ("subtract", "1")] {
        let refused = runtime.signal_named(&visits, operation, input).await.expect_err("the worker knows the type");
        assert!(refused.kind() == ErrorKind::Invalid && refused.to_string().contains(operation), "{refused}");
    }
    runtime.signal_named(&visits, "add", 2).await?;
    kept.client().await.signal_named(&visits, "add", "one").await?;
    let status = reported(&runtime, id).await;
    assert!(status.report().is_some_and(|report| report.contains("`add`") && report.contains("\"one\"")), "{status:?}");
    runtime.signal_named(&visits, "add", 3).await?;
    assert_eq!(runtime.state_of::<Counter>("visits").await?.expect("it has one").value, 5);
    assert!(runtime.status(id).await?.report().is_some(), "it stays");
    Ok(())
}

#[orchestrator]
async fn takes_one() -> u32 {
    GO.wait().await
}

/// What was raised, and answered, and never taken is told when the run ends, however it ends.
async fn events_that_no_wait_took_are_told_at_the_end(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    let run = runtime.start(takes_one()).id("one").await?;
    runtime.raise_named("one", "other", 1).await?;
    runtime.raise_named("one", "other", 2).await?;
    let (taken, late) = futures::join!(runtime.raise("one", GO, 1), runtime.raise("one", GO, 2));
    taken?;
    assert_eq!(run.result().await?, 1);
    let status = runtime.status("one").await?;
    let told: Vec<_> = status.events_not_taken().iter().map(|event| (event.name.as_str(), event.count)).collect();
    // The second is refused when the run has ended before it.
    let expected = if late.is_ok() { vec![("go", 1), ("other", 2)] } else { vec![("other", 2)] };
    assert_eq!(told, expected);
    assert_eq!(status.output().map(Payload::as_str), Some("1"));

    runtime.start(takes_one()).id("ended").await?;
    runtime.raise_named("ended", "other", 1).await?;
    runtime.terminate("ended", "no need").await?;
    assert_eq!(runtime.status("ended").await?.events_not_taken().len(), 1);
    runtime.start(takes_one()).id("none").await?;
    runtime.raise("none", GO, 1).await?;
    assert_eq!(runtime.wait("none").await?.events_not_taken(), []);
    Ok(())
}

async fn a_resume_says_why_a_run_stays_parked_that_has_not_decided_anything(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await;
    runtime.start(waits()).id("w").await?;
    runtime.shutdown().await?;
    raise(&kept, "w", "go", "forty").await;
    let runtime = open(&kept).await;
    reported(&runtime, "w").await;
    let refused = runtime.resume("w", "try again").await.expect_err("nothing has changed");
    assert!(refused.to_string().contains("event 1, `go`"), "{refused}");
    Ok(())
}

both::on_both_stores! {
    a_resume_says_why_a_run_stays_parked_that_has_not_decided_anything
    a_resume_of_a_run_that_is_not_suspended_leaves_it_running
    a_termination_that_follows_an_unreadable_event_ends_the_run
    a_signal_that_its_entity_cannot_read_is_refused_or_reported
    events_that_no_wait_took_are_told_at_the_end
    an_event_of_another_type_parks_the_run_until_it_is_put_aside
    an_event_that_was_kept_for_a_later_wait_is_put_aside
    an_event_for_the_next_execution_is_put_aside
    a_run_that_failed_by_an_event_is_rewound_without_it
    a_report_quotes_no_value_that_is_kept_encrypted
}
