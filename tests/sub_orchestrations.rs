//! Orchestrations that call others: waited for or not, under ids of their own, ended together.

#[path = "support/wait.rs"]
mod wait;

use dacapo::store::MemoryStore;
use dacapo::{Event, FailureKind, Runtime, Status, activity, fan_out, orchestrator};
use wait::reaches;

const GO: Event<u32> = Event::new("go");

#[activity]
async fn inverse(n: u32) -> Result<u32, String> {
    100_u32.checked_div(n).ok_or_else(|| "0 has no inverse".to_owned())
}

/// Waits for a number, and says who waits for it.
#[orchestrator]
async fn leaf() -> (u32, Option<String>) {
    (GO.wait().await, dacapo::parent_id())
}

#[orchestrator]
async fn branch(name: String) -> (u32, Option<String>) {
    leaf().id(format!("{name}-leaf")).await
}

#[orchestrator]
async fn root() -> (u32, Option<String>) {
    branch("the".into()).id("the-branch").await
}

async fn runtime(store: &MemoryStore) -> Runtime {
    Runtime::with_store(store.clone()).open().await.expect("it opens")
}

#[tokio::test]
async fn a_child_knows_its_parent_and_so_does_its_status() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    first.start(root()).id("the-root").await?;
    reaches(&first, "the-leaf", Status::Running).await;
    drop(first);
    let second = runtime(&store).await;
    second.raise("the-leaf", GO, 7).await?;
    let result = second.attach(root, "the-root").result().await?;
    assert_eq!(result, (7, Some("the-branch".to_owned())));
    assert_eq!(second.status("the-branch").await?.parent_id(), Some("the-root"));
    let alone = second.start(leaf()).await?;
    alone.raise(GO, 1).await?;
    assert_eq!(alone.result().await?, (1, None));
    Ok(())
}

#[tokio::test]
async fn termination_reaches_the_last_descendant_also_after_a_restart() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    first.start(root()).id("the-root").await?;
    reaches(&first, "the-leaf", Status::Running).await;
    drop(first);
    let second = runtime(&store).await;
    second.terminate("the-root", "enough").await?;
    reaches(&second, "the-leaf", Status::Terminated).await;
    let failure = second.status("the-leaf").await?.failure().cloned().expect("it was ended");
    assert_eq!(failure.kind(), FailureKind::Terminated);
    assert_eq!(failure.message(), "terminated: `the-branch` no longer waits for it");
    assert_eq!(second.status("the-branch").await?.runtime_status(), Status::Terminated);
    Ok(())
}

/// Starts two that it does not wait for, one under an id of its own, and ends at once.
#[orchestrator]
async fn starts_and_leaves(named: String) -> (String, String) {
    let named = leaf().id(named).detach();
    (leaf().detach(), named)
}

#[tokio::test]
async fn a_detached_orchestration_lives_on_its_own() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    let (unnamed, named) = first.start(starts_and_leaves("poll".into())).id("starter").await?.result().await?;
    assert_eq!((unnamed.as_str(), named.as_str()), ("starter:2", "poll"));
    drop(first);
    let second = runtime(&store).await;
    for id in [unnamed.as_str(), "poll"] {
        second.raise(id, GO, 3).await?;
        assert_eq!(second.attach(leaf, id).result().await?, (3, None), "it has no parent");
    }
    // An id that is taken is left alone.
    second.start(starts_and_leaves("poll".into())).id("again").await?.result().await?;
    assert_eq!(second.status("poll").await?.runtime_status(), Status::Completed);
    Ok(())
}

/// Starts one and is ended while it waits.
#[orchestrator]
async fn starts_and_waits() -> u32 {
    let _id = leaf().id("free").detach();
    leaf().id("bound").await.0
}

#[tokio::test]
async fn the_end_of_the_starter_does_not_end_what_is_detached() -> dacapo::Result<()> {
    let runtime = runtime(&MemoryStore::new()).await;
    let run = runtime.start(starts_and_waits()).await?;
    reaches(&runtime, "bound", Status::Running).await;
    run.terminate("enough").await?;
    reaches(&runtime, "bound", Status::Terminated).await;
    runtime.raise("free", GO, 4).await?;
    assert_eq!(runtime.attach(leaf, "free").result().await?.0, 4);
    Ok(())
}

#[orchestrator]
async fn one(n: u32) -> Result<u32, String> {
    inverse(n).await
}

#[orchestrator]
async fn many(all: Vec<u32>) -> dacapo::Result<Vec<u32>> {
    let results = fan_out(all, |n| one(n).id(format!("one-{n}"))).limit(2).tolerate_failures(0).await?;
    Ok(results.into_iter().flatten().collect())
}

#[tokio::test]
async fn children_fan_out_and_a_failure_names_its_item() -> dacapo::Result<()> {
    let runtime = runtime(&MemoryStore::new()).await;
    assert_eq!(runtime.start(many(vec![1, 2, 4, 5])).await?.result().await?, [100, 50, 25, 20]);
    let error = runtime.start(many(vec![10, 0, 20])).await?.result().await.expect_err("0 has no inverse");
    assert_eq!(error.to_string(), "1 of 3 items failed, and the fan-out tolerates 0: item 1: 0 has no inverse");
    Ok(())
}

#[orchestrator]
async fn bad_id(id: String, detached: bool) -> Result<u32, String> {
    if detached {
        leaf().id(id).detach();
        GO.wait().await;
    }
    Ok(leaf().id("bad/id").checked().await.map_err(|failure| failure.to_string())?.0)
}

#[tokio::test]
async fn an_id_that_cannot_be_one_fails_the_call() -> dacapo::Result<()> {
    let runtime = runtime(&MemoryStore::new()).await;
    let error = runtime.start(bad_id(String::new(), false)).await?.result().await.expect_err("a slash is not allowed");
    assert!(error.starts_with("`bad/id` cannot be an instance id: it contains one of `/ \\ # ?`"), "{error}");
    let run = runtime.start(bad_id(String::new(), true)).id("detaches").await?;
    let error = run.result().await.expect_err("nobody waits, so the starter fails");
    assert_eq!(error, "`` cannot be an instance id: it is empty");
    Ok(())
}
