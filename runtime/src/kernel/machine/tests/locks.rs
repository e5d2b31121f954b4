//! Locks of entities: who holds them works alone, and they end with their run.

use crate::kernel::engine::event::{Caller, EntityLock, Event};
use crate::kernel::machine::entity::Input;
use crate::kernel::machine::tests::entity_stage::{
    EntityStage, ID, Step, asks, called, called_by, caller, lock, number, signaled, unlock,
};

const B: &str = "@tally@b";

/// An entity that this run has locked, alone.
fn locked(holder: &Caller) -> EntityStage {
    let mut entity = EntityStage::with(1);
    let request = entity.by_inbox(lock(holder, 3, &[ID]));
    entity.tell(request);
    assert!(entity.held_by(&holder.instance) && entity.inbox.is_empty());
    entity
}

fn granted(holder: &Caller, id: u64) -> (String, Event) {
    (holder.instance.clone(), Event::EntityLockGranted { id, run: holder.run })
}

#[test]
fn a_lock_is_granted_with_the_state_that_says_so() {
    let (mut entity, holder) = (EntityStage::with(1), caller("run", 0));
    let request = entity.by_inbox(lock(&holder, 3, &[ID]));
    let seen = entity.until(Step::Commit, request);
    assert_eq!((&seen.batch().tell, &seen.batch().consume[..]), (&vec![granted(&holder, 3)], &[1][..]));
    assert!(seen.batch().append.is_some());
    assert_eq!(seen.looked_at.len(), 1, "its holder may have ended while it was suspended");
    entity.go_on();
    assert_eq!(entity.lock.as_ref().map(|lock| &lock.holder), Some(&holder));
}

#[test]
fn a_lock_of_several_goes_from_one_to_the_next() {
    let (mut entity, holder) = (EntityStage::with(1), caller("run", 0));
    let request = entity.by_inbox(lock(&holder, 3, &[ID, B]));
    let seen = entity.tell(request);
    assert_eq!(seen.batch().tell, [(B.to_owned(), lock(&holder, 3, &[ID, B]))], "the last of them grants it");
    let end = entity.by_inbox(unlock(&holder, 3, &[ID, B]));
    let seen = entity.tell(end);
    assert_eq!(seen.batch().tell, [(B.to_owned(), unlock(&holder, 3, &[ID, B]))]);
    assert!(entity.lock.is_none());
}

#[test]
fn others_wait_until_the_lock_ends_and_are_served_in_their_order() {
    let holder = caller("run", 0);
    let mut entity = locked(&holder);
    let (client, mut answer) = asks(called(1, "add", 10));
    entity.tell(client);
    let other = entity.by_inbox(called_by(Some(caller("other", 0)), 1, "add", 100));
    let seen = entity.tell(other);
    assert!(seen.commits.is_empty() && answer.get().is_none() && entity.inbox.len() == 1);
    let own = entity.by_inbox(called_by(Some(holder.clone()), 4, "add", 1));
    entity.tell(own);
    assert_eq!(entity.sum(), Some(2), "its holder passes");
    let end = entity.by_inbox(unlock(&holder, 3, &[ID]));
    let seen = entity.tell(end);
    assert_eq!((number(&mut answer), entity.sum(), seen.commits.len()), (12, Some(112), 1));
    assert!(entity.inbox.is_empty() && seen.rests);
}

#[test]
fn a_clients_signal_is_kept_and_told_so_at_once() {
    let holder = caller("run", 0);
    let mut entity = locked(&holder);
    let (signal, mut answer) = asks(signaled("add", 10));
    let seen = entity.until(Step::Commit, signal);
    assert!(answer.get().is_none() && seen.batch().post.len() == 1);
    let seen = entity.go_on();
    assert!(answer.is_ok() && seen.wrote_messages);
    assert_eq!((entity.inbox.len(), entity.sum()), (1, Some(1)));
}

#[test]
fn what_is_given_up_lets_those_behind_pass_in_the_same_turn() {
    let (holder, second) = (caller("run", 0), caller("second", 0));
    let mut entity = locked(&holder);
    let (own, mut answer) = (called_by(Some(holder.clone()), 4, "add", 1), asks(signaled("add", 10)));
    let first = entity.by_inbox(lock(&second, 5, &[ID]));
    entity.until(Step::Operate, first);
    for event in [called_by(Some(second.clone()), 6, "add", 100), unlock(&second, 5, &[ID]), own, unlock(&holder, 3, &[ID])] {
        let message = entity.by_inbox(event);
        entity.tell(message);
    }
    entity.tell(answer.0);
    let seen = entity.go_on();
    assert_eq!((seen.commits.len(), entity.sum(), entity.inbox.len()), (1, Some(112), 0));
    assert!(answer.1.is_ok() && entity.lock.is_none());
}

#[test]
fn an_entity_for_which_something_waits_is_not_evicted() {
    let mut entity = locked(&caller("run", 0));
    let (client, _answer) = asks(called(1, "add", 10));
    assert!(!entity.tell(client).rests);
    assert!(!entity.tell(Input::Evict).gone);
}

#[test]
fn a_lock_survives_a_restart() {
    let holder = caller("run", 0);
    let mut entity = locked(&holder);
    entity.crash();
    entity.post(called_by(Some(caller("other", 0)), 1, "add", 100));
    let own = entity.by_inbox(called_by(Some(holder), 4, "add", 1));
    let seen = entity.wake(own);
    assert_eq!((entity.sum(), entity.inbox.len()), (Some(2), 1));
    assert_eq!(seen.looked_at.len(), 1, "its holder may have ended while nothing ran");
}

