//! How an instance comes from its history into memory.

use crate::kernel::batch::{Batch, Heartbeat};
use crate::kernel::engine::event::{Event, Parent, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::instance::jobs::Replayed;
use crate::kernel::machine::instance::{Input, Loaded};
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::events::{asked, deliver, failed, go, json, names, nudge, result, resume, returned, stop};
use crate::kernel::machine::tests::functions::{grows_then_hears, has_a_child, hears, hears_twice, sleeps, tries, two_steps};
use crate::kernel::machine::tests::kept::KEY;
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::Stage;
use crate::kernel::stored::{State, Status};

fn nothing(kind: ErrorKind, unwanted: Vec<i64>) -> Input {
    Input::Loaded(Loaded::Nothing { unwanted, error: RuntimeError::new(kind, "there is no such run") })
}

#[test]
fn a_run_goes_on_where_its_history_ends_and_starts_what_it_waits_for() {
    let mut run = Stage::of(grows_then_hears(1));
    let seen = run.recover();
    assert_eq!((seen.calls(), seen.starts[0].attempt, seen.commits.len()), (vec![1], 1, 0));
    run.tell(returned(1, 2));
    assert_eq!(result(run.tell(deliver(go(10))).recorded().last()), 12);
}

#[test]
fn timers_and_retries_are_set_again() {
    let mut run = Stage::of(sleeps(30));
    run.recover();
    assert_eq!(run.armed(), Some(second(30)));

    let mut run = Stage::of(tries(1));
    run.tell(failed(1));
    assert!(run.recover().starts.is_empty());
    run.at_second(5);
    let seen = run.tell(Input::Due);
    assert_eq!((seen.calls(), seen.starts[0].attempt), (vec![1], 2));
}

#[test]
fn what_the_inbox_brings_and_a_load_reads_is_taken_once() {
    let mut run = Stage::of(hears_twice());
    run.crash();
    let inbox = run.by_inbox(go(1));
    run.wake_until(Step::Load, inbox);
    let later = run.by_inbox(go(2));
    run.tell(later);
    let seen = run.go_on();
    assert_eq!((&seen.batch().consume[..], result(seen.recorded().last())), (&[1, 2][..], 3));
}

#[test]
fn what_was_read_comes_before_what_was_brought() {
    let mut run = Stage::of(hears_twice());
    run.crash();
    let (raise, mut answer) = asked(go(2));
    run.wake_until(Step::Load, raise);
    run.store.post(go(1));
    let seen = run.go_on();
    assert_eq!(seen.recorded()[..2], [go(1), go(2)]);
    assert!(answer.is_ok());
}

#[test]
fn what_comes_for_another_run_of_the_id_is_dropped_when_the_key_is_read() {
    let mut run = Stage::of(hears_twice());
    run.crash();
    let seen = run.wake(Input::Deliver(Message { posted_for: Some(KEY + 1), ..Message::of(go(1)) }));
    assert_eq!((seen.steps, seen.rests), (vec![Step::Load, Step::Replay], true));
    let seen = run.tell(Input::Deliver(Message { posted_for: Some(KEY + 1), ..Message::of(go(1)) }));
    assert!(seen.steps.is_empty() && seen.sent.is_empty());
}

/// The history of one that has ended is being read; it is rewound, and an event comes.
#[test]
fn what_comes_for_a_run_that_is_rewound_while_it_is_read_is_not_lost() {
    let mut run = Stage::of(hears());
    run.crash();
    let (early, mut first) = asked(go(1));
    run.wake_until(Step::Load, early);
    let (late, mut second) = asked(go(2));
    run.tell(late);
    let remote = run.by_inbox(go(3));
    run.tell(remote);
    let seen = run.answer(nothing(ErrorKind::Finished, vec![9]));
    let (messages, unwanted) = seen.homeless.expect("somebody looks for whom they are");
    let inbox: Vec<_> = messages.iter().map(|message| message.inbox).collect();
    assert_eq!((inbox, unwanted), (vec![None, None, Some(1)], vec![9]));
    assert!(seen.gone && first.get().is_none() && second.get().is_none(), "they are not refused yet");
}

#[test]
fn what_comes_after_an_instance_was_not_found_is_handed_on() {
    let mut run = Stage::of(hears());
    run.crash();
    run.wake_until(Step::Load, nudge());
    run.answer(nothing(ErrorKind::NotFound, Vec::new()));
    let (raise, mut answer) = asked(go(1));
    let seen = run.tell(raise);
    assert!(seen.gone && seen.sent.len() == 1 && answer.get().is_none());
}

#[test]
fn a_load_that_fails_is_told_to_all_who_wait_for_it() {
    let mut run = Stage::of(hears());
    run.crash();
    let (raise, mut first) = asked(go(1));
    run.wake_until(Step::Load, raise);
    let (raise, mut second) = asked(go(2));
    run.tell(raise);
    let seen = run.answer(Input::Loaded(Loaded::Failed(RuntimeError::new(ErrorKind::Unreadable, "it is damaged"))));
    assert!(seen.gone && seen.homeless.is_none());
    assert_eq!((first.error(), second.error()), ("it is damaged".to_owned(), "it is damaged".to_owned()));
}

#[test]
fn a_stop_in_the_middle_of_a_replay_is_a_stop() {
    for step in [Step::Load, Step::Replay] {
        let mut run = Stage::of(hears());
        run.crash();
        let (raise, mut answer) = asked(go(1));
        run.wake_until(step, raise);
        assert!(run.tell(stop()).gone);
        assert!(answer.error().contains("it is shut down"));
        let seen = run.go_on();
        assert_eq!((seen.steps.len(), seen.retired), (0, usize::from(step == Step::Replay)));
        run.crash();
        assert_eq!(result(run.wake(deliver(go(2))).recorded().last()), 2, "the next process goes on");
    }
}

#[test]
fn a_sub_orchestration_that_was_read_tells_its_caller() {
    let mut run = Stage::of(hears());
    let parent = Parent { instance: "caller".to_owned(), id: 4 };
    run.store.stored.as_mut().expect("it was created").instance.parent = Some(parent.clone());
    run.recover();
    let ended = run.tell(deliver(go(1))).ended.expect("it has ended");
    assert_eq!((ended.parent, ended.key), (Some(parent), KEY));
}

#[test]
fn a_request_that_does_not_fit_is_taken_out_of_the_inbox_and_the_run_rests() {
    let mut run = Stage::of(sleeps(30));
    run.crash();
    let inbox = run.by_inbox(resume());
    let seen = run.wake(inbox);
    assert_eq!((seen.discarded, seen.steps), (vec![1], vec![Step::Load, Step::Replay]));
    assert_eq!(run.armed(), Some(second(30)));
}

#[test]
fn arguments_are_read_when_their_digests_do_not_decide() {
    let mut run = Stage::of(two_steps(1));
    run.crash();
    let (raise, mut answer) = asked(go(1));
    run.store.post(go(2));
    run.wake_until(Step::Replay, raise);
    let seen = run.answer(Input::Replayed(Replayed::WantsArguments));
    assert_eq!(seen.loads, [(true, false)]);
    assert!(answer.is_ok() && run.store.inbox.is_empty());
    assert_eq!(names(seen.recorded()), ["EventRaised", "EventRaised"], "each is taken once");
    run.crash();
    assert_eq!(run.wake(nudge()).loads, [(false, false)], "and the next load reads digests again");
}

#[test]
fn what_an_activity_has_said_is_given_to_its_next_attempt() {
    let mut run = Stage::of(two_steps(1));
    let said = Heartbeat { instance: KEY, call: 1, details: Some(json("half done")) };
    run.store.apply(Batch { heartbeats: vec![said], ..Batch::default() });
    let seen = run.recover();
    assert_eq!(seen.starts[0].last_heartbeat, Some(json("half done")));
}

#[test]
fn an_outcome_that_waits_in_the_inbox_is_not_tried_again() {
    let mut run = Stage::of(two_steps(1));
    run.store.post(Event::TaskCompleted { id: 1, result: json(2) });
    let seen = run.recover();
    assert_eq!(seen.calls(), [2]);
}

#[test]
fn a_rewound_run_tries_again_what_failed_and_nothing_else() {
    let mut run = Stage::of(grows_then_hears(1));
    run.tell(returned(1, 2));
    run.crash();
    let mut run = rewound(run);
    let seen = run.recover();
    assert!(seen.starts.is_empty(), "what was completed is not run again");
    assert_eq!(result(run.tell(deliver(go(10))).recorded().last()), 12);

    let mut run = Stage::of(two_steps(1));
    run.tell(failed(1));
    assert_eq!(run.store.state().status, Status::Failed);
    let mut run = rewound(run);
    assert_eq!(run.recover().calls(), [1]);
    let seen = run.tell(returned(1, 2));
    assert_eq!(seen.calls(), [2]);
}

/// As a client rewinds it.
fn rewound(mut run: Stage) -> Stage {
    run.store.append(Turn { at: second(1), events: vec![Event::ExecutionRewound { reason: "mended".to_owned() }] });
    let state = State { status: Status::Running, busy: true, ..run.store.state().clone() };
    run.store.stored.as_mut().expect("it was created").instance.state = state;
    run
}

#[test]
fn a_rewound_run_looks_for_the_child_that_failed_and_makes_no_other() {
    let mut run = Stage::of(has_a_child());
    let failure = Failure::new(FailureKind::Timeout, "late");
    run.tell(deliver(Event::SubOrchestrationInstanceFailed { id: 1, failure, retry_at: None }));
    assert_eq!(run.store.state().status, Status::Failed);
    let mut run = rewound(run);
    let seen = run.recover();
    assert_eq!((seen.looked_at, seen.commits.len()), (vec![1], 0));
    assert!(run.tell(Input::Child { own: KEY, call: 1, child: 101 }).steps.is_empty(), "it was rewound, too");
    let end = Event::SubOrchestrationInstanceCompleted { id: 1, result: json(5) };
    let seen = run.tell(Input::Deliver(Message { ended: Some(101), ..Message::of(end) }));
    assert_eq!(result(seen.recorded().last()), 5);
}

#[test]
fn a_rewind_that_was_read_is_decided_by_a_turn_of_its_own() {
    let mut run = Stage::of(two_steps(1));
    run.tell(failed(1));
    let mut run = rewound(run);
    run.crash();
    let (ask, mut answer) = asked(resume());
    let seen = run.wake(ask);
    assert!(answer.error().contains("it is not suspended"));
    assert_eq!(seen.steps, [Step::Load, Step::Replay, Step::Turn], "without a message, too");
}

#[test]
fn children_that_may_have_ended_are_looked_at() {
    let mut run = Stage::of(has_a_child());
    assert_eq!(run.recover().looked_at, [1]);
}

#[test]
fn an_attempt_of_an_earlier_load_is_not_known_to_the_next() {
    let mut run = Stage::of(grows_then_hears(1));
    assert_eq!(run.recover().calls(), [1]);
    run.tell(returned(1, 2));
    assert!(run.recover().starts.is_empty());
}
