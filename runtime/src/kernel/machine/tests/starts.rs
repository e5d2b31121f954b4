//! How an orchestration begins.

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::Event;
use crate::kernel::error::ErrorKind;
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::events::{asked, deliver, go, names, nudge, result, returned, stop, suspend};
use crate::kernel::machine::tests::functions::{at_once, grows_then_hears, hears, hears_twice, spins, two_steps};
use crate::kernel::machine::tests::kept::KEY;
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

#[test]
fn a_start_writes_the_instance_and_its_first_turn_together() {
    let (mut run, mut answer) = Stage::starting(request(two_steps(1), None), false);
    let seen = run.go_on();
    let Batch { create: Some(new), append: None, update: None, .. } = seen.batch() else { panic!("{:?}", seen.batch()) };
    assert_eq!(names(&new.turn.events), ["ExecutionStarted", "TaskScheduled"]);
    assert_eq!((new.state.status, new.state.busy), (Status::Running, true));
    assert_eq!((seen.calls(), seen.begun), (vec![1], true));
    assert_eq!(seen.starts[0].idempotency_key, format!("run/{KEY}/1"));
    assert!(answer.is_ok());
}

#[test]
fn nothing_leaves_a_start_before_it_is_durable() {
    let (mut run, mut answer) = Stage::starting(request(two_steps(1), None), false);
    let seen = run.go_on_until(Step::Commit);
    assert!(seen.starts.is_empty() && !seen.begun && answer.get().is_none());
    assert_eq!(run.go_on().calls(), [1]);
    assert!(answer.is_ok());
}

#[test]
fn a_refused_start_leaves_nothing_behind_and_says_why() {
    for kind in [ErrorKind::Store, ErrorKind::AlreadyExists, ErrorKind::TooLarge] {
        let (mut run, mut answer) = Stage::starting(request(two_steps(1), None), true);
        run.refusals.push_back(kind);
        let seen = run.go_on();
        assert!(answer.error().contains("the store refuses it"));
        assert!(seen.gone && seen.starts.is_empty() && seen.retired == 1);
        assert_eq!((run.free_places, seen.commits.len()), (1, 1), "and its place is free");
    }
}

#[test]
fn what_came_for_a_start_that_is_refused_is_sent_to_whoever_has_the_id() {
    let (mut run, _answer) = Stage::starting(request(hears(), None), false);
    run.refusals.push_back(ErrorKind::AlreadyExists);
    run.go_on_until(Step::Commit);
    let (raise, mut told) = asked(go(1));
    run.tell(raise);
    let seen = run.go_on();
    assert_eq!(seen.sent.len(), 1);
    assert!(told.get().is_none(), "it is not refused");
}

#[test]
fn a_start_that_ends_at_once_is_created_ended() {
    let (mut run, mut answer) = Stage::starting(request(at_once(5), None), true);
    let seen = run.go_on();
    assert_eq!((run.store.state().status, run.store.state().busy), (Status::Completed, false));
    assert_eq!(result(run.store.history().last().copied()), 5);
    assert!(answer.is_ok() && seen.gone && seen.begun);
    assert!(seen.ended.is_some_and(|ended| ended.key == KEY && ended.outcome.is_ok() && !ended.without_a_turn));
}

#[test]
fn a_start_whose_first_turn_is_given_up_is_created_parked() {
    // A code that could not be taken up after a restart may not begin.
    let (mut run, mut answer) = Stage::starting(request(spins(1), None), true);
    run.process.lacks = vec!["spins"];
    let seen = run.go_on();
    assert_eq!(names(run.store.history()), ["ExecutionStarted"]);
    let state = run.store.state();
    assert_eq!((state.status, state.busy), (Status::Suspended, true));
    assert!(state.report.as_ref().is_some_and(|report| report.contains("there is no version 1 of `spins`")), "{state:?}");
    assert!(answer.is_ok() && seen.ended.is_none());
}

