//! Setting aside: suspensions, starts to come, and what ends or resumes them.

use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::answers::no_longer_awaited;
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::events::{
    asked, child_returned, deliver, failed, go, names, nudge, result, resume, returned, stop, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{grows_then_hears, has_a_child, hears, hears_twice, sleeps, tries, two_steps};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::{Answer, Seen, Step};
use crate::kernel::machine::tests::stage::Stage;
use crate::kernel::stored::Status;

/// Asks for something and tells what is answered.
fn ask(run: &mut Stage, event: Event) -> (Seen, Answer) {
    let (input, answer) = asked(event);
    (run.tell(input), answer)
}

#[test]
fn a_suspension_is_recorded_and_what_runs_goes_on() {
    let mut run = Stage::of(grows_then_hears(1));
    let (seen, mut answer) = ask(&mut run, suspend());
    assert_eq!(names(seen.recorded()), ["ExecutionSuspended"]);
    let state = run.store.state();
    assert_eq!((state.status, state.busy, state.wake_at), (Status::Suspended, false, None));
    assert!(answer.is_ok() && seen.aborted.is_empty() && seen.cancelled.is_empty() && seen.retired == 1);
}

#[test]
fn what_arrives_for_a_suspended_run_goes_to_its_inbox_in_order() {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(deliver(suspend()));
    let (seen, mut answer) = ask(&mut run, go(10));
    assert!(answer.is_ok() && seen.commits.is_empty(), "it is answered when it is there");
    run.tell(returned(1, 2));
    assert_eq!(names(run.store.inbox.iter().map(|(_, event)| event)), ["EventRaised", "TaskCompleted"]);
    let seen = run.tell(deliver(resume()));
    assert!(seen.starts.is_empty(), "the call has its outcome");
    assert_eq!(names(seen.recorded()), ["ExecutionResumed", "EventRaised", "TaskCompleted", "ExecutionCompleted"]);
    assert_eq!((result(seen.recorded().last()), run.store.inbox.len()), (12, 0));
}

#[test]
fn a_resumption_reads_the_instance_after_all_that_was_posted() {
    let mut run = Stage::of(hears_twice());
    run.tell(deliver(suspend()));
    run.until(Step::Work, deliver(go(1)));
    run.tell(deliver(resume()));
    run.tell(deliver(go(2)));
    let seen = run.go_on();
    assert_eq!(seen.loads, [(false, true)]);
    assert_eq!(names(&seen.posts), ["EventRaised"], "what follows the resumption is delivered");
    assert_eq!(result(seen.recorded().last()), 3);
}

#[test]
fn an_attempt_that_outlives_a_suspension_is_not_started_again() {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(deliver(suspend()));
    let (seen, mut answer) = ask(&mut run, resume());
    assert!(answer.is_ok() && seen.starts.is_empty(), "it still runs");
    assert!(run.store.state().busy);
    run.tell(returned(1, 2));
    assert_eq!(result(run.tell(deliver(go(10))).recorded().last()), 12);
}

#[test]
fn a_retry_that_fell_due_while_the_run_was_suspended_is_started_by_its_resumption() {
    let mut run = Stage::of(tries(1));
    run.tell(failed(1));
    run.tell(deliver(suspend()));
    assert_eq!(run.armed(), None);
    run.at_second(100);
    let seen = run.tell(deliver(resume()));
    assert_eq!((seen.calls(), seen.starts[0].attempt), (vec![1], 2));
}

#[test]
fn what_follows_a_suspension_in_the_mailbox_waits_for_it() {
    let mut run = Stage::of(hears_twice());
    run.until(Step::Work, nudge());
    let (suspension, mut suspended) = asked(suspend());
    let (raise, mut raised) = asked(go(2));
    run.tell(deliver(go(1)));
    run.tell(suspension);
    run.tell(raise);
    let seen = run.go_on();
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "EventRaised", "ExecutionSuspended"]);
    assert!(suspended.is_ok() && raised.is_ok());
    assert_eq!((seen.commits.len(), names(&seen.posts)), (2, vec!["EventRaised".to_owned()]));
}

#[test]
fn requests_that_do_not_fit_the_state_are_refused() {
    let mut run = Stage::of(hears());
    let (seen, mut answer) = ask(&mut run, resume());
    assert!(answer.error().contains("it is not suspended") && seen.commits.is_empty());
    run.tell(deliver(suspend()));
    let (seen, mut answer) = ask(&mut run, suspend());
    assert!(answer.error().contains("it is already suspended") && seen.commits.is_empty());
}

#[test]
fn a_request_through_the_inbox_that_does_not_fit_is_taken_out_of_it() {
    let mut run = Stage::of(hears());
    run.tell(deliver(suspend()));
    let again = run.by_inbox(suspend());
    assert_eq!(run.tell(again).discarded, [1]);
    let resumed = run.by_inbox(resume());
    run.tell(resumed);
    assert!(run.store.inbox.is_empty() && run.store.state().status == Status::Running);
    let late = run.by_inbox(resume());
    assert_eq!(run.tell(late).batch().consume, [3]);
}

#[test]
fn the_end_of_a_suspended_run_ends_its_children_in_the_same_batch() {
    let mut run = Stage::of(has_a_child());
    run.tell(deliver(suspend()));
    run.children = Ok(vec![("child".to_owned(), no_longer_awaited("run"))]);
    let (terminate, mut answer) = asked(terminate());
    let seen = run.until(Step::Commit, terminate);
    assert_eq!(seen.steps, [Step::Work, Step::Children, Step::Commit]);
    assert_eq!(names(seen.recorded()), ["ExecutionTerminated"]);
    assert_eq!(seen.batch().tell, [("child".to_owned(), no_longer_awaited("run"))], "no crash leaves a child behind");
    assert!(answer.get().is_none() && seen.ended.is_none());
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.wrote_messages && seen.gone);
    assert!(seen.ended.is_some_and(|ended| ended.without_a_turn), "its locks are given back by others");
}

