//! The trace context of a start reaches all that the run calls, whenever the process ends.

mod both;

use both::{Kept, events, on_both_stores, until};
use dacapo::{Event, Runtime, TraceContext, activity, orchestrator};

const GO: Event<()> = Event::new("go");
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Seen = Option<(String, Option<String>)>;

#[activity]
async fn seen() -> Seen {
    let trace = dacapo::activity::trace_context()?;
    Some((trace.traceparent().to_owned(), trace.tracestate().map(str::to_owned)))
}

#[activity]
fn seen_on_a_thread() -> bool {
    dacapo::activity::trace_context().is_some()
}

#[orchestrator]
async fn asks() -> Seen {
    seen().await
}

/// Asks before an event and after it, in a child, and in the next execution.
#[orchestrator]
async fn asks_everywhere(execution: u32, so_far: Vec<Seen>) -> Vec<Seen> {
    let mut all = so_far;
    all.push(seen().await);
    if execution > 1 {
        return all;
    }
    GO.wait().await;
    let (here, child, thread) = dacapo::join!(seen(), asks().id("child"), seen_on_a_thread());
    all.extend([here, child]);
    assert!(thread);
    dacapo::continue_as_new(asks_everywhere(execution + 1, all)).await
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    let builder = kept.runtime().verify(true).only_registered().register(seen).register(seen_on_a_thread);
    Ok(builder.register(asks).register(asks_everywhere).open().await?)
}

async fn it_reaches_activities_children_and_executions_after_a_restart(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let trace = TraceContext::parse(PARENT, Some("vendor=1")).expect("it is well-formed");
    runtime.start(asks_everywhere(1, Vec::new())).id("run").trace_context(trace).await?;
    until("it has asked once", async || events(&runtime, "run").await.contains(&"TaskCompleted".to_owned())).await;
    drop(runtime);

    let runtime = open(&kept).await?;
    let run = runtime.attach(asks_everywhere, "run");
    run.raise(GO, ()).await?;
    let expected = Some((PARENT.to_owned(), Some("vendor=1".to_owned())));
    assert_eq!(run.result().await?, vec![expected; 4]);
    Ok(())
}

async fn a_client_of_another_process_says_it(kept: Kept) -> dacapo::Result<()> {
    let client = kept.client().await;
    let trace = TraceContext::parse(PARENT, None).expect("it is well-formed");
    let run = client.start(asks()).trace_context(trace).await?;
    let _worker = open(&kept).await?;
    assert_eq!(run.result().await?, Some((PARENT.to_owned(), None)));
    Ok(())
}

async fn without_one_nothing_is_recorded(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    assert_eq!(runtime.start(asks()).id("run").await?.result().await?, None);
    let history = serde_json::to_string(&runtime.history("run").await?)?;
    assert!(!history.contains("\"trace\""), "{history}");
    assert!(dacapo::activity::trace_context().is_none());
    Ok(())
}

on_both_stores! {
    it_reaches_activities_children_and_executions_after_a_restart
    a_client_of_another_process_says_it
    without_one_nothing_is_recorded
}
