//! The rules of the engine, each with a test that fails when the rule is broken. No executor, clock or store is needed.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::stream::{FuturesUnordered, StreamExt as _};

use crate::kernel::engine::event::{CallId, Event as HistoryEvent, Turn};
use crate::kernel::engine::execution::{Action, Execution, Progress};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::Function;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::time::Timestamp;
use crate::orchestration::child::Orchestration;
use crate::{Durable, Event, Retry, activity, orchestrator};

/// Doubles, in theory: here the tests give the results.
#[activity]
async fn double(n: u32) -> u32 {
    2 * n
}

#[activity(retry = Retry::fixed(Duration::from_secs(5)).max_attempts(3))]
async fn fragile(n: u32) -> Result<u32, String> {
    Ok(n)
}

/// An execution and the history it makes.
struct Run {
    orchestrator: Registration,
    execution: Execution,
    history: Vec<Turn>,
    clock: i64,
}

impl Run {
    fn of<F: Function>(call: Orchestration<F>) -> (Self, Progress) {
        let orchestrator = <Orchestration<F> as crate::Call>::REGISTRATION;
        let (input, _) = call.into_request();
        let input = input.expect("the input is JSON");
        let mut run = Self { orchestrator, execution: empty(orchestrator), history: Vec::new(), clock: 0 };
        let shape = orchestrator.shape();
        let started = HistoryEvent::ExecutionStarted {
            name: orchestrator.name().to_owned(),
            version: 1,
            input,
            shape,
            parent: None,
            continued: None,
            trace: None,
        };
        let progress = run.turn(vec![started]);
        (run, progress)
    }

    fn turn(&mut self, incoming: Vec<HistoryEvent>) -> Progress {
        self.clock += 1_000;
        let at = Timestamp(self.clock);
        let progress = self.execution.turn(at, incoming).expect("nothing outside woke it");
        self.history.push(Turn { at: progress.at, events: progress.events.clone() });
        progress
    }

    /// Everything again in a new execution, as after a restart.
    fn replayed(&self) -> Execution {
        let mut execution = empty(self.orchestrator);
        if let Err(mismatch) = execution.replay(self.history.clone()) {
            panic!("{mismatch}");
        }
        execution
    }
}

fn empty(orchestrator: Registration) -> Execution {
    Execution::new(orchestrator, "test".into(), Box::new(|| {}))
}

fn completed(id: CallId, result: impl serde::Serialize) -> HistoryEvent {
    HistoryEvent::TaskCompleted { id, result: Payload::encode(&result).expect("it is JSON") }
}

fn failed(id: CallId) -> HistoryEvent {
    HistoryEvent::TaskFailed { id, failure: Failure::new(FailureKind::Timeout, "late"), retry_at: None }
}

fn output<T: serde::de::DeserializeOwned>(progress: &Progress) -> T {
    match progress.events.last() {
        Some(HistoryEvent::ExecutionCompleted { result }) => result.decode().expect("the output has its type"),
        other => panic!("the orchestration has not completed but {other:?}"),
    }
}

fn activities(progress: &Progress) -> Vec<CallId> {
    let started = |action: &Action| match action {
        Action::StartActivity { id, .. } => Some(*id),
        _ => None,
    };
    progress.actions.iter().filter_map(started).collect()
}

#[orchestrator]
async fn all(n: u32) -> Vec<u32> {
    join_all((0..n).map(double)).await
}

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

#[orchestrator]
async fn race() -> String {
    match select(double(1), double(2)).await {
        Either::Left((n, _)) => format!("first {n}"),
        Either::Right((n, _)) => format!("second {n}"),
    }
}

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

// Rule 5: ids come from first polls; a replay checks id, kind, name and input, and shows both places.

thread_local! {
    /// What the next poll of `changed` does: stands for a deployment of other code.
    static BUILD: RefCell<&'static str> = const { RefCell::new("") };
}

