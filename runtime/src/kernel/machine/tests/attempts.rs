//! Attempts of activities: cancellations, heartbeats, and what is kept of them.

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::tests::events::{
    deliver, failed, go, json, names, result, resume, returned, stopped, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{grows_in_time, tries, two_steps};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::Stage;
use crate::kernel::payload::Payload;

/// The kept details of calls in a batch, those that are deleted as nothing.
fn heartbeats(batch: &Batch) -> Vec<(CallId, Option<Payload>)> {
    batch.heartbeats.iter().map(|heartbeat| (heartbeat.call, heartbeat.details.clone())).collect()
}

/// An attempt has said this and failed.
fn failed_saying(call: CallId, said: &str) -> Input {
    let failure = Failure::new(FailureKind::Timeout, "late");
    let event = Some(Event::TaskFailed { id: call, failure, retry_at: None });
    Input::AttemptEnded { call, last_heartbeat: Some(json(said)), event }
}

#[test]
fn an_attempt_is_cancelled_when_that_is_durable() {
    let mut run = Stage::of(grows_in_time(1));
    run.at_second(10);
    let seen = run.until(Step::Commit, Input::Due);
    assert!(seen.cancelled.is_empty());
    assert_eq!(seen.hushed, [1], "nothing that it says is kept");
    let seen = run.go_on();
    assert_eq!((seen.cancelled, seen.aborted, run.store.state().busy), (vec![1], vec![], false));
    assert!(run.tell(Input::Evict).gone, "nothing of it is under way");
}

#[test]
fn an_attempt_that_was_cancelled_says_nothing_more() {
    let mut run = Stage::of(grows_in_time(1));
    run.at_second(10);
    run.tell(Input::Due);
    assert!(run.tell(stopped(1)).steps.is_empty());
    assert_eq!(result(run.tell(deliver(go(3))).recorded().last()), 3);
}

#[test]
fn the_timer_of_a_wait_that_is_over_is_dropped() {
    let mut run = Stage::of(grows_in_time(1));
    assert_eq!(run.armed(), Some(second(10)));
    run.tell(returned(1, 2));
    let state = run.store.state();
    assert_eq!((state.busy, state.wake_at, run.armed()), (false, None, None));
}

#[test]
fn an_outcome_that_comes_with_the_end_of_the_wait_is_the_first_of_both() {
    let mut run = Stage::of(grows_in_time(1));
    run.until(Step::Work, returned(1, 2));
    run.at_second(10);
    run.tell(Input::Due);
    let seen = run.go_on();
    assert!(seen.cancelled.is_empty(), "it has ended");
    assert_eq!(result(run.tell(deliver(go(1))).recorded().last()), 3);
}

#[test]
fn an_outcome_that_comes_after_the_end_of_the_wait_changes_nothing() {
    let mut run = Stage::of(grows_in_time(1));
    run.at_second(10);
    run.until(Step::Commit, Input::Due);
    run.tell(returned(1, 2));
    let seen = run.go_on();
    assert!(seen.cancelled.is_empty() && seen.commits.is_empty());
    assert_eq!(result(run.tell(deliver(go(1))).recorded().last()), 1);
}

#[test]
fn what_a_failed_attempt_has_said_is_kept_for_the_next_with_its_turn() {
    let mut run = Stage::of(tries(1));
    let seen = run.tell(failed_saying(1, "half done"));
    assert_eq!(heartbeats(seen.batch()), [(1, Some(json("half done")))]);
    run.at_second(5);
    let seen = run.tell(Input::Due);
    assert_eq!(seen.starts[0].last_heartbeat, Some(json("half done")));
    let seen = run.tell(failed(1));
    assert_eq!(heartbeats(seen.batch()), [(1, None)], "and deleted when the call is over");
}

#[test]
fn what_a_failed_attempt_has_said_survives_a_restart() {
    let mut run = Stage::of(tries(1));
    run.tell(failed_saying(1, "half done"));
    run.recover();
    run.at_second(5);
    assert_eq!(run.tell(Input::Due).starts[0].last_heartbeat, Some(json("half done")));
}

#[test]
fn nothing_is_written_of_what_an_attempt_said_that_has_returned() {
    let mut run = Stage::of(two_steps(1));
    let event = Some(Event::TaskCompleted { id: 1, result: json(2) });
    let seen = run.tell(Input::AttemptEnded { call: 1, last_heartbeat: Some(json("all done")), event });
    assert_eq!((heartbeats(seen.batch()), seen.calls()), (vec![(1, None)], vec![2]));
}

#[test]
fn an_attempt_that_is_cancelled_without_an_outcome_is_not_followed_by_another() {
    // The shutdown of a process ends attempts so; the next process runs them again.
    let mut run = Stage::of(two_steps(1));
    let seen = run.tell(stopped(1));
    assert!(seen.steps.is_empty() && seen.starts.is_empty());
    assert_eq!(run.recover().calls(), [1]);
}

#[test]
fn a_retry_that_was_planned_is_dropped_with_its_run() {
    let mut run = Stage::of(tries(1));
    run.tell(failed(1));
    let seen = run.tell(deliver(terminate()));
    assert!(seen.gone && run.armed().is_none());
    assert_eq!(names(seen.recorded()), ["ExecutionTerminated"]);
}

#[test]
fn what_ends_while_a_run_is_set_aside_keeps_what_it_has_said() {
    let mut run = Stage::of(tries(1));
    run.tell(deliver(suspend()));
    let seen = run.tell(failed_saying(1, "half done"));
    assert_eq!(names(&seen.posts), ["TaskFailed"]);
    let seen = run.tell(deliver(resume()));
    assert_eq!(heartbeats(seen.batch()), [(1, Some(json("half done")))]);
}
