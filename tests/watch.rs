//! Following a run: every change is told, at once, and nobody looks while nothing is written.

mod both;

use std::time::{Duration, Instant};

use both::{Kept, on_both_stores};
use dacapo::{Client, ErrorKind, Event, Runtime, Status, Watch, orchestrator};
use futures::FutureExt as _;

const GO: Event<u32> = Event::new("go");

/// Says of itself what it has heard last, until that is 0.
#[orchestrator]
async fn hears() -> u32 {
    let mut count = 0;
    loop {
        let heard = GO.wait().await;
        dacapo::set_custom_status(&heard);
        count += 1;
        if heard == 0 {
            return count;
        }
    }
}

#[orchestrator]
async fn executions(n: u32) -> u32 {
    GO.wait().await;
    if n == 0 { 7 } else { dacapo::continue_as_new(executions(n - 1)).await }
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    Ok(kept.runtime().only_registered().register(hears).register(executions).open().await?)
}

fn shown(status: &dacapo::InstanceStatus) -> Option<&str> {
    status.custom_status().map(|status| status.as_str())
}

/// Follows a run while it is told one thing after the other. Each must be seen in a moment: by somebody who looks once a second it is not.
async fn sees_every_change(runtime: &Runtime, client: &Client) -> dacapo::Result<()> {
    let run = runtime.start(hears()).await?;
    let mut watch = client.watch(run.id());
    assert_eq!(watch.next().await?.expect("as it is").runtime_status(), Status::Running);
    let begun = Instant::now();
    for n in (0..20).rev() {
        run.raise(GO, n).await?;
        let status = next(&mut watch).await;
        assert_eq!(shown(&status), Some(n.to_string().as_str()));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "twenty changes were seen in {took:?}");
    Ok(())
}

async fn changes_are_told_to_both_kinds_of_client(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    sees_every_change(&runtime, &runtime).await?;
    sees_every_change(&runtime, &kept.client().await).await
}

/// The next status, which must be there soon.
async fn next(watch: &mut Watch) -> dacapo::InstanceStatus {
    let soon = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
    soon.expect("it is told").expect("it is readable").expect("it goes on")
}

async fn what_is_done_to_a_run_is_told_until_its_end(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for client in [runtime.client(), kept.client().await] {
        let run = runtime.start(executions(1)).await?;
        let mut watch = client.watch(run.id());
        assert_eq!(next(&mut watch).await.execution(), 1);
        runtime.suspend(run.id(), "lunch").await?;
        assert_eq!(next(&mut watch).await.runtime_status(), Status::Suspended);
        runtime.resume(run.id(), "back").await?;
        assert_eq!(next(&mut watch).await.runtime_status(), Status::Running);
        run.raise(GO, 1).await?;
        assert_eq!(next(&mut watch).await.execution(), 2);
        run.raise(GO, 1).await?;
        let last = next(&mut watch).await;
        assert_eq!((last.runtime_status(), last.output().map(|output| output.as_str())), (Status::Completed, Some("7")));
        assert!(watch.next().await?.is_none() && watch.next().await?.is_none());
        let mut late = client.watch(run.id());
        assert_eq!(next(&mut late).await.runtime_status(), Status::Completed);
        assert!(late.next().await?.is_none());
        let error = client.watch("nobody").next().await.expect_err("there is none");
        assert!(error.is_not_found());
    }
    Ok(())
}

/// Each time it is polled once and dropped, as a `select!` in a loop may do.
async fn next_by_single_polls(watch: &mut Watch) -> Option<dacapo::InstanceStatus> {
    let polled = async {
        loop {
            match watch.next().now_or_never() {
                Some(status) => return status.expect("it is readable"),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), polled).await.expect("no change is lost")
}

async fn no_change_is_lost_when_next_is_dropped(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    for client in [runtime.client(), kept.client().await] {
        let run = runtime.start(hears()).await?;
        let mut watch = client.watch(run.id());
        next_by_single_polls(&mut watch).await.expect("as it is");
        for n in (0..4).rev() {
            run.raise(GO, n).await?;
            let status = next_by_single_polls(&mut watch).await.expect("it changes");
            assert_eq!(shown(&status), Some(n.to_string().as_str()));
        }
        assert!(watch.next().await?.is_none(), "the end was among the changes");
    }
    Ok(())
}

async fn it_ends_with_the_runtime(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    let client = runtime.client();
    let run = runtime.start(hears()).id("run").await?;
    let mut watch = client.watch(run.id());
    next(&mut watch).await;
    runtime.shutdown().await?;
    assert_eq!(watch.next().await.expect_err("nothing more comes").kind(), ErrorKind::ShuttingDown);
    let mut after = client.watch("run");
    let told = async { while after.next().await.is_ok_and(|status| status.is_some()) {} };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("it ends");
    Ok(())
}

on_both_stores! {
    changes_are_told_to_both_kinds_of_client
    what_is_done_to_a_run_is_told_until_its_end
    no_change_is_lost_when_next_is_dropped
    it_ends_with_the_runtime
}
