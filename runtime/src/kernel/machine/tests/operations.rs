//! Operations of entities: what they change, whom they answer, and what becomes of those that cannot be done.

use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::FailureKind;
use crate::kernel::machine::entity::Input;
use crate::kernel::machine::tests::entity_stage::{
    EntityStage, ID, Step, asks, asks_to_purge, called, called_by, caller, number, signaled,
};
use crate::kernel::machine::tests::events::{json, names};
use crate::kernel::stored::Status;

fn stop() -> Input {
    Input::Stop(RuntimeError::new(ErrorKind::ShuttingDown, "it is shut down"))
}

#[test]
fn an_operation_is_answered_when_what_it_did_is_durable() {
    let mut entity = EntityStage::with(1);
    let (add, mut answer) = asks(called(1, "add", 2));
    let seen = entity.until(Step::Commit, add);
    assert_eq!(seen.steps, [Step::Work, Step::Operate, Step::Commit]);
    assert!(answer.get().is_none());
    let seen = entity.go_on();
    assert_eq!((number(&mut answer), entity.sum()), (3, Some(3)));
    assert!(seen.rests && !seen.wrote_messages);
}

#[test]
fn an_operation_that_only_reads_writes_nothing() {
    let mut entity = EntityStage::with(1);
    let (get, mut answer) = asks(called(1, "get", ()));
    let seen = entity.tell(get);
    assert_eq!((number(&mut answer), seen.commits.len()), (1, 0));
}

#[test]
fn a_call_is_taken_done_and_answered_in_one_batch() {
    let mut entity = EntityStage::with(1);
    let call = entity.by_inbox(called_by(Some(caller("run", 0)), 4, "add", 2));
    let seen = entity.until(Step::Commit, call);
    let batch = seen.batch();
    assert_eq!(batch.consume, [1]);
    assert_eq!(
        batch.tell,
        [("run".to_owned(), Event::EntityOperationCompleted { id: 4, result: json(3), run: caller("run", 0).run })]
    );
    assert!(batch.append.is_some() && !seen.wrote_messages, "it is not durable");
    assert!(entity.go_on().wrote_messages);
    assert!(entity.inbox.is_empty());
}

#[test]
fn an_operation_that_fails_leaves_everything_as_it_was() {
    let mut entity = EntityStage::with(1);
    let call = entity.by_inbox(called_by(Some(caller("run", 0)), 4, "take", 2));
    let seen = entity.tell(call);
    assert!(seen.batch().append.is_none());
    let [(_, Event::EntityOperationFailed { failure, .. })] = &seen.batch().tell[..] else { panic!("{:?}", seen.batch()) };
    assert_eq!(failure.message(), "there is not enough");
    let (get, mut answer) = asks(called(1, "get", ()));
    entity.tell(get);
    assert_eq!(number(&mut answer), 1, "the half changed state is given up");
}

#[test]
fn all_that_waits_is_done_in_its_order_and_written_once() {
    let mut entity = EntityStage::with(4);
    let (first, mut taken) = asks(called(1, "take", 3));
    entity.until(Step::Operate, first);
    let (second, mut added) = asks(called(2, "add", 10));
    let (third, mut again) = asks(called(3, "take", 5));
    entity.tell(second);
    entity.tell(third);
    let seen = entity.go_on();
    assert_eq!(seen.commits.len(), 2, "what came during the operation waits");
    assert_eq!((number(&mut taken), number(&mut added), number(&mut again)), (1, 11, 6));
}

#[test]
fn what_an_operation_signals_leaves_with_its_state() {
    let mut entity = EntityStage::with(5);
    let (pass, mut answer) = asks(called(1, "pass_on", "b"));
    let seen = entity.until(Step::Commit, pass);
    let [(to, Event::EntityOperationSignaled { caller: None, .. })] = &seen.batch().tell[..] else {
        panic!("{:?}", seen.batch())
    };
    assert_eq!((&to[..], &seen.batch().children[0].id[..]), ("@tally@b", "@tally@b"), "it may not be there");
    assert!(!seen.wrote_messages && answer.get().is_none());
    assert!(entity.go_on().wrote_messages && answer.is_ok());
    assert_eq!(entity.sum(), Some(0));
}

