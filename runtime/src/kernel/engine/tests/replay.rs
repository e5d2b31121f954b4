//! Numbers of calls, and what a replay compares and takes over.

use std::cell::RefCell;

use super::*;

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
        assert!(build == "no call" || report.matches("tests/replay.rs:").count() >= 1, "{report}");
        assert!(report.contains("the code is the same that started the run"), "{report}");
    }
    let HistoryEvent::ExecutionStarted { shape, .. } = &mut run.history[0].events[0] else { panic!("it starts") };
    *shape ^= 1;
    BUILD.set("other input");
    let mismatch = empty(run.orchestrator).replay(run.history.clone()).expect_err("it differs");
    BUILD.set("");
    assert!(mismatch.to_string().contains("the run was started by other code"), "{mismatch}");
    assert_eq!(mismatch.to_string().matches("tests/replay.rs:").count(), 2, "{mismatch}");
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
