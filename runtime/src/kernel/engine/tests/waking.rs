//! Who is woken and polled, and when a turn is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::stream::{FuturesUnordered, StreamExt as _};

use super::*;
use crate::Durable;

#[orchestrator]
async fn windowed(n: u32) -> Vec<u32> {
    futures::stream::iter(0..n).map(double).buffered(4).collect().await
}

#[orchestrator]
async fn unordered(n: u32) -> Vec<u32> {
    let mut results = Vec::new();
    let mut running: FuturesUnordered<_> = (0..n).map(double).collect();
    while let Some(result) = running.next().await {
        results.push(result);
    }
    results
}

// Rule 1: the waker of a call is stored, and woken when the call has its outcome.

#[test]
fn a_completion_wakes_the_branch_that_waits_for_it() {
    // `join_all` polls only what was woken when it has more than 30 futures.
    let (mut run, progress) = Run::of(all(40));
    assert_eq!(activities(&progress).len(), 40);
    let progress = run.turn((0..40_u32).rev().map(|n| completed(u64::from(n) + 1, 2 * n)).collect());
    assert_eq!(output::<Vec<u32>>(&progress), (0..40).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn a_window_slides_and_keeps_input_order() {
    let (mut run, progress) = Run::of(windowed(10));
    assert_eq!(activities(&progress), [1, 2, 3, 4]);
    assert_eq!(activities(&run.turn(vec![completed(2, 2)])), Vec::<u64>::new(), "the first of the window is still missing");
    assert_eq!(activities(&run.turn(vec![completed(1, 0)])), [5, 6]);
    let rest: Vec<_> = (3..=10).map(|id| completed(id, 2 * (id - 1))).collect();
    let progress = rest.into_iter().map(|event| run.turn(vec![event])).last().expect("there are some");
    assert_eq!(output::<Vec<u32>>(&progress), (0..10).map(|n| 2 * n).collect::<Vec<_>>());
}

// Rule 2: a turn is over when the poll is pending and nothing woke during it.

#[orchestrator]
async fn yields_to_itself(n: u32) -> u32 {
    YieldOnce(false).await;
    double(n).await
}

/// Like `FuturesUnordered` after a round of polls: pending, but woken already.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Durable for YieldOnce {}

#[test]
fn a_turn_goes_on_while_the_orchestrator_wakes_itself() {
    let (_, progress) = Run::of(yields_to_itself(1));
    assert_eq!(activities(&progress), [1], "the call after the yield belongs to the first turn");
}

// Rule 3: one completion, one poll, in history order.

#[test]
fn a_race_is_decided_by_the_order_of_the_history() {
    let (mut run, _) = Run::of(race());
    let progress = run.turn(vec![completed(2, 4), completed(1, 2)]);
    assert_eq!(output::<String>(&progress), "second 4");
    run.replayed();

    let (mut run, _) = Run::of(race());
    let progress = run.turn(vec![completed(1, 2), completed(2, 4)]);
    assert_eq!(output::<String>(&progress), "first 2");
}

#[test]
fn ten_thousand_completions_cost_a_linear_number_of_polls() {
    const N: u32 = 10_000;
    for call in [all(N), all(N)] {
        let (mut run, _) = Run::of(call);
        run.turn((0..N).map(|n| completed(u64::from(n) + 1, n)).collect());
        let (root, leaves) = run.execution.polls();
        assert_eq!(leaves, 2 * u64::from(N), "each call is polled once to start and once to finish");
        assert!(root <= u64::from(N) + 3, "{root} polls of the orchestrator");
    }
    let (mut run, _) = Run::of(unordered(N));
    let progress = run.turn((0..N).map(|n| completed(u64::from(n) + 1, n)).collect());
    assert_eq!(output::<Vec<u32>>(&progress).len(), N as usize);
    let (root, leaves) = run.execution.polls();
    assert_eq!(leaves, 2 * u64::from(N));
    assert!(root <= 2 * u64::from(N) + 3, "{root} polls of the orchestrator");
}

#[orchestrator]
async fn takes_one_of_two() -> u32 {
    let held = double(1).start();
    let first = double(2).await;
    let second = double(3).await;
    first + second + held.await
}

#[test]
fn a_delivery_that_wakes_nobody_is_not_polled() {
    let (mut run, _) = Run::of(takes_one_of_two());
    let before = run.execution.polls().0;
    run.turn(vec![completed(1, 2)]);
    assert_eq!(run.execution.polls().0, before, "nobody waits for the first call yet");
    run.turn(vec![completed(2, 4)]);
    let progress = run.turn(vec![completed(3, 6)]);
    assert_eq!(output::<u32>(&progress), 12);
}

// Rule 4: a wake from outside is a bug in user code, and it is named.

/// Claims to be durable and waits for a thread.
struct Impostor(Arc<AtomicBool>);

impl Future for Impostor {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        LEAKED.lock().expect("nobody panics with it").replace(cx.waker().clone());
        Poll::Pending
    }
}

impl Durable for Impostor {}

static LEAKED: Mutex<Option<Waker>> = Mutex::new(None);

#[orchestrator]
async fn waits_for_a_thread() {
    Impostor(Arc::new(AtomicBool::new(false))).await;
}

#[test]
fn a_wake_from_outside_fails_the_turn_and_keeps_what_was_delivered() {
    let alarmed = Arc::new(AtomicBool::new(false));
    let alarm = alarmed.clone();
    let orchestrator = Registration::orchestrator::<__dacapo_waits_for_a_thread>();
    let mut execution = Execution::new(orchestrator, "test".into(), Box::new(move || alarm.store(true, Ordering::Release)));
    let input = Payload::null();
    let started = HistoryEvent::ExecutionStarted {
        name: orchestrator.name().to_owned(),
        version: 1,
        input,
        shape: 0,
        parent: None,
        continued: None,
        trace: None,
    };
    execution.turn(Timestamp(1), vec![started]).expect("nothing has woken it yet");
    let waker = LEAKED.lock().expect("nobody panics with it").take().expect("it was polled");
    std::thread::spawn(move || waker.wake()).join().expect("waking does not panic");
    assert!(alarmed.load(Ordering::Acquire), "the worker is told at once");
    let raised = HistoryEvent::EventRaised { name: "news".into(), input: Payload::null() };
    let parked = execution.turn(Timestamp(2), vec![raised.clone()]).expect_err("the turn is given up");
    assert_eq!(parked.incoming, [raised]);
    let report = parked.report.text("x", false);
    assert!(report.contains("waits_for_a_thread") && report.contains("usual causes"), "{report}");
}
