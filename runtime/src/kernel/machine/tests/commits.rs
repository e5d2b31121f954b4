//! What a commit lets out, and what is left when it is refused.

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::Event;
use crate::kernel::error::ErrorKind;
use crate::kernel::machine::tests::events::{
    asked, deliver, go, names, nudge, result, resume, returned, stop, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{grows_then_hears, hears, hears_twice, sleeps, tells_an_entity, two_steps};
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::Stage;
use crate::kernel::stored::Status;

#[test]
fn nothing_leaves_a_turn_before_it_is_durable() {
    let mut run = Stage::of(tells_an_entity());
    let (raise, mut answer) = asked(go(1));
    let seen = run.until(Step::Commit, raise);
    assert!(!seen.wrote_to_entities && answer.get().is_none());
    let [(entity, Event::EntityOperationCalled { .. })] = &seen.batch().tell[..] else { panic!("{:?}", seen.batch().tell) };
    assert_eq!(entity, "@tally@b", "what it tells is part of the turn");
    assert_eq!(seen.batch().children.len(), 1, "and so is the entity, which may not be there");
    assert!(run.go_on().wrote_to_entities);
    assert!(answer.is_ok());

    let mut run = Stage::of(two_steps(1));
    assert!(run.until(Step::Commit, returned(1, 2)).starts.is_empty());
    assert_eq!(run.go_on().calls(), [2]);
}

#[test]
fn nothing_of_an_end_leaves_before_it_is_durable() {
    let mut run = Stage::of(hears());
    let seen = run.until(Step::Commit, deliver(go(1)));
    assert!(seen.ended.is_none() && !seen.gone && seen.retired == 1);
    assert!(run.go_on().ended.is_some());
}

#[test]
fn a_turn_that_the_store_cannot_keep_parks_the_run_as_it_was() {
    for kind in [ErrorKind::TooLarge, ErrorKind::Unreadable] {
        let mut run = Stage::of(two_steps(1));
        run.refusals.push_back(kind);
        let seen = run.tell(returned(1, 2));
        assert_eq!(seen.steps, [Step::Work, Step::Turn, Step::Commit, Step::Commit]);
        assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled"], "of the turn nothing has happened");
        let report = run.store.state().report.as_ref().expect("it is parked");
        assert!(report.contains("the store refuses it\n  nothing is lost"), "{report}");
        assert_eq!((run.store.state().status, seen.starts.len(), seen.retired), (Status::Suspended, 0, 1));
        let seen = run.tell(deliver(resume()));
        assert_eq!(seen.calls(), [1], "the outcome was not written");
    }
}

#[test]
fn whoever_asked_for_a_turn_that_is_not_kept_is_refused_and_the_inbox_is_not() {
    let mut run = Stage::of(grows_then_hears(1));
    run.until(Step::Work, nudge());
    let (raise, mut answer) = asked(go(1));
    run.tell(raise);
    let inbox = run.by_inbox(go(2));
    run.tell(inbox);
    run.refusals.push_back(ErrorKind::TooLarge);
    run.go_on();
    assert!(answer.error().contains("the store refuses it"));
    assert_eq!(run.store.inbox.len(), 1, "what came through the inbox is there still");
    run.tell(deliver(resume()));
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "ExecutionResumed", "EventRaised"]);
    assert!(run.store.inbox.is_empty());
}

#[test]
fn a_turn_that_does_not_follow_the_history_unloads_the_instance() {
    for kind in [ErrorKind::Invalid, ErrorKind::Fenced, ErrorKind::ShuttingDown] {
        let mut run = Stage::of(two_steps(1));
        let (raise, mut answer) = asked(go(1));
        run.until(Step::Commit, returned(1, 2));
        run.tell(raise);
        run.refusals.push_back(kind);
        let seen = run.go_on();
        assert!(seen.gone && seen.steps.is_empty() && seen.starts.is_empty(), "it changes nothing: {kind:?}");
        assert!(answer.error().contains("the store refuses it"), "what came meanwhile is refused with it");
        assert_eq!(run.store.history().len(), 2);
    }
}

