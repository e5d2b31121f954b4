//! External events: kept in order until somebody takes them, and taken once.

#[path = "support/wait.rs"]
mod wait;

use std::sync::Arc;
use std::time::Duration;

use dacapo::store::MemoryStore;
use dacapo::{Client, ErrorKind, Event, Runtime, activity, orchestrator};
use wait::until;

const NEWS: Event<u32> = Event::new("news");
/// The same name, as somebody else understands it.
const MISTAKEN: Event<String> = Event::new("news");
const GO: Event<()> = Event::new("go");

#[activity]
async fn pass(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn reads(count: usize) -> Vec<u32> {
    GO.wait().await;
    let mut read = Vec::new();
    while read.len() < count {
        read.push(pass(NEWS.wait().await).await);
    }
    read
}

async fn runtime(store: &MemoryStore) -> Runtime {
    Runtime::with_store(store.clone()).open().await.expect("it opens")
}

#[tokio::test]
async fn events_raised_before_and_after_the_wait_come_in_order_across_restarts() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    let run = first.start(reads(9)).id("reader").await?;
    for n in 0..3 {
        run.raise(NEWS, n).await?;
    }
    drop(first);
    let second = runtime(&store).await;
    second.raise("reader", GO, ()).await?;
    for n in 3..6 {
        second.raise("reader", NEWS, n).await?;
    }
    drop(second);
    let client = Client::connect_store(Arc::new(store.clone()))?;
    for n in 6..9 {
        client.raise("reader", NEWS, n).await?;
    }
    let third = runtime(&store).await;
    assert_eq!(third.attach(reads, "reader").result().await?, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    Ok(())
}

#[orchestrator]
async fn two_readers() -> (Vec<u32>, Vec<u32>) {
    let reader = |count| async move {
        let mut read = Vec::new();
        for _ in 0..count {
            read.push(NEWS.wait().await);
        }
        read
    };
    dacapo::join!(reader(2), reader(2))
}

#[tokio::test]
async fn two_waiters_take_turns_the_longest_first() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    first.start(two_readers()).id("two").await?;
    first.raise("two", NEWS, 1).await?;
    drop(first);
    let second = runtime(&store).await;
    for n in 2..5 {
        second.raise("two", NEWS, n).await?;
    }
    assert_eq!(second.attach(two_readers, "two").result().await?, (vec![1, 3], vec![2, 4]));
    Ok(())
}

/// Gives up three waits in different ways before it takes two events.
#[orchestrator]
async fn gives_up() -> (u32, u32) {
    let late = dacapo::timeout(Duration::from_millis(1), NEWS.wait()).await;
    assert!(late.is_err(), "nothing was raised yet");
    dacapo::select! {
        () = GO.wait() => (),
        _ = NEWS.wait() => unreachable!("nothing was raised yet"),
    }
    let mut held = NEWS.wait();
    dacapo::select! { _ = &mut held => unreachable!("nothing was raised yet"), () = GO.wait() => () }
    GO.wait().await;
    drop(held);
    (NEWS.wait().await, NEWS.wait().await)
}

#[tokio::test]
async fn a_wait_that_is_dropped_swallows_nothing() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    let run = first.start(gives_up()).id("gives-up").await?;
    until("it has begun", async || {
        run.status().await.is_ok() && first.history("gives-up").await.is_ok_and(|history| history.len() > 1)
    })
    .await;
    run.raise(GO, ()).await?;
    run.raise(GO, ()).await?;
    run.raise(NEWS, 1).await?;
    drop(first);
    let second = runtime(&store).await;
    second.raise("gives-up", NEWS, 2).await?;
    second.raise("gives-up", GO, ()).await?;
    assert_eq!(
        second.attach(gives_up, "gives-up").result().await?,
        (1, 2),
        "1 was given to the wait that was held, and came back"
    );
    Ok(())
}

#[orchestrator]
async fn careful() -> (String, u32) {
    GO.wait().await;
    let refused = NEWS.wait().checked().await.map_or_else(|failure| failure.to_string(), |news| news.to_string());
    (refused, NEWS.wait().await)
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_when_the_type_is_known() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    let run = first.start(reads(1)).id("reader").await?;
    run.raise(GO, ()).await?;
    let error = run.raise(MISTAKEN, "text".into()).await.expect_err("it waits for a number");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("`reader` waits for another type: recorded JSON does not fit `u32`"), "{error}");
    drop(first);
    let second = runtime(&store).await;
    let error = second.raise("reader", MISTAKEN, "text".into()).await.expect_err("a replay knows the type, too");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    second.raise("reader", NEWS, 5).await?;
    assert_eq!(second.attach(reads, "reader").result().await?, [5], "what was refused left no trace");
    Ok(())
}

#[tokio::test]
async fn a_value_of_another_type_that_nobody_could_refuse_is_a_failure_of_a_checked_wait() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = runtime(&store).await;
    let run = first.start(careful()).id("careful").await?;
    run.raise(MISTAKEN, "text".into()).await?;
    drop(first);
    let second = runtime(&store).await;
    second.raise("careful", GO, ()).await?;
    second.raise("careful", NEWS, 6).await?;
    let (refused, read) = second.attach(careful, "careful").result().await?;
    assert_eq!((refused.as_str(), read), ("the value of the event `news` cannot be read", 6));
    Ok(())
}

#[tokio::test]
async fn an_event_for_nobody_is_refused() -> dacapo::Result<()> {
    let runtime = runtime(&MemoryStore::new()).await;
    let error = runtime.raise("nobody", NEWS, 1).await.expect_err("there is no such run");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let run = runtime.start(reads(0)).id("short").await?;
    run.raise(GO, ()).await?;
    run.result().await?;
    let error = run.raise(NEWS, 1).await.expect_err("it has ended");
    assert_eq!(error.kind(), ErrorKind::Finished);
    Ok(())
}
