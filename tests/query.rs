//! What queries promise: every filter, pages that stay whole while runs are added, counts.

use std::collections::BTreeSet;
use std::time::SystemTime;

use dacapo::{ErrorKind, Event, Query, Runtime, Status, orchestrator};

mod both;
use both::Kept;

const GO: Event<u32> = Event::new("go");

#[orchestrator]
async fn done() {}

#[orchestrator]
async fn fails() -> dacapo::Result<()> {
    Err(dacapo::Error::msg("no"))
}

#[orchestrator]
async fn waits() -> u32 {
    GO.wait().await
}

async fn ids(query: Query) -> Vec<String> {
    let page = query.await.expect("it is a sound query");
    page.instances().iter().map(|run| run.instance_id().to_owned()).collect()
}

/// Three that completed, two that failed, one that waits, one terminated, one suspended.
async fn filled(kept: &Kept) -> Runtime {
    let runtime = kept.runtime().open().await.expect("it opens");
    let fill = async {
        for n in 1..=3 {
            let run = runtime.start(done()).id(format!("order-{n}")).tag("tenant", "acme").tag("n", n.to_string()).await?;
            run.result().await?;
        }
        for n in 1..=2 {
            let _ = runtime.start(fails()).id(format!("bill-{n}")).tag("tenant", "acme").await?.result().await;
        }
        for id in ["waits", "ended", "held"] {
            runtime.start(waits()).id(id).await?;
        }
        runtime.terminate("ended", "").await?;
        runtime.suspend("held", "").await?;
        dacapo::Result::<()>::Ok(())
    };
    fill.await.expect("it fills");
    runtime.shutdown().await.expect("it closes");
    kept.runtime().open().await.expect("it opens again")
}

async fn every_filter_narrows(kept: Kept) -> dacapo::Result<()> {
    let before = SystemTime::now();
    let runtime = filled(&kept).await;
    let q = || runtime.query();
    assert_eq!(ids(q()).await, ["held", "ended", "waits", "bill-2", "bill-1", "order-3", "order-2", "order-1"]);
    assert_eq!(ids(q().status(Status::Completed)).await, ["order-3", "order-2", "order-1"]);
    assert_eq!(ids(q().status(Status::Failed).status(Status::Suspended)).await, ["held", "bill-2", "bill-1"]);
    assert_eq!(ids(q().status(Status::Running).status(Status::Failed)).await, ["waits", "bill-2", "bill-1"]);
    assert_eq!(ids(q().name("waits")).await, ["held", "ended", "waits"]);
    assert_eq!(ids(q().id_prefix("order-")).await, ["order-1", "order-2", "order-3"], "by id");
    assert_eq!(ids(q().id_prefix("order-").status(Status::Failed)).await, [""; 0]);
    assert_eq!(ids(q().tag("tenant", "acme")).await, ["bill-2", "bill-1", "order-3", "order-2", "order-1"]);
    assert_eq!(ids(q().tag("tenant", "acme").tag("n", "2")).await, ["order-2"]);
    assert_eq!(ids(q().tag("tenant", "other")).await, [""; 0]);
    assert_eq!(ids(q().created_from(before)).await.len(), 8);
    assert_eq!(ids(q().created_to(before)).await, [""; 0]);
    let third = runtime.status("order-3").await?.created_at();
    assert_eq!(ids(q().created_from(third).name("done")).await, ["order-3"]);
    assert_eq!(ids(q().created_to(third)).await, ["order-2", "order-1"]);
    let tags = runtime.status("order-2").await?.tags().clone();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("n".into(), "2".into()), ("tenant".into(), "acme".into())]);
    Ok(())
}

async fn counts_are_by_status(kept: Kept) -> dacapo::Result<()> {
    let runtime = filled(&kept).await;
    let counts = runtime.counts().await?;
    let of = |status| counts.of(status);
    assert_eq!((of(Status::Completed), of(Status::Failed), of(Status::Running)), (3, 2, 1));
    assert_eq!((of(Status::Terminated), of(Status::Suspended), of(Status::Pending), counts.total()), (1, 1, 0, 8));
    Ok(())
}

/// Every page, with something started between them.
async fn pages(runtime: &Runtime, query: Query, more: &str) -> Vec<String> {
    let (mut seen, mut token, mut n) = (Vec::new(), None::<String>, 0);
    loop {
        let page = match &token {
            Some(token) => query.clone().after(token).await,
            None => query.clone().await,
        };
        let page = page.expect("it is a sound query");
        seen.extend(page.instances().iter().map(|run| run.instance_id().to_owned()));
        match page.next() {
            Some(next) => token = Some(next.to_owned()),
            None => return seen,
        }
        n += 1;
        runtime
            .start(done())
            .id(format!("{more}{n}"))
            .tag("tenant", "acme")
            .await
            .expect("it starts")
            .result()
            .await
            .expect("it ends");
    }
}

async fn pages_miss_nothing_and_repeat_nothing_while_runs_are_added(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    let old: BTreeSet<String> = (0..25).map(|n| format!("p-{n:02}")).collect();
    for id in &old {
        runtime.start(done()).id(id).tag("tenant", "acme").await?.result().await?;
    }
    for (name, query) in [
        ("all", runtime.query().page_size(3)),
        ("status", runtime.query().status(Status::Completed).page_size(3)),
        ("prefix", runtime.query().id_prefix("p-").page_size(3)),
        ("tag", runtime.query().tag("tenant", "acme").page_size(3)),
    ] {
        let seen = pages(&runtime, query, &format!("added-{name}-")).await;
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "{name}: none is seen twice");
        assert!(once.is_superset(&old), "{name}: none is missed");
    }
    Ok(())
}

async fn what_is_no_question_is_refused(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    for (query, says) in [
        (runtime.query().page_size(0), "1 to 10,000"),
        (runtime.query().page_size(10_001), "1 to 10,000"),
        (runtime.query().after("page 2"), "`page 2` is not what a page"),
    ] {
        let error = query.await.expect_err("it is refused");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(says), "{error}");
    }
    for (name, value) in [("", "x"), ("a\nb", "x"), ("a", "x\0")] {
        let error = runtime.start(done()).tag(name, value).await.expect_err("it is refused");
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("invalid tag"), "{error}");
    }
    assert_eq!(runtime.counts().await?.total(), 0, "nothing was started");
    Ok(())
}

both::on_both_stores! {
    every_filter_narrows
    counts_are_by_status
    pages_miss_nothing_and_repeat_nothing_while_runs_are_added
    what_is_no_question_is_refused
}
