//! What `max_concurrent_orchestrators` promises: never more runs at work than the limit, none that waits for another in a circle, and
//! nothing lost or left unanswered meanwhile.

use std::collections::HashMap;
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo::store::MemoryStore;
use dacapo::{Builder, ErrorKind, Event, Runtime, Status, activity, entity, orchestrator};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Activities count the runs that they work for, say that they have arrived, and wait for the gate.
struct Site {
    at_work: Mutex<HashMap<String, usize>>,
    most: Mutex<usize>,
    arrived: Semaphore,
    gate: Semaphore,
}

impl Site {
    fn closed() -> Arc<Self> {
        let (arrived, gate) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { at_work: Mutex::default(), most: Mutex::default(), arrived, gate })
    }

    fn open() -> Arc<Self> {
        let site = Self::closed();
        site.gate.add_permits(1_000_000);
        site
    }

    fn builder(self: &Arc<Self>, store: &MemoryStore, limit: usize) -> Builder {
        let builder = Runtime::with_store(store.clone()).state(self.clone()).grace_period(Duration::ZERO);
        builder.max_concurrent_orchestrators(limit)
    }

    async fn runtime(self: &Arc<Self>, limit: usize) -> Runtime {
        self.builder(&MemoryStore::new(), limit).open().await.expect("it opens")
    }

    async fn wait_for(&self, arrivals: u32) {
        self.arrived.acquire_many(arrivals).await.expect("it is never closed").forget();
    }

    fn most(&self) -> usize {
        *self.most.lock().expect("nobody panics with it")
    }
}

/// An activity at work, until it is dropped.
struct AtWork(Arc<Site>, String);

impl AtWork {
    fn begin() -> Self {
        let site = Arc::clone(&*dacapo::state::<Arc<Site>>());
        let run = dacapo::activity::instance_id().to_string();
        let mut at_work = site.at_work.lock().expect("nobody panics with it");
        *at_work.entry(run.clone()).or_default() += 1;
        let mut most = site.most.lock().expect("nobody panics with it");
        *most = at_work.len().max(*most);
        site.arrived.add_permits(1);
        drop((at_work, most));
        Self(site, run)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut at_work = self.0.at_work.lock().expect("nobody panics with it");
        let count = at_work.get_mut(&self.1).expect("it has begun");
        *count -= 1;
        if *count == 0 {
            at_work.remove(&self.1);
        }
    }
}

#[activity]
async fn work(number: u32) -> u32 {
    let at_work = AtWork::begin();
    at_work.0.gate.acquire().await.expect("it is never closed").forget();
    number
}

#[orchestrator]
async fn working(number: u32) -> u32 {
    let first = join_all([work(number), work(number)]).await;
    work(first[0]).await
}

#[orchestrator]
async fn parent(depth: u32) -> u32 {
    if depth == 0 { work(1).await } else { parent(depth - 1).await + work(1).await }
}

#[orchestrator]
async fn parent_of(children: u32) -> u32 {
    join_all((0..children).map(working)).await.into_iter().sum()
}

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn hears() -> u32 {
    let first = GO.wait().await;
    first + work(GO.wait().await).await
}

#[orchestrator]
async fn naps(number: u32) -> u32 {
    dacapo::sleep(Duration::from_millis(5)).await;
    work(number).await
}

#[derive(Default, Serialize, Deserialize)]
struct Seat {
    taken: u32,
}

#[entity]
impl Seat {
    fn take(&mut self) -> u32 {
        self.taken += 1;
        self.taken
    }
}

#[orchestrator]
async fn sits(number: u32) -> u32 {
    let guard = dacapo::lock(Seat::at("seat")).await;
    let _ = Seat::at("seat").take().await;
    let number = work(number).await;
    drop(guard);
    number
}

/// Begins execution after execution and never waits.
#[orchestrator]
async fn spins() -> u32 {
    dacapo::continue_as_new(spins()).await
}

/// An execution with an activity each.
#[orchestrator]
async fn works_on(left: u32) -> u32 {
    work(left).await;
    if left == 0 { 0 } else { dacapo::continue_as_new(works_on(left - 1)).await }
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    timeout(Duration::from_secs(30), future).await.expect("it takes a moment, and not half a minute")
}

#[tokio::test]
async fn a_parent_and_its_child_need_one_place() -> dacapo::Result<()> {
    let site = Site::open();
    for limit in [0, 1] {
        let runtime = site.runtime(limit).await;
        let runs = try_join_all((0..4).map(|_| runtime.start(parent(3)).into_future())).await?;
        for run in runs {
            assert_eq!(soon(run.result()).await?, 4);
        }
        assert_eq!(soon(runtime.start(parent_of(30)).await?.result()).await?, (0..30).sum::<u32>());
    }
    assert_eq!(site.most(), 1);
    Ok(())
}