#[test]
fn only_its_holder_ends_a_lock() {
    let holder = caller("run", 0);
    for end in [unlock(&caller("run", 1), 3, &[ID]), unlock(&caller("other", 0), 3, &[ID]), unlock(&holder, 2, &[ID])] {
        let mut entity = locked(&holder);
        let end = entity.by_inbox(end);
        let seen = entity.tell(end);
        assert!(entity.lock.is_some() && entity.inbox.is_empty() && seen.batch().append.is_none());
    }
}

#[test]
fn the_next_in_the_queue_gets_the_lock_with_the_end_of_the_one_before() {
    let (first, second) = (caller("first", 0), caller("second", 0));
    let mut entity = locked(&first);
    let request = entity.by_inbox(lock(&second, 5, &[ID]));
    assert!(entity.tell(request).commits.is_empty());
    let end = entity.by_inbox(unlock(&first, 3, &[ID]));
    let seen = entity.tell(end);
    assert_eq!(seen.batch().tell, [granted(&second, 5)]);
    assert!(entity.held_by("second") && seen.looked_at.len() == 1);
}

#[test]
fn a_wait_for_a_lock_that_is_given_up_comes_no_further() {
    let (first, second) = (caller("first", 0), caller("second", 0));
    let mut entity = locked(&first);
    let request = entity.by_inbox(lock(&second, 5, &[ID, B]));
    entity.tell(request);
    let given_up = entity.by_inbox(unlock(&second, 5, &[ID, B]));
    let seen = entity.tell(given_up);
    assert!(seen.batch().tell.is_empty(), "those behind have heard nothing of it");
    assert_eq!(seen.batch().consume, [3, 2], "it is taken out of the queue");
    let end = entity.by_inbox(unlock(&first, 3, &[ID]));
    entity.tell(end);
    assert!(entity.lock.is_none());
}

#[test]
fn a_lock_whose_holder_has_ended_is_given_back() {
    let (dead, next) = (caller("dead", 0), caller("next", 0));
    let mut entity = locked(&dead);
    let request = entity.by_inbox(lock(&next, 1, &[ID]));
    entity.tell(request);
    let held = entity.lock.clone().expect("it is locked");
    let seen = entity.tell(Input::HolderEnded(held.clone()));
    assert_eq!(seen.batch().tell, [granted(&next, 1)]);
    // Whoever has looked for it twice changes nothing for the next.
    assert!(entity.tell(Input::HolderEnded(held)).commits.is_empty());
    assert!(entity.held_by("next"));
}

/// Whoever ended while it was suspended, in the queue for a lock, is looked for once it has the lock.
#[test]
fn a_lock_is_not_left_to_one_that_ended_in_the_queue() {
    let (first, dead, third) = (caller("first", 0), caller("dead", 0), caller("third", 0));
    let mut entity = locked(&first);
    for request in [lock(&dead, 1, &[ID]), lock(&third, 1, &[ID])] {
        let request = entity.by_inbox(request);
        entity.tell(request);
    }
    let end = entity.by_inbox(unlock(&first, 3, &[ID]));
    let seen = entity.tell(end);
    let [given]: [EntityLock; 1] = seen.looked_at.try_into().expect("it is looked for");
    assert_eq!(given.holder, dead);
    entity.tell(Input::HolderEnded(given));
    assert!(entity.held_by("third"));
}

/// A lock is a run's, not that of another under the same id.
#[test]
fn a_run_under_a_used_id_does_not_have_the_lock_of_the_one_before() {
    let (dead, again) = (caller("run", 0), caller("run", 50));
    let mut entity = locked(&dead);
    let call = entity.by_inbox(called_by(Some(again.clone()), 1, "add", 5));
    entity.tell(call);
    assert_eq!(entity.sum(), Some(1));
    let request = entity.by_inbox(lock(&again, 3, &[ID]));
    entity.tell(request);
    let held = entity.lock.clone().expect("it is locked");
    entity.tell(Input::HolderEnded(held));
    assert_eq!((entity.sum(), entity.lock.map(|lock| lock.holder)), (Some(6), Some(again)));
}

#[test]
fn an_entity_that_is_gone_is_not_read_for_the_end_of_a_holder() {
    let mut entity = locked(&caller("run", 0));
    let held = entity.lock.clone().expect("it is locked");
    entity.tell(Input::Evict);
    let seen = entity.tell(Input::HolderEnded(held));
    assert!(seen.sent.is_empty() && seen.steps.is_empty(), "whoever reads it looks for its holder");
}

#[test]
fn what_the_holder_of_a_lock_is_told_is_told_once_over_a_crash() {
    let (mut entity, holder) = (EntityStage::with(1), caller("run", 0));
    let request = entity.by_inbox(lock(&holder, 3, &[ID]));
    entity.until(Step::Commit, request);
    entity.crash();
    let (signal, _answer) = asks(signaled("add", 1));
    let seen = entity.wake(signal);
    assert_eq!(seen.batch().tell, [granted(&holder, 3)]);
    assert_eq!(entity.inbox.len(), 1, "the signal is behind it");
}