#[test]
fn a_deleted_entity_begins_anew() {
    let mut entity = EntityStage::with(5);
    let (delete, mut answer) = asks(called(1, "delete", ()));
    entity.tell(delete);
    assert!(answer.is_ok() && entity.sum().is_none());
    let (get, mut answer) = asks(called(1, "get", ()));
    entity.tell(get);
    assert_eq!(number(&mut answer), 0);
}

#[test]
fn an_operation_that_does_not_exist_fails() {
    let mut entity = EntityStage::with(5);
    let (call, mut answer) = asks(called(1, "multiply", 2));
    entity.tell(call);
    let failure = answer.get().expect("it is answered").expect("it is not refused").expect_err("it fails");
    assert_eq!(failure.kind(), FailureKind::NotRegistered);
}

#[test]
fn a_clients_signal_is_answered_when_it_has_taken_effect() {
    let mut entity = EntityStage::with(1);
    let (signal, mut answer) = asks(signaled("add", 2));
    entity.until(Step::Commit, signal);
    assert!(answer.get().is_none());
    entity.go_on();
    assert!(answer.is_ok() && entity.sum() == Some(3));
}

#[test]
fn a_signal_that_fails_is_consumed_and_says_nothing() {
    let mut entity = EntityStage::with(1);
    let signal = entity.by_inbox(signaled("take", 2));
    let seen = entity.tell(signal);
    assert!(seen.batch().append.is_none() && seen.batch().tell.is_empty());
    assert!(entity.inbox.is_empty() && entity.report.is_none());
}

#[test]
fn a_signal_that_cannot_be_read_is_skipped_and_said_in_the_status() {
    for (operation, input, why) in [("add", json("a text"), "invalid type"), ("multiply", json(2), "no operation `multiply`")] {
        let mut entity = EntityStage::with(1);
        let signal = entity.by_inbox(signaled(operation, input));
        let seen = entity.tell(signal);
        let update = seen.batch().update.as_ref().expect("it is said");
        assert_eq!((update.state.status, update.state.busy), (Status::Running, false));
        let later = entity.by_inbox(signaled("add", 1));
        entity.tell(later);
        let report = entity.report.as_ref().expect("it is said");
        assert!(report.contains(&format!("the signal `{operation}` was skipped")) && report.contains(why), "{report}");
        assert_eq!((entity.inbox.len(), entity.sum()), (0, Some(2)), "those that follow take effect");
    }
}

#[test]
fn what_the_inbox_brings_and_a_load_reads_takes_effect_once() {
    let mut entity = EntityStage::unloaded();
    let first = entity.by_inbox(signaled("add", 1));
    entity.wake_until(Step::Load, first);
    let second = entity.by_inbox(signaled("add", 2));
    entity.tell(second);
    let (add, mut answer) = asks(called(1, "add", 10));
    entity.tell(add);
    let seen = entity.go_on();
    assert_eq!((&seen.batch().consume[..], number(&mut answer)), (&[1, 2][..], 13));
}

#[test]
fn a_message_takes_effect_once_though_the_process_ends_before_the_commit_is_heard_of() {
    let mut entity = EntityStage::with(1);
    let signal = entity.by_inbox(signaled("add", 1));
    entity.until(Step::Commit, signal);
    entity.crash();
    let (get, mut answer) = asks(called(1, "get", ()));
    entity.wake(get);
    assert_eq!((number(&mut answer), entity.inbox.len()), (2, 0), "before the commit nothing had happened");
}

#[test]
fn a_state_that_is_refused_is_given_up_with_its_messages() {
    let mut entity = EntityStage::with(1);
    let (add, mut first) = asks(called(1, "add", 1));
    entity.until(Step::Commit, add);
    let (add, mut second) = asks(called(2, "add", 2));
    entity.tell(add);
    let signal = entity.by_inbox(signaled("add", 3));
    entity.tell(signal);
    entity.refusals.push_back(ErrorKind::TooLarge);
    let seen = entity.go_on();
    assert!(seen.gone && seen.retired == 1);
    assert!(first.error().contains("the store refuses it") && second.error().contains("the store refuses it"));
    entity.crash();
    let (get, mut answer) = asks(called(3, "get", ()));
    entity.wake(get);
    assert_eq!(number(&mut answer), 4, "what came through the inbox is there still");
}

