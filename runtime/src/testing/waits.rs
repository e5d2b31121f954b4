//! Every wait that has to do with an orchestration passes by the time of a test, outside the worker too.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::ready;

use crate::client::remote::Remote;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::MemoryStore;
use crate::testing::through::{Between, Read, Through};
use crate::testing::time::VirtualTime;
use crate::time::Time as _;
use crate::{Event, Runtime};

const GO: Event<()> = Event::new("go");

#[dacapo_macros::orchestrator(crate = crate)]
async fn tells() {
    crate::set_custom_status("before");
    GO.wait().await;
    crate::set_custom_status("after");
    GO.wait().await;
}

/// Fails the next so many reads of an instance.
#[derive(Default)]
struct Short(AtomicUsize);

impl Between for Short {
    fn fails(&self, what: Read) -> Option<RuntimeError> {
        let fails =
            what == Read::Instance && self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        fails.then(|| RuntimeError::new(ErrorKind::Store, "too many open files"))
    }
}

async fn runtime(time: &VirtualTime, store: &Through<Short>) -> Runtime {
    let builder = Runtime::with_store(store.clone()).only_registered().register(tells);
    let perform = Arc::new(|activity: crate::kernel::registration::Registration, input| activity.run(input));
    builder.simulated(Arc::new(time.clone()), perform, Default::default()).open().await.expect("it opens")
}

/// Does the work, moving the clock when nothing else happens; how long it took by that clock.
async fn by<T>(time: &VirtualTime, work: impl Future<Output = T>) -> (T, Duration) {
    let (begun, mut work, mut idle) = (time.elapsed(), pin!(work), 0);
    loop {
        if let Poll::Ready(done) = futures::poll!(&mut work) {
            return (done, time.elapsed() - begun);
        }
        idle += 1;
        if idle > 100
            && let Some(at) = time.next()
        {
            time.advance_to(at);
            idle = 0;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_watch_rests_between_two_looks() {
    let (time, store) = (VirtualTime::new(), Through::default());
    let runtime = runtime(&time, &store).await;
    runtime.start(tells()).id("t").await.expect("it starts");
    let mut watch = runtime.watch("t");
    let mut next = async |wanted: &str| {
        while watch.next().await.expect("it is there").expect("it runs").custom_status().is_none_or(|it| it.as_str() != wanted) {}
    };
    by(&time, next("\"before\"")).await;
    runtime.raise("t", GO, ()).await.expect("it waits");
    let ((), took) = by(&time, next("\"after\"")).await;
    assert_eq!(took, Duration::from_millis(20));
}

#[tokio::test]
async fn a_client_that_hears_nothing_looks_again_and_again() {
    let time = VirtualTime::new();
    let remote = Remote::new(Arc::new(MemoryStore::new()), Arc::new(time.clone())).expect("it can listen");
    let looks = AtomicUsize::new(0);
    let mut found = pin!(remote.look_until(|| ready(Ok((looks.fetch_add(1, Ordering::SeqCst) == 12).then_some(()))).boxed()));
    let mut pauses = Vec::new();
    while futures::poll!(&mut found).is_pending() {
        let at = time.next().expect("it waits");
        pauses.push(at.since(time.now()).as_millis());
        time.advance_to(at);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2000, 2000]);
}

#[cfg(feature = "schedules")]
#[tokio::test]
async fn a_schedule_starts_its_run_when_the_store_can_be_read_again() {
    let hour = Duration::from_secs(3600);
    let (time, store) = (VirtualTime::new(), Through::<Short>::default());
    let runtime = runtime(&time, &store).await;
    runtime.schedule("s").create(crate::Timetable::every(hour), tells()).await.expect("it is created");
    store.between.0.store(1, Ordering::SeqCst);
    let started = async { while runtime.query().tag("schedule", "s").await.expect("it is readable").instances().is_empty() {} };
    let ((), took) = by(&time, started).await;
    let late = took.saturating_sub(hour);
    assert!((50..64).contains(&late.as_millis()), "{took:?}");
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_start_that_waits_over_http_is_answered_in_time() {
    use tower_service::Service as _;
    let (time, store) = (VirtualTime::new(), Through::default());
    let runtime = runtime(&time, &store).await;
    let mut router = crate::http::Api::new(runtime.client()).allow_anonymous(true).router();
    let path = "/runtime/webhooks/durabletask/orchestrators/tells?timeout=20&pollingInterval=1";
    let request = axum::extract::Request::post(path).body(axum::body::Body::empty()).expect("a request");
    let (answer, took) = by(&time, router.call(request)).await;
    assert_eq!(answer.expect("it cannot fail").status(), axum::http::StatusCode::ACCEPTED);
    assert_eq!(took, Duration::from_secs(20));
}
