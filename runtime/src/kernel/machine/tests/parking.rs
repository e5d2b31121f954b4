//! Runs that cannot be run are parked: nothing is lost, and nothing goes on by mistake.

use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::tests::events::{
    asked, deliver, go, names, nudge, result, resume, resume_without, returned, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{grows_then_hears, hears, hears_twice, sleeps, two_steps};
use crate::kernel::machine::tests::kept::KEY;
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::Stage;
use crate::kernel::stored::Status;

/// One that is parked by the first event, which it cannot read.
fn poisoned() -> Stage {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(returned(1, 2));
    let seen = run.tell(deliver(go("a text")));
    assert!(seen.commits.len() == 1 && seen.retired == 0, "the job has dropped the execution");
    run
}

fn report(run: &Stage) -> &str {
    run.store.state().report.as_deref().expect("it is parked")
}

#[test]
fn an_event_that_cannot_be_read_parks_the_run_and_is_kept() {
    let run = poisoned();
    assert_eq!((run.store.state().status, run.store.state().busy), (Status::Suspended, true));
    assert!(report(&run).starts_with("event 1, `go`, cannot be read"), "{}", report(&run));
    assert_eq!(names(run.store.inbox.iter().map(|(_, event)| event)), ["EventRaised"]);
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "TaskCompleted"]);
}

#[test]
fn what_was_delivered_to_a_turn_that_is_given_up_keeps_its_order() {
    let mut run = Stage::of(grows_then_hears(1));
    run.until(Step::Work, returned(1, 2));
    let inbox = run.by_inbox(go("a text"));
    run.tell(inbox);
    run.tell(deliver(go(3)));
    let seen = run.go_on();
    assert_eq!(seen.batch().consume, [1], "what came through the inbox is posted again with the rest");
    let kept = run.store.inbox.iter().map(|(_, event)| event);
    assert_eq!(names(kept.clone()), ["TaskCompleted", "EventRaised", "EventRaised"]);
    assert_eq!(kept.skip(1).cloned().collect::<Vec<_>>(), [go("a text"), go(3)]);
}

#[test]
fn a_termination_ends_a_run_though_its_turn_is_given_up() {
    let mut run = Stage::of(grows_then_hears(1));
    run.until(Step::Work, returned(1, 2));
    run.tell(deliver(go("a text")));
    let (end, mut answer) = asked(terminate());
    run.tell(end);
    let seen = run.go_on();
    assert!(answer.is_ok() && seen.gone);
    assert_eq!(seen.commits.len(), 2, "it is parked first, without a turn for the end");
    assert_eq!(run.store.state().status, Status::Terminated);
}

#[test]
fn a_parked_run_goes_on_without_the_event_that_is_put_aside() {
    let mut run = poisoned();
    let (ask, mut answer) = asked(resume_without(&[1]));
    run.tell(ask);
    assert!(answer.is_ok());
    assert_eq!(run.store.state().status, Status::Running);
    assert_eq!(result(run.tell(deliver(go(10))).recorded().last()), 12);
    let is_told = |event: &&Event| matches!(event, Event::ExecutionResumed { without_events, .. } if without_events == &[1]);
    assert_eq!(run.store.history().iter().filter(|event| is_told(event)).count(), 1, "every replay puts it aside, too");
}

#[test]
fn a_resumption_that_does_not_help_is_refused_and_the_run_stays_parked() {
    let mut run = poisoned();
    let (ask, mut answer) = asked(resume());
    run.tell(ask);
    assert!(answer.error().starts_with("cannot resume `run`: event 1, `go`, cannot be read"));
    assert_eq!((run.store.state().status, run.store.inbox.len()), (Status::Suspended, 1));
    let inbox = run.by_inbox(resume());
    run.tell(inbox);
    assert_eq!(names(run.store.inbox.iter().map(|(_, event)| event)), ["EventRaised"], "nor does it wait in the inbox");
}

#[test]
fn a_resumption_is_refused_when_the_status_says_why() {
    let mut run = poisoned();
    let (ask, mut answer) = asked(resume());
    run.until(Step::Commit, ask);
    assert!(answer.get().is_none(), "a turn was given up");
    run.go_on();
    assert!(answer.error().contains("cannot resume"));

    let mut run = poisoned();
    run.process.lacks = vec!["grows_then_hears"];
    let (ask, mut answer) = asked(resume());
    run.until(Step::Commit, ask);
    assert!(answer.get().is_none(), "it was not replayed");
    run.refusals.push_back(ErrorKind::Fenced);
    run.go_on();
    assert!(answer.error().contains("cannot resume"), "whatever becomes of the status");
}

#[test]
fn events_that_cannot_be_put_aside_leave_the_run_as_it_is() {
    let mut run = Stage::of(hears_twice());
    run.tell(deliver(go(1)));
    run.tell(deliver(suspend()));
    run.tell(deliver(go(2)));
    for (number, why) in
        [(0, "counted from 1"), (1, "a wait has taken it already"), (3, "only 2 events have been raised to this run")]
    {
        let (ask, mut answer) = asked(resume_without(&[number]));
        let seen = run.tell(ask);
        assert!(answer.error().contains(why));
        assert_eq!((run.store.state().status, seen.loads.len()), (Status::Suspended, 2), "it reads the arguments to know");
        assert!(run.store.state().report.is_none());
    }
    assert_eq!(run.store.inbox.len(), 1);
    run.tell(deliver(resume_without(&[2])));
    assert_eq!(result(run.tell(deliver(go(5))).recorded().last()), 6);
}