#[test]
fn an_entity_that_is_not_there_sends_on_what_is_not_about_it() {
    let mut entity = EntityStage::unloaded();
    let (purge, mut purged) = asks_to_purge(1);
    entity.wake_until(Step::Load, purge);
    assert!(!entity.creates(), "a purge makes none");
    let (add, mut added) = asks(called(1, "add", 1));
    entity.tell(add);
    assert!(entity.creates());
    let seen = entity.answer(Input::NotLoaded(RuntimeError::new(ErrorKind::NotFound, "there is none")));
    assert_eq!((purged.error(), seen.sent.len()), ("there is none".to_owned(), 1));
    assert!(added.get().is_none() && seen.gone, "it is for the entity that begins anew");
}

#[test]
fn an_entity_that_cannot_be_read_refuses_all() {
    let mut entity = EntityStage::unloaded();
    let (add, mut answer) = asks(called(1, "add", 1));
    entity.wake_until(Step::Load, add);
    let signal = entity.by_inbox(signaled("add", 1));
    entity.tell(signal);
    let seen = entity.answer(Input::NotLoaded(RuntimeError::new(ErrorKind::Unreadable, "it is damaged")));
    assert!(answer.error().contains("it is damaged") && seen.sent.is_empty() && entity.inbox.len() == 1);
}

#[test]
fn a_stop_during_an_operation_writes_nothing_and_says_so() {
    let mut entity = EntityStage::with(1);
    let (add, mut first) = asks(called(1, "add", 1));
    entity.until(Step::Operate, add);
    let (add, mut second) = asks(called(2, "add", 1));
    entity.tell(add);
    assert!(entity.tell(stop()).gone);
    assert!(second.error().contains("it is shut down"));
    let seen = entity.go_on();
    assert!(first.error().contains("the runtime is shut down") && seen.commits.is_empty() && seen.retired == 1);
    assert_eq!(entity.sum(), Some(1));
}

#[test]
fn a_stop_during_a_commit_answers_when_that_is_applied() {
    let mut entity = EntityStage::with(1);
    let (add, mut answer) = asks(called(1, "add", 1));
    entity.until(Step::Commit, add);
    entity.tell(stop());
    assert!(answer.get().is_none());
    assert!(entity.go_on().steps.is_empty());
    assert_eq!((number(&mut answer), entity.sum()), (2, Some(2)));
}

#[test]
fn an_entity_at_rest_is_evicted_and_one_at_work_is_not() {
    let mut entity = EntityStage::with(1);
    let (add, _answer) = asks(called(1, "add", 1));
    entity.until(Step::Operate, add);
    assert!(!entity.tell(Input::Evict).gone && entity.is_turning());
    entity.go_on();
    assert!(!entity.is_turning());
    let seen = entity.tell(Input::Evict);
    assert!(seen.gone && seen.retired == 1);
    let (add, mut answer) = asks(called(1, "add", 1));
    let seen = entity.tell(add);
    assert!(seen.gone && seen.sent.len() == 1 && answer.get().is_none());
}

#[test]
fn a_shutdown_waits_for_the_operations_of_one_that_was_just_read() {
    let mut entity = EntityStage::unloaded();
    let (add, _answer) = asks(called(1, "add", 1));
    entity.wake_until(Step::Operate, add);
    assert!(entity.is_turning());
}

#[test]
fn what_is_no_message_for_an_entity_is_consumed() {
    let mut entity = EntityStage::with(1);
    let odd = entity.by_inbox(crate::kernel::machine::tests::events::terminate());
    assert_eq!(names([&crate::kernel::machine::tests::events::terminate()]), ["ExecutionTerminated"]);
    let seen = entity.tell(odd);
    assert_eq!((&seen.batch().consume[..], entity.sum()), (&[1][..], Some(1)));
    assert!(entity.inbox.is_empty() && seen.rests, "{ID} rests");
}
