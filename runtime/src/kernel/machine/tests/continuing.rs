//! Continue-as-new: one execution follows another under the same id.

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{Continued, Event, Raised};
use crate::kernel::error::ErrorKind;
use crate::kernel::machine::tests::events::{
    asked, deliver, go, json, names, nudge, result, resume, returned, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{rounds, spins};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

/// What the last execution has left to the one that is written.
fn continued(events: &[Event]) -> &Continued {
    match events {
        [Event::ContinueAsNew { .. }, Event::ExecutionStarted { continued: Some(continued), .. }] => continued,
        other => panic!("it does not continue: {:?}", names(other)),
    }
}

#[test]
fn an_execution_follows_in_the_batch_that_ends_the_one_before() {
    let mut run = Stage::of(rounds(1));
    let seen = run.tell(deliver(go(1)));
    let Batch { append: Some(append), continues, update: Some(update), .. } = &seen.commits[0] else {
        panic!("{:?}", seen.commits)
    };
    assert_eq!(continues.as_deref(), Some("rounds"));
    assert_eq!(continued(&append.turn.events).execution, 2);
    assert!(update.state.busy && update.state.status == Status::Running, "a restart begins it");
    assert_eq!((seen.retired, run.store.stored().history.len()), (1, 1));
    assert_eq!(result(run.tell(deliver(go(0))).recorded().last()), 2);
}

#[test]
fn what_was_raised_and_not_taken_goes_with_it() {
    let mut run = Stage::of(rounds(1));
    run.until(Step::Turn, deliver(go(1)));
    let (raise, mut answer) = asked(go(2));
    run.tell(raise);
    let inbox = run.by_inbox(go(0));
    run.tell(inbox);
    let seen = run.go_on_until(Step::Commit);
    let Batch { append: Some(append), consume, .. } = seen.batch() else { panic!("{:?}", seen.commits) };
    let raised = |n: u32| Raised { name: "go".to_owned(), input: json(n) };
    assert_eq!(continued(&append.turn.events).events, [raised(2), raised(0)]);
    assert_eq!(consume[..], [1]);
    assert!(answer.get().is_none(), "it is not durable");
    run.go_on();
    assert!(answer.is_ok());
    assert_eq!(run.store.state().status, Status::Completed);
}

#[test]
fn what_comes_during_the_commit_is_taken_by_the_next_execution() {
    let mut run = Stage::of(rounds(1));
    run.until(Step::Commit, deliver(go(1)));
    run.tell(deliver(go(0)));
    let seen = run.go_on();
    assert_eq!(seen.commits.len(), 2, "the first turn takes nothing but its start");
    assert_eq!(result(run.store.history().last().copied()), 2);
}

#[test]
fn an_execution_that_has_not_begun_is_begun_after_a_crash() {
    let mut run = Stage::of(rounds(1));
    run.until(Step::Commit, deliver(go(1)));
    run.go_on_until(Step::Turn);
    run.at_second(9);
    let seen = run.recover();
    assert!(seen.batch().append.is_none() && !run.store.state().busy);
    assert_eq!(run.store.stored().history[0].at, second(0));
    assert_eq!(result(run.tell(deliver(go(0))).recorded().last()), 2);
}

#[test]
fn a_late_outcome_of_the_execution_before_changes_nothing() {
    let mut run = Stage::of(rounds(1));
    run.tell(deliver(go(1)));
    assert!(run.tell(returned(1, 2)).commits.is_empty());
}

#[test]
fn a_first_turn_may_end_its_execution_at_once() {
    let (mut run, mut answer) = Stage::starting(request(spins(1), None), false);
    let seen = run.go_on_until(Step::Turn);
    assert!(answer.is_ok() && seen.begun);
    assert_eq!(continued(&run.store.stored().history[0].events).execution, 2);
    let seen = run.go_on_until(Step::Turn);
    let append = seen.batch().append.as_ref().expect("it is written");
    assert_eq!((append.number, continued(&append.turn.events).execution), (2, 3));
}

#[test]
fn a_run_that_never_waits_can_be_ended_between_two_executions() {
    let (mut run, _answer) = Stage::starting(request(spins(1), None), false);
    run.go_on_until(Step::Turn);
    let (end, mut answer) = asked(terminate());
    run.tell(end);
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.gone && seen.ended.is_some());
    assert_eq!(names(run.store.history()), ["ContinueAsNew", "ExecutionStarted", "ExecutionTerminated"]);
}

#[test]
fn an_execution_whose_code_is_not_there_may_not_begin() {
    let mut run = Stage::of(rounds(1));
    run.process.lacks = vec!["rounds"];
    run.tell(deliver(go(1)));
    let state = run.store.state();
    assert!(state.report.as_ref().is_some_and(|report| report.contains("there is no version 1 of `rounds`")), "{state:?}");
    assert_eq!(names(run.store.history()), ["ExecutionStarted"]);
    assert_eq!(run.store.inbox.len(), 1, "what it took is kept");
}

#[test]
fn an_execution_that_the_store_cannot_keep_does_not_begin() {
    let mut run = Stage::of(rounds(1));
    run.refusals.push_back(ErrorKind::TooLarge);
    let inbox = run.by_inbox(go(1));
    let seen = run.tell(inbox);
    assert_eq!((seen.retired, run.store.inbox.len()), (2, 1), "neither of the two goes on");
    assert_eq!(names(run.store.history()), ["ExecutionStarted"]);
    run.tell(deliver(resume()));
    assert_eq!(run.store.stored().history.len(), 1);
    assert_eq!(result(run.tell(deliver(go(0))).recorded().last()), 2);
}

#[test]
fn a_suspension_that_comes_with_the_end_of_an_execution_suspends_the_next() {
    let mut run = Stage::of(rounds(1));
    run.until(Step::Turn, deliver(go(1)));
    let (ask, mut answer) = asked(suspend());
    run.tell(ask);
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.retired == 2);
    assert_eq!((run.store.state().status, run.store.state().busy), (Status::Suspended, false));
    assert_eq!(names(run.store.history()), ["ContinueAsNew", "ExecutionStarted"]);
    run.tell(nudge());
    let (ask, mut answer) = asked(resume());
    run.tell(ask);
    assert!(answer.is_ok());
    assert_eq!(result(run.tell(deliver(go(0))).recorded().last()), 2);
}