#[test]
fn attempts_end_with_an_instance_that_is_unloaded() {
    let mut run = Stage::of(grows_then_hears(1));
    run.refusals.push_back(ErrorKind::Fenced);
    let seen = run.tell(deliver(go(1)));
    assert_eq!((seen.aborted, seen.cancelled), (vec![1], vec![]), "another worker runs them");
}

#[test]
fn a_run_that_cannot_even_be_parked_is_unloaded() {
    let mut run = Stage::of(hears());
    run.refusals.extend([ErrorKind::TooLarge, ErrorKind::TooLarge]);
    let seen = run.tell(deliver(go(1)));
    assert!(seen.gone && seen.commits.len() == 2);
}

#[test]
fn a_suspension_that_is_refused_is_told_so_and_unloads() {
    let mut run = Stage::of(sleeps(30));
    run.refusals.push_back(ErrorKind::TooLarge);
    let (ask, mut answer) = asked(suspend());
    let seen = run.tell(ask);
    assert!(answer.error().contains("the store refuses it"));
    assert!(seen.gone && run.armed().is_none());
    assert_eq!(run.store.state().status, Status::Running);
}

#[test]
fn what_came_through_the_inbox_is_consumed_by_the_turn_that_records_it() {
    let mut run = Stage::of(hears_twice());
    let inbox = run.by_inbox(go(1));
    let seen = run.until(Step::Commit, inbox);
    let Batch { consume, append: Some(append), .. } = seen.batch() else { panic!("{:?}", seen.batch()) };
    assert_eq!((&consume[..], names(&append.turn.events)), (&[1][..], vec!["EventRaised".to_owned()]));
    // The process ends before it hears of the commit.
    assert_eq!(run.store.inbox.len(), 1);
    let seen = run.recover();
    assert_eq!((names(seen.recorded()), run.store.inbox.len()), (vec!["EventRaised".to_owned()], 0));
}

#[test]
fn a_commit_that_is_applied_after_a_stop_is_answered_and_starts_nothing() {
    let mut run = Stage::of(two_steps(1));
    run.until(Step::Commit, returned(1, 2));
    let (raise, mut late) = asked(go(1));
    run.tell(raise);
    assert!(run.tell(stop()).gone);
    assert!(late.error().contains("it is shut down"));
    let seen = run.go_on();
    assert!(seen.starts.is_empty() && seen.retired == 1);
    assert_eq!(run.recover().calls(), [2], "it goes on where the last turn left it");
}

#[test]
fn a_commit_that_is_refused_after_a_stop_parks_nothing() {
    let mut run = Stage::of(two_steps(1));
    run.until(Step::Commit, returned(1, 2));
    run.tell(stop());
    run.refusals.push_back(ErrorKind::TooLarge);
    let seen = run.go_on();
    assert!(seen.commits.is_empty() && seen.retired == 1);
}

#[test]
fn a_termination_is_taken_with_the_turn_that_ends_the_run() {
    let mut run = Stage::of(grows_then_hears(1));
    let (ask, mut answer) = asked(terminate());
    let seen = run.until(Step::Commit, ask);
    assert_eq!(names(seen.recorded()), ["ExecutionTerminated"]);
    assert!(answer.get().is_none() && seen.cancelled.is_empty() && !seen.committed);
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.committed);
    assert_eq!((seen.cancelled, run.store.state().status), (vec![1], Status::Terminated));
    assert!(seen.ended.is_some_and(|ended| !ended.without_a_turn));
}

#[test]
fn a_termination_through_the_inbox_is_consumed_by_its_turn() {
    let mut run = Stage::of(hears());
    let inbox = run.by_inbox(terminate());
    assert_eq!(run.tell(inbox).batch().consume, [1]);
}

#[test]
fn a_crash_between_two_turns_runs_again_what_had_no_outcome() {
    let mut run = Stage::of(two_steps(1));
    assert_eq!(run.recover().calls(), [1]);
    run.tell(returned(1, 2));
    assert_eq!(run.recover().calls(), [2]);
    assert_eq!(result(run.tell(returned(2, 3)).recorded().last()), 3);
}
