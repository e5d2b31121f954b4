//! What orchestrations tell entities, and whose answers they take.

use crate::kernel::engine::event::{Caller, Event};
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::tests::events::{deliver, go, json, nudge, result, resume, suspend, terminate};
use crate::kernel::machine::tests::functions::{locks, tells_an_entity};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

const AB: [&str; 2] = ["@tally@a", "@tally@b"];

fn this_run() -> Caller {
    Caller { instance: "run".to_owned(), run: second(0) }
}

fn granted(started: i64) -> Event {
    Event::EntityLockGranted { id: 1, run: second(started) }
}

#[test]
fn an_entity_is_told_in_the_batch_of_the_turn_and_made_if_it_is_not_there() {
    let (mut run, _answer) = Stage::starting(request(tells_an_entity(), None), false);
    let seen = run.go_on_until(Step::Commit);
    let batch = seen.batch();
    let [(to, Event::EntityOperationSignaled { caller: Some(caller), .. })] = &batch.tell[..] else { panic!("{batch:?}") };
    assert_eq!((&to[..], caller), (AB[0], &this_run()));
    let [entity] = &batch.children[..] else { panic!("{batch:?}") };
    assert_eq!((&entity.id[..], entity.state.status, entity.state.busy), (AB[0], Status::Running, false));
    assert!(run.go_on().wrote_to_entities);
}

#[test]
fn a_run_under_a_used_id_takes_no_answer_of_the_one_before() {
    let mut run = Stage::of(tells_an_entity());
    run.tell(deliver(go(1)));
    let answer = |started, value: u32| Event::EntityOperationCompleted { id: 2, result: json(value), run: second(started) };
    let late = run.by_inbox(answer(-50, 7));
    let seen = run.tell(late);
    assert_eq!((&seen.batch().consume[..], seen.batch().append.is_none()), (&[1][..], true), "it is consumed without effect");
    assert_eq!(result(run.tell(deliver(answer(0, 8))).recorded().last()), 8);
}

#[test]
fn a_lock_is_asked_for_in_one_order_and_given_back_in_the_turn_that_ends_it() {
    let mut run = Stage::of(locks());
    run.tell(deliver(granted(0)));
    let seen = run.until(Step::Commit, deliver(go(1)));
    let [(to, Event::EntityUnlockSent { lock: 1, entities, caller: Some(caller), .. })] = &seen.batch().tell[..] else {
        panic!("{:?}", seen.batch())
    };
    assert_eq!((&to[..], &entities[..], caller), (AB[0], &AB.map(str::to_owned)[..], &this_run()));
    assert!(run.go_on().wrote_to_entities);
}

#[test]
fn the_grant_of_a_lock_of_another_run_is_not_taken() {
    let mut run = Stage::of(locks());
    assert!(run.tell(deliver(granted(-50))).commits.is_empty());
    assert_eq!(run.tell(deliver(granted(0))).commits.len(), 1);
}

#[test]
fn whatever_ends_a_run_gives_its_lock_back_in_the_same_batch() {
    for is_granted in [true, false] {
        let mut run = Stage::of(locks());
        if is_granted {
            run.tell(deliver(granted(0)));
        }
        let seen = run.tell(deliver(terminate()));
        assert!(matches!(seen.batch().tell[..], [(_, Event::EntityUnlockSent { lock: 1, .. })]), "{:?}", seen.batch());
        assert!(seen.ended.is_some_and(|ended| !ended.without_a_turn));
    }
}

#[test]
fn a_run_that_is_ended_while_it_is_suspended_leaves_its_lock_to_others() {
    let mut run = Stage::of(locks());
    run.tell(deliver(granted(0)));
    run.tell(deliver(suspend()));
    let seen = run.tell(deliver(terminate()));
    assert!(seen.batch().tell.is_empty());
    assert!(seen.ended.is_some_and(|ended| ended.without_a_turn), "so that they look for its locks");
}

#[test]
fn a_suspended_run_keeps_its_lock() {
    let mut run = Stage::of(locks());
    run.tell(deliver(granted(0)));
    let seen = run.tell(deliver(suspend()));
    assert!(seen.batch().tell.is_empty() && seen.retired == 1, "what it waits for is unloaded, not given up");
    run.tell(deliver(resume()));
    run.tell(deliver(go(1)));
    assert_eq!(result(run.tell(deliver(go(2))).recorded().last()), 3);
}

#[test]
fn a_grant_that_comes_while_nothing_runs_is_taken_after_the_restart() {
    let mut run = Stage::of(locks());
    run.crash();
    run.store.post(granted(0));
    let seen = run.wake(nudge());
    assert_eq!(seen.batch().consume, [1]);
    run.tell(Input::Evict);
    run.crash();
    run.wake(deliver(go(1)));
    assert_eq!(result(run.tell(deliver(go(2))).recorded().last()), 3, "a replay asks no entity again");
}
