//! More orchestrations than fit into memory: the store is the queue, nothing grows, and nothing waits for itself.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use dacapo::{Builder, Event, Runtime, activity, orchestrator};
use futures::future::{join_all, try_join_all};
use tokio::sync::Semaphore;

/// Activities say that they run, and then wait for the gate.
struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self { arrived: Semaphore::new(0), open: Semaphore::new(0) })
    }

    async fn wait_for(&self, arrivals: u32) {
        self.arrived.acquire_many(arrivals).await.expect("it is never closed").forget();
    }

    fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

#[activity]
async fn pass(number: u32) -> u32 {
    let gate = dacapo::state::<Arc<Gate>>();
    gate.arrived.add_permits(1);
    gate.open.acquire().await.expect("it is never closed").forget();
    number
}

#[orchestrator]
async fn passing(number: u32) -> u32 {
    pass(number).await
}

#[orchestrator]
async fn asking_another(number: u32) -> u32 {
    passing(number).await
}

#[orchestrator]
async fn asking_many(count: u32) -> u32 {
    join_all((0..count).map(passing)).await.into_iter().sum()
}

#[orchestrator]
async fn napping(number: u32) -> u32 {
    dacapo::sleep(Duration::from_millis(20)).await;
    number
}

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn waiting() -> u32 {
    GO.wait().await
}

const LIMIT: usize = 20;
const MANY: u32 = 300;

fn small(url: &str, gate: &Arc<Gate>) -> Builder {
    Runtime::builder(url).max_loaded_instances(LIMIT).state(gate.clone()).grace_period(Duration::ZERO)
}

fn sum(count: u32) -> u32 {
    (0..count).sum()
}

#[tokio::test]
async fn one_instance_has_room_whatever_the_limit() -> dacapo::Result<()> {
    let runtime = Runtime::builder("memory:").max_loaded_instances(0).open().await?;
    assert_eq!(runtime.start(napping(7)).await?.result().await?, 7);
    Ok(())
}

#[tokio::test]
async fn what_is_started_beyond_the_limit_waits_in_the_store() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    for url in ["memory:".to_owned(), format!("sqlite:{}", folder.path().join("queue.db").display())] {
        let gate = Gate::closed();
        let runtime = small(&url, &gate).open().await?;
        let runs = try_join_all((0..MANY).map(|number| runtime.start(passing(number)).into_future())).await?;
        gate.wait_for(u32::try_from(LIMIT)?).await;
        assert_eq!(runtime.loaded_instances(), LIMIT);
        gate.open();
        let results = try_join_all(runs.iter().map(|run| run.result())).await?;
        assert_eq!(results, (0..MANY).collect::<Vec<_>>());
        runtime.shutdown().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_loads_no_more_than_the_limit() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("queue.db").display());
    let gate = Gate::closed();
    let runtime = small(&url, &gate).max_loaded_instances(10_000).open().await?;
    try_join_all((0..MANY).map(|number| runtime.start(passing(number)).id(number.to_string()).into_future())).await?;
    gate.wait_for(MANY).await;
    runtime.shutdown().await?;

    let gate = Gate::closed();
    let runtime = small(&url, &gate).open().await?;
    gate.wait_for(u32::try_from(LIMIT)?).await;
    assert_eq!(runtime.loaded_instances(), LIMIT);
    let client = runtime.client();
    gate.open();
    let runs = (0..MANY).map(|number| client.attach(passing, number.to_string()));
    let results = try_join_all(runs.map(|run| async move { run.result().await })).await?;
    assert_eq!(results, (0..MANY).collect::<Vec<_>>());
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn callers_give_way_to_the_sub_orchestrations_they_wait_for() -> dacapo::Result<()> {
    let gate = Gate::closed();
    gate.open();
    let runtime = small("memory:", &gate).open().await?;
    let runs = try_join_all((0..MANY).map(|number| runtime.start(asking_another(number)).into_future())).await?;
    let results = try_join_all(runs.iter().map(|run| run.result())).await?;
    assert_eq!(results.into_iter().sum::<u32>(), sum(MANY));
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn one_caller_of_many_is_done_with_few_in_memory() -> dacapo::Result<()> {
    let gate = Gate::closed();
    let runtime = small("memory:", &gate).open().await?;
    let run = runtime.start(asking_many(MANY)).await?;
    // The caller has a place, too.
    gate.wait_for(u32::try_from(LIMIT)? - 1).await;
    assert!(runtime.loaded_instances() <= LIMIT, "{} are loaded", runtime.loaded_instances());
    gate.open();
    assert_eq!(run.result().await?, sum(MANY));
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn those_that_wait_give_way_and_their_timers_and_events_reach_them() -> dacapo::Result<()> {
    let gate = Gate::closed();
    let runtime = small("memory:", &gate).open().await?;
    let naps = try_join_all((0..MANY).map(|number| runtime.start(napping(number)).into_future())).await?;
    let waits = try_join_all((0..MANY).map(|_| runtime.start(waiting()).into_future())).await?;
    // Those that are taken up come before those that give way to them have gone.
    let settled = async {
        while runtime.loaded_instances() > LIMIT {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("those that wait give way");
    assert_eq!(try_join_all(naps.iter().map(|run| run.result())).await?.into_iter().sum::<u32>(), sum(MANY));
    try_join_all(waits.iter().zip(0..).map(|(run, number)| run.raise(GO, number))).await?;
    assert_eq!(try_join_all(waits.iter().map(|run| run.result())).await?, (0..MANY).collect::<Vec<_>>());
    runtime.shutdown().await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_run_keeps_no_place() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("queue.db").display());
    let gate = Gate::closed();
    let runtime = small(&url, &gate).open().await?;
    try_join_all((0..MANY).map(|_| runtime.start(waiting()).into_future())).await?;
    let lost = try_join_all((0..MANY).map(|number| runtime.start(passing(number)).into_future())).await?;
    let lost: Vec<_> = lost.iter().map(|run| run.id().to_owned()).collect();
    runtime.shutdown().await?;

    // A build without `passing`: all of them are parked, and others run.
    let runtime = small(&url, &gate).only_registered().register(napping).open().await?;
    let runs = try_join_all((0..MANY).map(|number| runtime.start(napping(number)).into_future())).await?;
    assert_eq!(try_join_all(runs.iter().map(|run| run.result())).await?.into_iter().sum::<u32>(), sum(MANY));
    runtime.shutdown().await?;

    gate.open();
    let runtime = small(&url, &gate).open().await?;
    let client = runtime.client();
    let results = join_all(lost.iter().map(|id| {
        let run = client.attach(passing, id);
        async move { run.result().await }
    }));
    assert_eq!(results.await.into_iter().collect::<Result<Vec<_>, _>>()?, (0..MANY).collect::<Vec<_>>());
    runtime.shutdown().await?;
    Ok(())
}