#[orchestrator(allow(shared_state, reason = "stands for a deployment of other code"))]
async fn changed(n: u32) -> u32 {
    match BUILD.with_borrow(|build| *build) {
        "other input" => double(n + 1).await,
        "other activity" => fragile(n).await.unwrap_or(0),
        "other kind" => {
            crate::sleep(Duration::from_secs(1)).await;
            0
        }
        "no call" => 0,
        "one more" => join_all([double(n), double(n)]).await.iter().sum(),
        _ => double(n).await,
    }
}

#[test]
fn ids_are_taken_in_the_order_of_first_polls() {
    #[orchestrator]
    async fn awaits_in_reverse() -> (u32, u32) {
        let first = double(1);
        let second = double(2).await;
        (first.await, second)
    }
    let (mut run, progress) = Run::of(awaits_in_reverse());
    let HistoryEvent::TaskScheduled { id: 1, input, .. } = &progress.events[1] else { panic!("{progress:?}") };
    assert_eq!(input.as_str(), "2", "the call that was awaited first is call 1");
    run.turn(vec![completed(1, 4)]);
    assert_eq!(output::<(u32, u32)>(&run.turn(vec![completed(2, 2)])), (2, 4));
    run.replayed();
}

#[test]
fn a_replay_that_differs_is_reported_with_both_places() {
    let (mut run, _) = Run::of(changed(7));
    run.turn(vec![completed(1, 14)]);
    run.replayed();
    let cases = [
        ("other input", "activity `double` with `7`", "activity `double` with `8`"),
        ("other activity", "activity `double`", "activity `fragile`"),
        ("other kind", "activity `double`", "a timer"),
        ("no call", "activity `double`", "the orchestrator returned"),
        ("one more", "the result of call 1", "call 2 of activity `double`"),
    ];
    for (build, recorded, actual) in cases {
        BUILD.set(build);
        let mismatch = empty(run.orchestrator).replay(run.history.clone()).expect_err(build);
        BUILD.set("");
        assert!(mismatch.recorded.contains(recorded), "{build}: {mismatch}");
        assert!(mismatch.actual.contains(actual), "{build}: {mismatch}");
        let report = mismatch.to_string();
        assert!(build == "no call" || report.matches("engine/tests.rs:").count() >= 1, "{report}");
        assert!(report.contains("the code is the same that started the run"), "{report}");
    }
    let HistoryEvent::ExecutionStarted { shape, .. } = &mut run.history[0].events[0] else { panic!("it starts") };
    *shape ^= 1;
    BUILD.set("other input");
    let mismatch = empty(run.orchestrator).replay(run.history.clone()).expect_err("it differs");
    BUILD.set("");
    assert!(mismatch.to_string().contains("the run was started by other code"), "{mismatch}");
    assert_eq!(mismatch.to_string().matches("engine/tests.rs:").count(), 2, "{mismatch}");
}

#[test]
fn a_changed_delay_is_no_mismatch() {
    #[orchestrator(allow(shared_state, reason = "stands for a deployment of other code"))]
    async fn naps() {
        let seconds = if BUILD.with_borrow(|build| *build) == "longer" { 60 } else { 1 };
        crate::sleep(Duration::from_secs(seconds)).await;
    }
    let (run, progress) = Run::of(naps());
    let Some(Action::StartTimer { fire_at, .. }) = progress.actions.first() else { panic!("{progress:?}") };
    BUILD.set("longer");
    let pending = run.replayed().pending();
    BUILD.set("");
    assert!(matches!(pending[..], [Action::StartTimer { fire_at: at, .. }] if at == *fire_at), "{pending:?}");
}

// Rule 6 is the worker's: a mismatch parks the instance. An activity's failure is never one.

#[orchestrator]
async fn hopes(n: u32) -> String {
    match fragile(n).await {
        Ok(n) => n.to_string(),
        Err(error) => error,
    }
}

