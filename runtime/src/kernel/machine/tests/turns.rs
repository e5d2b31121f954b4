//! Turns: what they take, what they decide, and when they are due.

use std::time::Duration;

use crate::kernel::engine::event::Event;
use crate::kernel::failure::FailureKind;
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::events::{asked, deliver, failed, go, json, names, nudge, result, returned};
use crate::kernel::machine::tests::functions::{
    grows_in_time, grows_then_hears, hears, hears_twice, shows, sleeps, tries, two_steps,
};
use crate::kernel::machine::tests::kept::KEY;
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

#[test]
fn an_outcome_brings_the_next_call() {
    let mut run = Stage::of(two_steps(1));
    let seen = run.tell(returned(1, 2));
    assert_eq!(seen.steps, [Step::Work, Step::Turn, Step::Commit]);
    assert_eq!(names(seen.recorded()), ["TaskCompleted", "TaskScheduled"]);
    assert_eq!((seen.calls(), seen.starts[0].input.as_str()), (vec![2], "2"));
    let seen = run.tell(returned(2, 3));
    assert_eq!(result(seen.recorded().last()), 3);
    assert!(seen.gone && seen.ended.is_some());
}

#[test]
fn what_comes_during_a_turn_waits_for_the_next() {
    let mut run = Stage::of(hears_twice());
    run.until(Step::Turn, deliver(go(1)));
    assert!(run.tell(deliver(go(2))).steps.is_empty());
    assert_eq!(names(run.go_on_until(Step::Turn).recorded()), ["EventRaised"]);
    assert_eq!(result(run.go_on().recorded().last()), 3);
}

#[test]
fn what_comes_during_a_commit_waits_for_the_next_turn() {
    let mut run = Stage::of(hears_twice());
    run.until(Step::Commit, deliver(go(1)));
    assert!(run.tell(deliver(go(2))).steps.is_empty());
    assert_eq!(run.go_on().steps, [Step::Work, Step::Turn, Step::Commit]);
}

#[test]
fn all_that_waits_is_one_turn_in_its_order() {
    let mut run = Stage::of(hears_twice());
    run.until(Step::Work, nudge());
    run.tell(deliver(go(1)));
    let inbox = run.by_inbox(go(2));
    run.tell(inbox);
    let seen = run.go_on();
    let raised = |n: u32| Event::EventRaised { name: "go".to_owned(), input: json(n) };
    assert_eq!(seen.recorded()[..2], [raised(1), raised(2)]);
    assert_eq!(seen.batch().consume, [1]);
}

#[test]
fn a_nudge_writes_nothing() {
    let mut run = Stage::of(hears());
    let seen = run.tell(nudge());
    assert_eq!(seen.steps, [Step::Work, Step::Turn]);
    assert!(seen.commits.is_empty());
}

#[test]
fn a_timer_is_set_with_its_turn_and_fires_when_it_is_due() {
    let mut run = Stage::of(sleeps(30));
    assert_eq!((run.store.state().wake_at, run.armed()), (Some(second(30)), Some(second(30))));
    assert!(!run.store.state().busy);
    run.at_second(30);
    let seen = run.tell(Input::Due);
    assert_eq!(names(seen.recorded()), ["TimerFired"]);
    assert_eq!((run.store.state().wake_at, run.armed()), (None, None));
}

#[test]
fn a_clock_that_was_set_back_loses_no_timer() {
    let mut run = Stage::of(sleeps(30));
    run.at_second(29);
    let seen = run.tell(Input::Due);
    assert!(seen.commits.is_empty());
    assert_eq!(run.armed(), Some(second(30)), "it is set again");
}

#[test]
fn a_timer_that_is_due_during_a_turn_fires_in_the_next() {
    let mut run = Stage::of(sleeps(30));
    run.until(Step::Commit, deliver(go(1)));
    run.at_second(30);
    assert!(run.tell(Input::Due).steps.is_empty());
    let seen = run.go_on();
    assert_eq!(names(seen.recorded()), ["TimerFired", "ExecutionCompleted"]);
}