#[tokio::test]
async fn no_more_runs_than_the_limit_are_at_work() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = site.runtime(3).await;
    let runs = try_join_all((0..40).map(|number| runtime.start(working(number)).into_future())).await?;
    site.wait_for(6).await;
    assert_eq!(site.at_work.lock().expect("nobody panics with it").len(), 3);
    site.gate.add_permits(1_000);
    for (number, run) in runs.iter().enumerate() {
        assert_eq!(soon(run.result()).await?, u32::try_from(number).expect("it is small"));
    }
    assert_eq!(site.most(), 3);
    Ok(())
}

#[tokio::test]
async fn without_a_limit_all_are_at_work() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = Runtime::builder("memory:").state(site.clone()).open().await?;
    let runs = try_join_all((0..40).map(|number| runtime.start(working(number)).into_future())).await?;
    soon(site.wait_for(80)).await;
    site.gate.add_permits(1_000);
    for run in &runs {
        soon(run.result()).await?;
    }
    assert_eq!(site.most(), 40);
    Ok(())
}

#[tokio::test]
async fn what_waits_for_others_holds_no_place() -> dacapo::Result<()> {
    let site = Site::open();
    let runtime = site.runtime(1).await;
    let hearing = try_join_all((0..10).map(|n| runtime.start(hears()).id(format!("h{n}")).into_future())).await?;
    let napping = try_join_all((0..10).map(|n| runtime.start(naps(n)).into_future())).await?;
    let sitting = try_join_all((0..10).map(|n| runtime.start(sits(n)).into_future())).await?;
    for (napping, sitting) in napping.iter().zip(&sitting) {
        soon(napping.result()).await?;
        soon(sitting.result()).await?;
    }
    for n in 0..10 {
        let id = format!("h{n}");
        runtime.raise(&id, GO, 1).await?;
        runtime.raise(&id, GO, n).await?;
    }
    for (n, run) in (0..).zip(&hearing) {
        assert_eq!(soon(run.result()).await?, 1 + n);
    }
    assert_eq!(site.most(), 1);
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_the_limit_and_loses_nothing() -> dacapo::Result<()> {
    let (store, before, after) = (MemoryStore::new(), Site::closed(), Site::closed());
    let runtime = before.builder(&store, 1_000).open().await?;
    for n in 0..20 {
        runtime.start(working(n)).id(format!("w{n}")).await?;
        runtime.start(naps(n)).id(format!("n{n}")).await?;
        runtime.start(hears()).id(format!("h{n}")).await?;
        runtime.raise(&format!("h{n}"), GO, 1).await?;
    }
    before.wait_for(60).await;
    drop(runtime);

    let runtime = after.builder(&store, 2).open().await?;
    after.wait_for(2).await;
    // What waits for a place hears of events, too.
    for n in 0..20 {
        soon(runtime.raise(&format!("h{n}"), GO, n)).await?;
    }
    after.gate.add_permits(1_000);
    for n in 0..20 {
        assert_eq!(soon(runtime.attach(working, format!("w{n}")).result()).await?, n);
        assert_eq!(soon(runtime.attach(naps, format!("n{n}")).result()).await?, n);
        assert_eq!(soon(runtime.attach(hears, format!("h{n}")).result()).await?, 1 + n);
    }
    assert_eq!(after.most(), 2);
    Ok(())
}

/// One run is at work, and `hears` has what it waits for and stands in line.
async fn with_one_in_line(site: &Arc<Site>) -> dacapo::Result<Runtime> {
    let runtime = site.runtime(1).await;
    runtime.start(hears()).id("waits").await?.started().await?;
    runtime.start(working(7)).id("works").await?;
    site.wait_for(2).await;
    soon(runtime.raise("waits", GO, 1)).await?;
    Ok(runtime)
}

#[tokio::test]
async fn messages_for_a_run_in_line_are_answered_at_once() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = with_one_in_line(&site).await?;
    soon(runtime.raise("waits", GO, 2)).await?;
    let wrong = soon(runtime.raise_named("waits", "go", "no number")).await.expect_err("it waits for a number");
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
    let resumed = soon(runtime.resume("waits", "")).await.expect_err("it is not suspended");
    assert!(resumed.to_string().contains("it is not suspended"), "{resumed}");
    assert_eq!(runtime.status("waits").await?.runtime_status(), Status::Running);
    site.gate.add_permits(1_000);
    assert_eq!(soon(runtime.attach(hears, "waits").result()).await?, 3);
    assert_eq!(site.most(), 1);
    Ok(())
}

