//! Purges of entities.

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::entity::Input;
use crate::kernel::machine::tests::entity_stage::{
    EntityStage, ID, KEY, Step, asks, asks_to_purge, called, caller, lock, number, signaled,
};

#[test]
fn a_purge_takes_the_entity_out_when_all_that_was_asked_of_it_is_done() {
    let mut entity = EntityStage::with(1);
    let (purge, mut purged) = asks_to_purge(KEY);
    entity.until(Step::Work, purge);
    let (add, mut added) = asks(called(1, "add", 1));
    entity.tell(add);
    let seen = entity.go_on();
    assert_eq!((number(&mut added), seen.commits.len()), (2, 2));
    assert_eq!(seen.commits[1].purge, [KEY]);
    assert!(purged.is_ok() && seen.gone && seen.retired == 1);
}

#[test]
fn what_comes_during_a_purge_is_for_the_entity_that_begins_anew() {
    let mut entity = EntityStage::with(1);
    let (purge, mut purged) = asks_to_purge(KEY);
    entity.until(Step::Commit, purge);
    let (add, mut added) = asks(called(1, "add", 1));
    entity.tell(add);
    let seen = entity.go_on();
    assert!(purged.is_ok() && added.get().is_none() && seen.sent.len() == 1);
}

#[test]
fn a_purge_of_another_entity_under_the_id_is_told_that_it_is_gone() {
    let mut entity = EntityStage::with(1);
    let (purge, mut purged) = asks_to_purge(KEY - 1);
    let seen = entity.tell(purge);
    assert!(purged.get().is_some_and(|answer| answer.is_err_and(|error| error.is_not_found())));
    assert!(!seen.gone && seen.rests);
}

#[test]
fn a_locked_entity_is_not_purged() {
    let mut entity = EntityStage::with(1);
    let request = entity.by_inbox(lock(&caller("run", 0), 3, &[ID]));
    entity.tell(request);
    let (purge, mut purged) = asks_to_purge(KEY);
    let seen = entity.tell(purge);
    assert!(purged.error().contains("`@tally@a` is in a critical section of `run`"));
    assert!(seen.commits.is_empty() && seen.rests);
}

#[test]
fn a_signal_that_comes_with_the_purge_of_a_locked_entity_is_kept() {
    let mut entity = EntityStage::with(1);
    let request = entity.by_inbox(lock(&caller("run", 0), 3, &[ID]));
    entity.tell(request);
    let (purge, mut purged) = asks_to_purge(KEY);
    entity.until(Step::Work, purge);
    let (signal, mut kept) = asks(signaled("add", 1));
    entity.tell(signal);
    entity.go_on();
    assert!(purged.error().contains("critical section"));
    assert!(kept.is_ok() && entity.inbox.len() == 1);
}

#[test]
fn a_purge_that_the_store_refuses_leaves_the_entity_in_memory() {
    let mut entity = EntityStage::with(1);
    let (purge, mut purged) = asks_to_purge(KEY);
    entity.until(Step::Commit, purge);
    let (add, mut added) = asks(called(1, "add", 1));
    entity.tell(add);
    // A message has come that the machine does not know of.
    entity.refusals.push_back(ErrorKind::Unfinished);
    let seen = entity.go_on();
    assert!(purged.error().contains("the store refuses it") && !seen.gone);
    assert_eq!(number(&mut added), 2);
}

#[test]
fn of_two_purges_the_second_finds_nothing() {
    let mut entity = EntityStage::with(1);
    let (first, mut one) = asks_to_purge(KEY);
    let (second, mut two) = asks_to_purge(KEY);
    entity.until(Step::Work, first);
    entity.tell(second);
    let seen = entity.go_on();
    assert!(one.is_ok() && two.get().is_none());
    assert_eq!(seen.sent.len(), 1, "it looks for the entity anew");
    entity.crash();
    let again = Input::Deliver(seen.sent.into_iter().next().expect("it is sent"));
    entity.wake_until(Step::Load, again);
    entity.answer(Input::NotLoaded(RuntimeError::new(ErrorKind::NotFound, "there is none")));
    assert!(two.get().is_some_and(|answer| answer.is_err_and(|error| error.is_not_found())));
}
