//! Entities for what knows no types: signalled, read, listed and purged by their names.

mod both;

use both::{Kept, on_both_stores, until};
use dacapo::{EntityId, ErrorKind, Event, Runtime, entity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

const GO: Event<()> = Event::new("go");

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }
}

/// Adds to the counter again and again, and gives back how often it was begun anew.
#[orchestrator]
async fn adds(key: String, times: u32) -> u32 {
    let mut begun = 0;
    #[sequential]
    for _ in 0..times {
        begun += u32::from(Counter::at(&key).add(1).await == 1);
    }
    begun
}

#[orchestrator]
async fn holds(key: String) {
    let guard = dacapo::lock(Counter::at(key)).await;
    GO.wait().await;
    drop(guard);
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    let builder = kept.runtime().only_registered().register_entity::<Counter>();
    Ok(builder.register(adds).register(holds).open().await?)
}

fn counter(key: &str) -> EntityId {
    EntityId::named("counter", key)
}

async fn value(client: &dacapo::Client, key: &str) -> Option<i64> {
    let state = client.state_named(&counter(key)).await.expect("it is readable")?;
    Some(state.decode::<Counter>().expect("it is a counter").value)
}

async fn a_signal_by_name_takes_effect_once_and_survives(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for _ in 0..3 {
        runtime.signal_named(&EntityId::named("COUNTER", "a"), "add", 2).await?;
    }
    drop(runtime);
    let runtime = open(&kept).await?;
    assert_eq!(value(&runtime, "a").await, Some(6));
    runtime.signal_named(&counter("a"), "delete", ()).await?;
    assert_eq!(value(&runtime, "a").await, None);
    Ok(())
}

async fn what_does_not_exist_is_not_signalled(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for (id, operation, expected) in [
        (EntityId::named("nobody", "a"), "add", "no entity named `nobody`"),
        (EntityId::named("", "a"), "add", "no entity named ``"),
        (counter(""), "add", "its key is empty"),
        (counter("a/b"), "add", "cannot be an instance id"),
        (counter("a"), "subtract", "has no operation `subtract`"),
    ] {
        let error = runtime.signal_named(&id, operation, ()).await.expect_err("it is refused");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(expected), "{error}");
    }
    assert_eq!(runtime.entities().await?.entities().len(), 0);
    let error = runtime.state_named(&EntityId::named("a@b", "c")).await.expect_err("there can be none");
    assert!(error.to_string().contains("has an `@` in it"), "{error}");
    Ok(())
}

async fn a_client_of_another_process_signals_by_name(kept: Kept) -> dacapo::Result<()> {
    let client = kept.client().await;
    let error = client.signal_named(&counter("a"), "add", 1).await.expect_err("nobody knows whether there is one");
    assert!(error.to_string().contains("no worker has opened this store yet"), "{error}");
    drop(open(&kept).await?);
    let error = client.signal_named(&EntityId::named("nobody", "a"), "add", 1).await.expect_err("there is none");
    assert!(error.to_string().contains("no entity named `nobody` is registered with the worker"), "{error}");
    client.signal_named(&counter("a"), "add", 1).await?;
    let runtime = open(&kept).await?;
    client.signal_named(&EntityId::named("Counter", "a"), "add", 1).await?;
    until("both are there", async || value(&client, "a").await == Some(2)).await;
    assert_eq!(runtime.call(Counter::at("a").add(0)).await?, 2);
    Ok(())
}

async fn every_entity_with_a_state_is_on_one_page(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let keys: Vec<_> = (0..250).map(|n| format!("{n:03}")).collect();
    join_all(keys.iter().map(|key| runtime.call(Counter::at(key).add(1)))).await;
    // Two in three have none any more: pages are full all the same.
    join_all(keys.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, key)| runtime.call(Counter::at(key).delete()))).await;
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let query = runtime.entities().name("counter").page_size(20);
        let page = match after.take() {
            Some(token) => query.after(token).await?,
            None => query.await?,
        };
        assert!(page.entities().len() == 20 || page.next().is_none());
        seen.extend(page.entities().iter().map(|entity| entity.id().key().to_owned()));
        match page.next() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    let expected: Vec<_> = keys.into_iter().step_by(3).collect();
    assert_eq!(seen, expected);
    Ok(())
}

async fn a_purge_takes_state_and_row_and_loses_no_message(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    assert!(runtime.purge("@counter@a").await.is_err_and(|error| error.is_not_found()));
    let run = runtime.start(adds("a".into(), 100)).await?;
    // Whatever it meets, a call that was made is answered.
    let mut purges = 0;
    while !run.status().await?.runtime_status().is_terminal() {
        tokio::task::yield_now().await;
        match runtime.purge("@counter@a").await {
            Ok(purged) => purges += purged,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unfinished), "{error}"),
        }
    }
    let begun = run.result().await?;
    assert!(begun >= 1 && u64::from(begun) <= purges + 1, "{begun} and {purges}");
    until("it is purged", async || runtime.purge("@counter@a").await.is_err_and(|error| error.is_not_found())).await;
    assert_eq!(value(&runtime, "a").await, None);
    assert!(runtime.history("@counter@a").await.is_err());
    assert_eq!(runtime.call(Counter::at("a").add(7)).await?, 7);
    Ok(())
}

async fn a_locked_entity_is_not_purged(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.call(Counter::at("a").add(1)).await?;
    let run = runtime.start(holds("a".into())).id("h").await?;
    let is_locked = async || runtime.history("h").await.is_ok_and(|turns| format!("{turns:?}").contains("EntityLockGranted"));
    until("it is locked", is_locked).await;
    let error = runtime.purge("@counter@a").await.expect_err("it is locked");
    assert!(error.kind() == ErrorKind::Unfinished && error.to_string().contains("critical section of `h`"), "{error}");
    run.raise(GO, ()).await?;
    run.result().await?;
    until("the lock is given back", async || runtime.purge("@counter@a").await.is_ok()).await;
    Ok(())
}

async fn an_entity_of_another_build_can_be_purged(kept: Kept) -> dacapo::Result<()> {
    open(&kept).await?.call(Counter::at("a").add(1)).await?;
    let without = kept.runtime().only_registered().open().await?;
    assert_eq!(without.purge("@counter@a").await?, 1);
    assert_eq!(value(&without, "a").await, None);
    Ok(())
}

on_both_stores! {
    a_signal_by_name_takes_effect_once_and_survives
    what_does_not_exist_is_not_signalled
    a_client_of_another_process_signals_by_name
    every_entity_with_a_state_is_on_one_page
    a_purge_takes_state_and_row_and_loses_no_message
    a_locked_entity_is_not_purged
    an_entity_of_another_build_can_be_purged
}