#[test]
fn a_retry_is_decided_once_and_replayed_from_the_record() {
    let (mut run, _) = Run::of(hopes(1));
    for attempt in 2..=3 {
        let progress = run.turn(vec![failed(1)]);
        let [Action::StartActivity { id: 1, attempt: next, not_before: Some(at), .. }] = progress.actions[..] else {
            panic!("{progress:?}")
        };
        assert_eq!((next, at), (attempt, Timestamp(run.clock).after(Duration::from_secs(5))));
        let pending = run.replayed().pending();
        assert!(matches!(pending[..], [Action::StartActivity { attempt: next, .. }] if next == attempt), "{pending:?}");
    }
    assert_eq!(output::<String>(&run.turn(vec![failed(1)])), "late (call 1 of `fragile` with `1`)");
    run.replayed();
}

// Rule 7: dropping a call while live cancels it; dropping it while unloading does not.

#[test]
fn the_loser_of_a_race_is_cancelled() {
    let (mut run, _) = Run::of(race());
    let progress = run.turn(vec![completed(2, 4)]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    assert!(run.turn(vec![completed(1, 2)]).events.is_empty(), "a late result is not recorded");
}

#[orchestrator]
async fn deadline() -> bool {
    crate::timeout(Duration::from_secs(60), double(1)).await.is_ok()
}

#[test]
fn a_deadline_cancels_the_call_and_a_result_cancels_the_deadline() {
    let (mut run, _) = Run::of(deadline());
    let progress = run.turn(vec![HistoryEvent::TimerFired { id: 2 }]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    assert!(!output::<bool>(&progress));

    let (mut run, _) = Run::of(deadline());
    let progress = run.turn(vec![completed(1, 2)]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 2 }]), "{progress:?}");
    assert!(output::<bool>(&progress));
}

#[test]
fn unloading_cancels_nothing() {
    let (run, _) = Run::of(all(3));
    let replayed = run.replayed();
    drop(run.execution);
    assert_eq!(replayed.pending().len(), 3, "after a restart all three are still waited for");
}

// Rule 8: branches are polled in place.

#[orchestrator(allow(address, reason = "the test is about threads"))]
async fn branches() -> bool {
    let here = |n| async move {
        double(n).await;
        format!("{:?}", std::thread::current().id())
    };
    let threads = join_all([here(1), here(2)]).await;
    threads[0] == threads[1]
}

#[test]
fn branches_are_never_spawned() {
    // Without an executor there is nothing to spawn on; both run on this thread.
    let (mut run, progress) = Run::of(branches());
    assert_eq!(activities(&progress), [1, 2]);
    assert!(output::<bool>(&run.turn(vec![completed(2, 4), completed(1, 2)])));
}

// Rule 9: a loaded execution goes on where it stands; only a restart replays.

#[test]
fn a_loaded_execution_is_fed_and_not_replayed() {
    thread_local! {
        static ENTERED: RefCell<u32> = const { RefCell::new(0) };
    }
    #[orchestrator(allow(shared_state, reason = "counts what happens to this code"))]
    async fn enters_once() -> u32 {
        ENTERED.with_borrow_mut(|entered| *entered += 1);
        double(1).await + double(2).await + double(3).await
    }
    let (mut run, _) = Run::of(enters_once());
    run.turn(vec![completed(1, 1)]);
    run.turn(vec![completed(2, 1)]);
    assert_eq!(output::<u32>(&run.turn(vec![completed(3, 1)])), 3);
    assert_eq!(ENTERED.with_borrow(|entered| *entered), 1);
    run.replayed();
    assert_eq!(ENTERED.with_borrow(|entered| *entered), 2);
}

// Events: buffered, first in first out, never swallowed.

const NEWS: Event<u32> = Event::new("news");

fn raised(value: u32) -> HistoryEvent {
    HistoryEvent::EventRaised { name: "news".into(), input: Payload::encode(&value).expect("it is JSON") }
}