#[test]
fn what_comes_during_the_first_turn_waits_for_the_second() {
    let (mut run, mut started) = Stage::starting(request(hears(), None), false);
    let (raise, mut raised) = asked(go(3));
    assert!(run.tell(raise).steps.is_empty());
    let seen = run.go_on();
    assert_eq!(seen.commits.len(), 2);
    assert_eq!(names(&seen.commits[0].create.as_ref().expect("it is created").turn.events), ["ExecutionStarted"]);
    assert_eq!(result(run.store.history().last().copied()), 3);
    assert!(started.is_ok() && raised.is_ok());
}

#[test]
fn what_was_meant_for_the_run_before_is_dropped_when_the_new_one_has_its_key() {
    let (mut run, _answer) = Stage::starting(request(hears_twice(), None), false);
    run.tell(Input::Deliver(Message { posted_for: Some(KEY - 1), ..Message::of(go(1)) }));
    run.tell(Input::Deliver(Message { posted_for: Some(KEY), ..Message::of(go(2)) }));
    run.go_on();
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "EventRaised"]);
}

#[test]
fn a_start_takes_the_place_of_what_has_finished_in_one_batch() {
    let replaced = crate::kernel::machine::request::StartRequest { replaces: vec![3, 4], ..request(hears(), None) };
    let (mut run, _answer) = Stage::starting(replaced, false);
    let seen = run.go_on();
    assert_eq!(seen.batch().purge, [3, 4]);
    assert!(seen.batch().create.is_some());
}

#[test]
fn a_result_that_is_too_long_fails_the_run() {
    let (mut run, _answer) = Stage::starting(request(at_once(12_345), None), false);
    run.process.longest = 4;
    let seen = run.go_on();
    let failure = seen.ended.expect("it has ended").outcome.expect_err("it has failed");
    assert_eq!(failure.message(), "the result of `at_once` is too long");
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "ExecutionFailed"]);
    assert_eq!(run.store.state().status, Status::Failed);
}

#[test]
fn a_stored_start_sees_the_time_it_was_asked_for_and_nothing_else() {
    let mut run = Stage::stored(grows_then_hears(1), None);
    run.at_second(20);
    let (raise, mut raised) = asked(go(1));
    let seen = run.wake_until(Step::Turn, raise);
    assert_eq!(seen.steps, [Step::Load, Step::Replay, Step::Turn]);
    let seen = run.go_on_until(Step::Turn);
    assert_eq!(names(seen.recorded()), ["TaskScheduled"], "the start is in the history already");
    assert_eq!(seen.batch().append.as_ref().map(|append| (append.number, append.turn.at)), Some((2, second(20))));
    assert_eq!((seen.calls(), seen.begun, raised.get().is_none()), (vec![1], true, true));
    assert_eq!(names(run.go_on().recorded()), ["EventRaised"]);
    assert!(raised.is_ok());
}

#[test]
fn a_stored_start_without_a_call_is_begun_once() {
    let mut run = Stage::stored(hears(), None);
    let seen = run.wake(nudge());
    assert!(seen.begun && seen.batch().append.is_none());
    assert_eq!((run.store.state().status, run.store.state().busy), (Status::Running, false));
    let seen = run.recover();
    assert!(!seen.begun && seen.commits.is_empty());
}

#[test]
fn a_start_that_is_stopped_while_it_is_written_is_answered_and_does_nothing() {
    let (mut run, mut answer) = Stage::starting(request(two_steps(1), None), true);
    run.go_on_until(Step::Commit);
    assert!(run.tell(stop()).gone);
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.starts.is_empty() && seen.retired == 1);
    assert_eq!(run.free_places, 1);
}

#[test]
fn a_suspension_before_the_first_turn_comes_after_it() {
    let mut run = Stage::stored(two_steps(1), None);
    let seen = run.wake(deliver(suspend()));
    assert_eq!(seen.commits.len(), 2);
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "ExecutionSuspended"]);
    assert_eq!(run.store.state().status, Status::Suspended);
    let seen = run.tell(returned(1, 2));
    assert_eq!(names(&seen.posts), ["TaskCompleted"]);
    assert!(matches!(run.store.inbox[..], [(_, Event::TaskCompleted { id: 1, .. })]));
}