#[test]
fn the_end_of_a_suspended_run_cancels_what_runs() {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(deliver(suspend()));
    let seen = run.tell(deliver(terminate()));
    assert_eq!((seen.cancelled, run.store.state().busy), (vec![1], false));
}

#[test]
fn a_shutdown_waits_for_a_setting_aside_and_not_for_a_load() {
    let mut run = Stage::of(hears());
    run.process.lacks = vec!["hears"];
    run.crash();
    run.wake_until(Step::Commit, nudge());
    assert!(run.is_turning(), "it is parked");
    run.go_on();
    run.until(Step::Load, deliver(resume()));
    assert!(!run.is_turning());
}

#[test]
fn an_end_for_which_the_children_cannot_be_read_is_refused() {
    let mut run = Stage::of(has_a_child());
    run.tell(deliver(suspend()));
    run.children = Err(RuntimeError::new(ErrorKind::Unreadable, "the children cannot be read"));
    let (seen, mut answer) = ask(&mut run, terminate());
    assert!(answer.error().contains("the children cannot be read"));
    assert!(!seen.gone && seen.commits.is_empty());
    run.children = Ok(Vec::new());
    let (seen, mut answer) = ask(&mut run, terminate());
    assert!(answer.is_ok() && seen.gone);
}

#[test]
fn a_stop_while_the_children_are_looked_for_ends_nothing() {
    let mut run = Stage::of(has_a_child());
    run.tell(deliver(suspend()));
    let (terminate, mut answer) = asked(terminate());
    run.until(Step::Children, terminate);
    run.tell(stop());
    let seen = run.go_on();
    assert!(answer.error().contains("the runtime is shut down") && seen.commits.is_empty());
}

#[test]
fn what_comes_for_a_run_that_is_ended_without_a_turn_is_handed_on() {
    let mut run = Stage::of(hears());
    run.tell(deliver(suspend()));
    run.until(Step::Commit, deliver(terminate()));
    let (raise, mut answer) = asked(go(1));
    run.tell(raise);
    let seen = run.go_on();
    assert_eq!(seen.sent.len(), 1);
    assert!(answer.get().is_none(), "it is not refused");
}

#[test]
fn a_start_to_come_waits_for_its_time() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    let seen = run.wake(nudge());
    assert_eq!((seen.steps, run.armed()), (vec![Step::Load, Step::Work], Some(second(60))));
    let (seen, mut answer) = ask(&mut run, go(1));
    assert!(answer.is_ok() && seen.commits.is_empty(), "what comes earlier waits in its inbox");
    run.at_second(60);
    let seen = run.tell(Input::Due);
    assert!(seen.begun && seen.calls() == [1]);
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "EventRaised"]);
}

#[test]
fn a_clock_that_was_set_back_loses_no_start() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.wake(nudge());
    run.at_second(59);
    assert!(run.tell(Input::Due).commits.is_empty());
    assert_eq!(run.armed(), Some(second(60)), "it is set again");
    run.at_second(60);
    assert_eq!(run.tell(Input::Due).calls(), [1]);
}

#[test]
fn a_start_to_come_can_be_suspended_and_resumed_and_keeps_its_time() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.wake(deliver(suspend()));
    let state = run.store.state();
    assert_eq!((state.status, state.wake_at, run.armed()), (Status::Suspended, None, None));
    assert_eq!(names(run.store.history()), ["ExecutionStarted"], "it has no turn yet");
    let (_, mut answer) = ask(&mut run, resume());
    assert!(answer.is_ok());
    let state = run.store.state();
    assert_eq!((state.status, state.busy, run.armed()), (Status::Pending, false, Some(second(60))));
    run.tell(deliver(suspend()));
    run.at_second(70);
    let (seen, mut answer) = ask(&mut run, resume());
    assert!(answer.is_ok() && seen.calls() == [1], "its time has come");
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled"]);
}

#[test]
fn a_start_to_come_is_not_suspended() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.wake(nudge());
    let (_, mut answer) = ask(&mut run, resume());
    assert!(answer.error().contains("it is not suspended"));
}

#[test]
fn a_start_to_come_can_be_ended() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    let (end, mut answer) = asked(terminate());
    let seen = run.wake(end);
    assert!(answer.is_ok() && seen.gone && run.armed().is_none());
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "ExecutionTerminated"]);
}

#[test]
fn timers_stand_still_while_a_run_is_suspended() {
    let mut run = Stage::of(sleeps(30));
    run.tell(deliver(suspend()));
    run.at_second(40);
    assert!(run.tell(nudge()).commits.is_empty());
    assert_eq!(names(run.tell(deliver(resume())).recorded()), ["ExecutionResumed", "TimerFired"]);
}

#[test]
fn the_end_of_a_child_is_looked_for_again_by_a_resumption() {
    let mut run = Stage::of(has_a_child());
    run.tell(deliver(suspend()));
    let end = child_returned(1, 5);
    let seen = run.tell(Input::Deliver(Message { ended: Some(101), ..Message::of(end) }));
    assert!(seen.posts.is_empty(), "nothing is known of the calls of a suspended run");
    assert_eq!(run.tell(deliver(resume())).looked_at, [1]);
}