#[orchestrator]
async fn reads_three() -> Vec<u32> {
    let mut read = vec![NEWS.wait().await];
    double(0).await;
    read.push(NEWS.wait().await);
    read.push(NEWS.wait().await);
    read
}

#[test]
fn events_are_kept_in_order_until_somebody_asks() {
    let (mut run, _) = Run::of(reads_three());
    run.turn(vec![raised(1), raised(2), raised(3)]);
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(1, 0)])), [1, 2, 3]);
    run.replayed();
}

#[orchestrator]
async fn gives_up_then_asks_again() -> u32 {
    let _ = crate::timeout(Duration::from_secs(1), NEWS.wait()).await;
    NEWS.wait().await
}

#[test]
fn a_wait_that_was_given_up_swallows_nothing() {
    let (mut run, _) = Run::of(gives_up_then_asks_again());
    run.turn(vec![HistoryEvent::TimerFired { id: 1 }]);
    assert_eq!(output::<u32>(&run.turn(vec![raised(5)])), 5);

    // Given to a wait that is dropped in the same poll: it goes to the next.
    #[orchestrator]
    async fn drops_what_it_was_given() -> u32 {
        let waits = select(Box::pin(NEWS.wait()), Box::pin(NEWS.wait())).await;
        match waits {
            Either::Left((first, second)) => {
                drop(second);
                first + NEWS.wait().await
            }
            Either::Right(_) => 0,
        }
    }
    let (mut run, _) = Run::of(drops_what_it_was_given());
    assert_eq!(output::<u32>(&run.turn(vec![raised(1), raised(10)])), 11);
}

#[test]
fn a_turn_with_an_event_of_the_wrong_type_is_given_up_with_the_event_named() {
    let (mut run, _) = Run::of(gives_up_then_asks_again());
    let wrong = HistoryEvent::EventRaised { name: "news".into(), input: Payload::encode("text").expect("it is JSON") };
    let given_up = run.execution.turn(Timestamp(run.clock + 1_000), vec![wrong.clone()]).expect_err("it does not fit");
    assert_eq!(given_up.incoming, [wrong], "it is kept for the resumption");
    let report = given_up.report.text("an-id", false);
    for part in ["`news`", "\"text\"", "--without-event 1"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

// Failures that have no place in a type, panics, and time.

#[test]
fn a_failure_without_a_place_ends_the_orchestration() {
    let (mut run, _) = Run::of(all(2));
    let progress = run.turn(vec![failed(2)]);
    let Some(HistoryEvent::ExecutionFailed { failure }) = progress.events.last() else { panic!("{progress:?}") };
    assert!(failure.message().contains("`double` failed") && failure.causes() == ["late"], "{failure:?}");
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    run.replayed();
}

#[test]
fn a_panic_of_the_orchestrator_is_its_failure() {
    #[orchestrator]
    async fn stumbles(n: u32) -> u32 {
        assert!(double(n).await == 0, "{n} is not zero");
        n
    }
    let (mut run, _) = Run::of(stumbles(1));
    let progress = run.turn(vec![completed(1, 2)]);
    let Some(HistoryEvent::ExecutionFailed { failure }) = progress.events.last() else { panic!("{progress:?}") };
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "1 is not zero"));
}

#[test]
fn time_never_runs_backwards_and_uuids_repeat() {
    #[orchestrator]
    async fn looks(_n: u32) -> (Duration, crate::Payload) {
        let before = crate::now();
        double(1).await;
        let uuid = Payload::encode(&crate::new_uuid().to_string()).expect("it is JSON");
        (crate::now().duration_since(before).expect("time does not run backwards"), uuid)
    }
    let (mut run, _) = Run::of(looks(1));
    run.clock = -1_000_000_000;
    let first = output::<(Duration, Payload)>(&run.turn(vec![completed(1, 2)]));
    assert_eq!(first.0, Duration::ZERO);
    run.replayed();
}