#[test]
fn of_two_resumptions_at_one_time_the_second_puts_nothing_aside() {
    let mut run = Stage::of(hears_twice());
    run.tell(deliver(suspend()));
    run.tell(deliver(go(1)));
    run.until(Step::Replay, deliver(resume()));
    let (ask, mut answer) = asked(resume_without(&[1]));
    run.tell(ask);
    run.go_on();
    assert!(answer.error().contains("it is not suspended"));
    // What it does now is what a replay does.
    run.crash();
    let seen = run.wake(deliver(go(2)));
    assert!(run.store.state().report.is_none(), "{:?}", run.store.state().report);
    assert_eq!(result(seen.recorded().last()), 3);
}

#[test]
fn a_run_whose_code_is_gone_is_parked_until_a_build_has_it() {
    let mut run = Stage::of(two_steps(1));
    run.process.lacks = vec!["two_steps"];
    let seen = run.recover();
    assert!(seen.starts.is_empty() && report(&run).contains("there is no version 1 of `two_steps`"));
    let (ask, mut answer) = asked(resume());
    run.tell(ask);
    assert!(answer.error().starts_with("cannot resume `run`: there is no version 1"));
    run.process.lacks.clear();
    let seen = run.recover();
    assert_eq!((seen.calls(), run.store.state().status), (vec![1], Status::Running), "it goes on by itself");
}

#[test]
fn a_run_whose_code_has_changed_is_parked() {
    let mut run = Stage::of(two_steps(1));
    run.store.stored.as_mut().expect("it was created").history[0].events[1] =
        Event::TaskScheduled { id: 1, name: "other".into(), input: crate::kernel::payload::Payload::null(), at: String::new() };
    let seen = run.recover();
    assert!(seen.starts.is_empty() && report(&run).contains("`other`"), "{}", report(&run));
}

#[test]
fn a_history_that_cannot_be_read_parks_the_run_and_keeps_its_messages() {
    let mut run = Stage::of(hears());
    run.store.unreadable = Some(RuntimeError::new(ErrorKind::Unreadable, "it has another key"));
    run.store.post(go(1));
    run.crash();
    let (raise, mut answer) = asked(go(2));
    run.wake(raise);
    assert!(report(&run).starts_with("it has another key\n  nothing is lost"), "{}", report(&run));
    assert!(answer.is_ok() && run.store.inbox.len() == 2);
    run.store.unreadable = None;
    let (ask, mut answer) = asked(resume());
    run.tell(ask);
    assert!(answer.is_ok());
    assert_eq!(result(run.store.history().last().copied()), 1);
}

#[test]
fn a_call_that_ended_the_process_parks_its_run_until_somebody_resumes_it() {
    let mut run = Stage::of(two_steps(1));
    run.process.deadly = Some("`grow` has ended the process");
    assert!(run.recover().starts.is_empty());
    assert_eq!(report(&run), "`grow` has ended the process");
    assert!(run.process.forgiven.borrow().is_empty());
    run.process.deadly = None;
    let seen = run.tell(deliver(resume()));
    assert_eq!((seen.calls(), &run.process.forgiven.borrow()[..]), (vec![1], &[KEY][..]));
}

#[test]
fn a_parked_run_tells_whoever_suspends_it_why_it_is() {
    let mut run = poisoned();
    let (ask, mut answer) = asked(suspend());
    run.tell(ask);
    assert!(answer.error().contains("it is already suspended, because it cannot be run: event 1"));
}

#[test]
fn a_parked_run_can_be_ended() {
    let mut run = poisoned();
    let (end, mut answer) = asked(terminate());
    let seen = run.tell(end);
    assert!(answer.is_ok() && seen.ended.is_some_and(|ended| ended.without_a_turn));
    assert!(run.tell(nudge()).gone, "what comes later is for whoever has the id");
}

#[test]
fn a_parked_run_is_due_at_no_time() {
    let mut run = Stage::of(sleeps(30));
    run.process.lacks = vec!["sleeps"];
    run.recover();
    assert_eq!((run.store.state().wake_at, run.armed()), (None, None), "or the worker would look at it again and again");
    run.process.lacks.clear();
    run.at_second(40);
    assert_eq!(names(run.tell(deliver(resume())).recorded()), ["ExecutionResumed", "TimerFired"]);
}

#[test]
fn a_start_that_cannot_be_run_when_it_is_due_is_run_when_somebody_resumes_it() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.process.lacks = vec!["two_steps"];
    run.at_second(60);
    run.wake(nudge());
    assert_eq!((run.store.state().status, run.store.state().wake_at), (Status::Suspended, None));
    run.process.lacks.clear();
    assert_eq!(run.tell(deliver(resume())).calls(), [1]);
}