#[test]
fn a_failed_attempt_is_followed_by_another_when_that_is_due() {
    let mut run = Stage::of(tries(1));
    let seen = run.tell(failed(1));
    assert_eq!(names(seen.recorded()), ["TaskFailed"]);
    let due = second(0).after(Duration::from_secs(5));
    assert_eq!((run.store.state().wake_at, run.store.state().busy, seen.starts.len()), (Some(due), false, 0));
    run.at_second(5);
    let seen = run.tell(Input::Due);
    let [start] = &seen.starts[..] else { panic!("{} starts", seen.starts.len()) };
    assert_eq!((start.call, start.attempt), (1, 2));
    assert!(run.store.state().busy && run.store.state().wake_at.is_none());
    let seen = run.tell(failed(1));
    assert!(seen.ended.is_some_and(|ended| ended.outcome.is_err()), "there is no third");
}

#[test]
fn an_event_of_another_type_is_refused_to_whoever_raises_it() {
    let mut run = Stage::of(hears());
    let (raise, mut answer) = asked(go("a text"));
    let seen = run.tell(raise);
    assert!(answer.error().contains("`run` waits for another type"));
    assert!(seen.commits.is_empty() && run.store.state().status == Status::Running);
    assert_eq!(result(run.tell(deliver(go(1))).recorded().last()), 1);
}

#[test]
fn a_call_of_a_function_that_is_not_there_fails_after_its_turn() {
    let (mut run, _answer) = Stage::starting(request(two_steps(1), None), false);
    run.process.lacks = vec!["grow"];
    let seen = run.go_on();
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "TaskFailed", "ExecutionFailed"]);
    let failure = seen.ended.expect("it has ended").outcome.expect_err("it fails");
    assert_eq!((failure.kind(), seen.starts.len()), (FailureKind::NotRegistered, 0));
}

#[test]
fn an_argument_that_is_too_long_fails_the_call_after_its_turn() {
    let (mut run, _answer) = Stage::starting(request(two_steps(12_345), None), false);
    run.process.longest = 3;
    let seen = run.go_on();
    let failure = seen.ended.expect("it has ended").outcome.expect_err("it fails");
    assert_eq!((failure.kind(), seen.starts.len()), (FailureKind::Codec, 0));
}

#[test]
fn a_custom_status_stays_until_there_is_another() {
    let mut run = Stage::of(shows(4));
    run.tell(deliver(go(1)));
    assert_eq!(run.store.state().custom_status, Some(json(4)));
    run.crash();
    run.wake(deliver(go(1)));
    assert_eq!((run.store.state().status, &run.store.state().custom_status), (Status::Completed, &Some(json(4))));
}

#[test]
fn an_end_stops_what_runs_and_hands_on_what_has_come() {
    let mut run = Stage::of(grows_in_time(1));
    run.until(Step::Work, nudge());
    run.at_second(10);
    run.tell(Input::Due);
    run.tell(deliver(go(1)));
    let seen = run.go_on_until(Step::Commit);
    assert!(seen.cancelled.is_empty(), "it is not durable");
    let (late, mut answer) = asked(go(2));
    run.tell(late);
    run.tell(Input::Deliver(Message { posted_for: None, ..Message::of(go(3)) }));
    let seen = run.go_on();
    assert_eq!(seen.cancelled, [1]);
    let [first, second] = &seen.sent[..] else { panic!("{} messages", seen.sent.len()) };
    assert_eq!(first.posted_for, None, "whoever asks by the id alone may mean another run");
    assert_eq!(second.posted_for, Some(KEY), "what nobody asks for is for no other run");
    assert!(answer.get().is_none());
}

#[test]
fn an_attempt_that_ends_after_its_run_is_for_nobody() {
    let mut run = Stage::of(grows_in_time(1));
    run.at_second(10);
    run.tell(Input::Due);
    let seen = run.tell(deliver(go(1)));
    assert!(seen.gone);
    let seen = run.tell(returned(1, 2));
    assert!(seen.sent.is_empty(), "the run makes its calls anew if it is rewound");
}

#[test]
fn a_result_and_an_event_at_one_time_are_both_taken() {
    let mut run = Stage::of(grows_then_hears(1));
    run.until(Step::Work, returned(1, 2));
    run.tell(deliver(go(10)));
    let seen = run.go_on();
    assert_eq!(result(seen.recorded().last()), 12);
}

#[test]
fn a_second_outcome_of_a_call_changes_nothing() {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(returned(1, 2));
    let seen = run.tell(returned(1, 9));
    assert!(seen.commits.is_empty());
    assert_eq!(result(run.tell(deliver(go(10))).recorded().last()), 12);
}