#[test]
fn a_clock_that_jumps_makes_no_timer_late_and_no_replay_differ() {
    #[orchestrator]
    async fn naps() -> Duration {
        let before = crate::now();
        for _ in 0..3 {
            crate::sleep(Duration::from_secs(10)).await;
        }
        crate::now().duration_since(before).expect("time does not run backwards")
    }
    const HOUR: i64 = 3_600_000_000;
    let (mut run, progress) = Run::of(naps());
    let due = |progress: &Progress, clock: i64| {
        let [Action::StartTimer { fire_at, .. }] = progress.actions[..] else { panic!("{progress:?}") };
        assert_eq!(fire_at, Timestamp(clock).after(Duration::from_secs(10)), "ten seconds by the clock of the machine");
    };
    due(&progress, run.clock);
    run.clock += HOUR;
    due(&run.turn(vec![HistoryEvent::TimerFired { id: 1 }]), run.clock);
    run.clock -= 2 * HOUR;
    due(&run.turn(vec![HistoryEvent::TimerFired { id: 2 }]), run.clock);
    run.replayed();
    let slept = output::<Duration>(&run.turn(vec![HistoryEvent::TimerFired { id: 3 }]));
    assert!(slept >= Duration::from_secs(3600), "what the orchestrator has seen stays: {slept:?}");
    run.replayed();
}

// The library's own branches: fan-out with a window, join and select.

#[test]
fn a_fan_out_slides_at_every_end_and_keeps_input_order() {
    #[orchestrator]
    async fn limited(n: u32) -> Vec<u32> {
        crate::fan_out(0..n, double).limit(2).await
    }
    let (mut run, progress) = Run::of(limited(4));
    assert_eq!(activities(&progress), [1, 2]);
    assert_eq!(activities(&run.turn(vec![completed(2, 2)])), [3], "the window moves on although the first still runs");
    assert_eq!(activities(&run.turn(vec![completed(3, 4)])), [4]);
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(4, 6), completed(1, 0)])), [0, 2, 4, 6]);
    run.replayed();
}

#[test]
fn a_try_fan_out_stops_at_the_first_error_and_cancels_the_rest() {
    #[orchestrator]
    async fn limited(n: u32) -> Result<Vec<u32>, String> {
        crate::try_fan_out(0..n, |n| fragile(n).retry(Retry::none())).limit(3).await
    }
    let (mut run, _) = Run::of(limited(9));
    let progress = run.turn(vec![failed(2)]);
    assert!(
        matches!(progress.events.last(), Some(HistoryEvent::ExecutionFailed { failure }) if failure.message() == "late (call 2 of `fragile` with `1`)")
    );
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 | 3 }, Action::Cancel { id: 1 | 3 }]), "{progress:?}");

    let (mut run, _) = Run::of(limited(2));
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(2, 20), completed(1, 10)])), [10, 20]);
}

#[test]
fn select_takes_the_first_and_join_takes_all() {
    #[orchestrator]
    async fn chooses() -> (u32, u32, u32) {
        let first = crate::select! {
            n = double(1) => n,
            n = double(2) => n + 100,
            () = crate::sleep(Duration::from_secs(9)) => 0,
        };
        let (a, b) = crate::join!(double(3), async { double(4).await + 1 });
        (first, a, b)
    }
    let (mut run, progress) = Run::of(chooses());
    assert_eq!(activities(&progress), [1, 2]);
    let progress = run.turn(vec![completed(2, 4)]);
    assert_eq!(activities(&progress), [4, 5]);
    assert!(matches!(progress.actions[2..], [Action::Cancel { id: 1 }, Action::Cancel { id: 3 }]), "{progress:?}");
    assert_eq!(output::<(u32, u32, u32)>(&run.turn(vec![completed(5, 8), completed(4, 6)])), (104, 6, 9));
    run.replayed();
}