#[tokio::test]
async fn a_run_in_line_is_suspended_resumed_and_terminated_at_once() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = with_one_in_line(&site).await?;
    runtime.start(working(8)).id("not begun").await?;
    for round in 0..3 {
        soon(runtime.suspend("waits", "")).await?;
        assert_eq!(runtime.status("waits").await?.runtime_status(), Status::Suspended, "{round}");
        soon(runtime.resume("waits", "")).await?;
    }
    soon(runtime.raise("waits", GO, 2)).await?;
    soon(runtime.terminate("not begun", "enough")).await?;
    assert_eq!(runtime.status("not begun").await?.runtime_status(), Status::Terminated);
    site.gate.add_permits(1_000);
    assert_eq!(soon(runtime.attach(hears, "waits").result()).await?, 3);
    assert_eq!(soon(runtime.attach(working, "works").result()).await?, 7);
    // The places of what was terminated and suspended are free.
    assert_eq!(soon(runtime.start(parent(3)).await?.result()).await?, 4);
    assert_eq!(site.most(), 1);
    Ok(())
}

#[tokio::test]
async fn a_suspended_run_keeps_its_place_until_its_activities_have_ended() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = site.runtime(1).await;
    runtime.start(working(1)).id("first").await?;
    site.wait_for(2).await;
    runtime.suspend("first", "").await?;
    let second = runtime.start(working(2)).await?;
    site.gate.add_permits(1_000);
    assert_eq!(soon(second.result()).await?, 2);
    runtime.resume("first", "").await?;
    assert_eq!(soon(runtime.attach(working, "first").result()).await?, 1);
    assert_eq!(site.most(), 1);
    Ok(())
}

#[tokio::test]
async fn a_run_without_end_leaves_the_place_to_others() -> dacapo::Result<()> {
    let site = Site::open();
    let runtime = site.runtime(1).await;
    runtime.start(spins()).id("spins").await?;
    let busy = runtime.start(works_on(30)).await?;
    assert_eq!(soon(runtime.start(parent(2)).await?.result()).await?, 3);
    assert_eq!(soon(busy.result()).await?, 0);
    soon(runtime.terminate("spins", "enough")).await?;
    assert_eq!(site.most(), 1);
    Ok(())
}

/// Terminated and cancelled runs give their places back, whatever they were at.
#[tokio::test]
async fn what_ends_in_any_way_gives_its_place_back() -> dacapo::Result<()> {
    let site = Site::closed();
    let runtime = site.runtime(2).await;
    for round in 0..10 {
        let ids = [0, 1].map(|n| format!("{round}-{n}"));
        for id in &ids {
            runtime.start(working(1)).id(id).await?;
        }
        soon(site.wait_for(4)).await;
        for id in &ids {
            soon(runtime.terminate(id, "enough")).await?;
        }
    }
    site.gate.add_permits(1_000);
    assert_eq!(soon(runtime.start(parent_of(5)).await?.result()).await?, 10);
    Ok(())
}

#[tokio::test]
async fn events_raised_one_after_the_other_arrive_in_order_though_the_run_waits_for_a_place() -> dacapo::Result<()> {
    for round in 0..20 {
        let site = Site::closed();
        let runtime = with_one_in_line(&site).await?;
        let opening = async {
            site.gate.add_permits(1_000);
        };
        // Some of them meet the run in line, some when it has its place.
        let raising = async {
            for n in 2..5 {
                // The run needs the first of them only.
                if let Err(error) = runtime.raise("waits", GO, n).await {
                    assert!(n > 2 && error.kind() == ErrorKind::Finished, "{n}: {error}");
                }
            }
        };
        if round % 2 == 0 {
            futures::join!(raising, opening)
        } else {
            futures::join!(opening, raising)
        };
        assert_eq!(soon(runtime.attach(hears, "waits").result()).await?, 1 + 2, "{round}");
    }
    Ok(())
}

/// Without a limit, too.
#[tokio::test]
async fn a_run_that_never_waits_can_be_suspended_and_terminated() -> dacapo::Result<()> {
    for limit in [1, 1_000] {
        let runtime = Site::open().runtime(limit).await;
        runtime.start(spins()).id("spins").await?.started().await?;
        for _ in 0..3 {
            soon(runtime.suspend("spins", "")).await?;
            assert_eq!(runtime.status("spins").await?.runtime_status(), Status::Suspended);
            soon(runtime.resume("spins", "")).await?;
        }
        soon(runtime.terminate("spins", "enough")).await?;
        assert_eq!(runtime.status("spins").await?.runtime_status(), Status::Terminated);
    }
    Ok(())
}
