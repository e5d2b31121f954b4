//! Sub-orchestrations: which instance a call has made, and whose end it takes.

use crate::kernel::failure::FailureKind;
use crate::kernel::machine::answers::{id_taken, no_longer_awaited};
use crate::kernel::machine::instance::Input;
use crate::kernel::machine::message::Message;
use crate::kernel::machine::tests::events::{child_returned, deliver, go, names, result, terminate};
use crate::kernel::machine::tests::functions::{grows_what_its_child_says, has_a_child, has_a_child_in_time, sets_off};
use crate::kernel::machine::tests::kept::KEY;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

/// The end of the call 1, told by the instance with this key.
fn ended(child: i64, value: u32) -> Input {
    Input::Deliver(Message { ended: Some(child), ..Message::of(child_returned(1, value)) })
}

#[test]
fn a_child_is_created_with_the_turn_that_calls_it() {
    let (mut run, _answer) = Stage::starting(request(has_a_child(), None), false);
    let seen = run.go_on_until(Step::Commit);
    let [child] = &seen.batch().children[..] else { panic!("{:?}", seen.batch()) };
    let parent = child.parent.as_ref().expect("it is awaited");
    assert_eq!((&child.id[..], &parent.instance[..], parent.id), ("child", "run", 1));
    assert_eq!((child.state.status, child.state.busy), (Status::Pending, true));
    let seen = run.go_on();
    assert!(seen.created_children && seen.rests && run.store.state().busy);
}

#[test]
fn the_end_of_the_child_that_was_called_is_taken() {
    let mut run = Stage::of(has_a_child());
    let seen = run.tell(ended(101, 5));
    assert_eq!(result(seen.recorded().last()), 5);
}

#[test]
fn the_end_of_an_earlier_instance_under_the_same_ids_is_not_taken() {
    let mut run = Stage::of(has_a_child());
    let seen = run.tell(ended(55, 5));
    assert!(seen.commits.is_empty() && seen.looked_at.is_empty());
    assert_eq!(result(run.tell(ended(101, 6)).recorded().last()), 6);
}

#[test]
fn after_a_reload_the_store_is_asked_whose_end_it_is() {
    let mut run = Stage::of(has_a_child());
    assert_eq!(run.recover().looked_at, [1]);
    let seen = run.tell(ended(101, 5));
    assert_eq!((seen.looked_at, seen.commits.len()), (vec![1], 0));
    assert_eq!(result(run.tell(deliver(child_returned(1, 5))).recorded().last()), 5, "whoever has looked says so");
}

#[test]
fn which_instance_a_call_has_made_is_noted_by_the_run_that_made_it() {
    for (own, is_taken) in [(KEY, true), (KEY + 1, false)] {
        let mut run = Stage::of(has_a_child());
        run.recover();
        assert!(run.tell(Input::Child { own, call: 1, child: 101 }).steps.is_empty());
        assert_eq!(run.tell(ended(101, 5)).ended.is_some(), is_taken);
    }
}

#[test]
fn an_id_that_is_taken_is_looked_at_and_fails_the_call() {
    let (mut run, _answer) = Stage::starting(request(has_a_child(), None), false);
    run.store.taken.insert("child".to_owned());
    let seen = run.go_on();
    assert_eq!((seen.looked_at, seen.created_children), (vec![1], false));
    let seen = run.tell(Input::Deliver(Message { posted_for: Some(KEY), ..Message::of(id_taken(1, "child")) }));
    let failure = seen.ended.expect("it has ended").outcome.expect_err("it fails");
    assert!(failure.causes().concat().contains("an orchestration with the id `child` exists already"), "{failure:?}");
}

#[test]
fn a_detached_run_whose_id_is_taken_is_not_looked_at() {
    let (mut run, _answer) = Stage::starting(request(sets_off(), None), false);
    run.store.taken.insert("detached".to_owned());
    let seen = run.go_on();
    assert!(seen.looked_at.is_empty() && seen.commits.iter().all(|batch| batch.tell.is_empty()));
    assert!(!run.store.state().busy, "nobody waits for it");
}

#[test]
fn a_child_that_nobody_waits_for_any_more_is_told_in_the_same_batch() {
    let mut run = Stage::of(has_a_child_in_time());
    run.at_second(10);
    let seen = run.until(Step::Commit, Input::Due);
    assert_eq!(seen.batch().tell, [("child".to_owned(), no_longer_awaited("run"))]);
    assert!(!seen.wrote_messages, "it is not durable");
    assert!(run.go_on().wrote_messages);
    let seen = run.tell(ended(101, 5));
    assert!(seen.commits.is_empty(), "its end comes too late");
    assert_eq!(result(run.tell(deliver(go(1))).recorded().last()), 1);
}

#[test]
fn the_end_of_a_run_ends_its_children_in_the_same_batch() {
    let mut run = Stage::of(has_a_child());
    let seen = run.until(Step::Commit, deliver(terminate()));
    assert_eq!(names(seen.recorded()), ["ExecutionTerminated"]);
    assert_eq!(seen.batch().tell, [("child".to_owned(), no_longer_awaited("run"))]);
    let seen = run.go_on();
    assert!(seen.wrote_messages && seen.ended.is_some());
}

#[test]
fn a_child_whose_input_is_too_long_is_not_created_and_fails_the_call() {
    let (mut run, _answer) = Stage::starting(request(has_a_child(), None), false);
    run.process.longest = 0;
    let seen = run.go_on();
    assert!(seen.commits.iter().all(|batch| batch.children.is_empty()) && !seen.created_children);
    let failure = seen.ended.expect("it has ended").outcome.expect_err("it fails");
    assert_eq!(failure.kind(), FailureKind::Codec);
}

#[test]
fn a_child_that_was_not_created_fails_the_call_after_a_crash_too() {
    let (mut run, _answer) = Stage::starting(request(has_a_child(), None), false);
    run.process.longest = 0;
    run.go_on_until(Step::Work);
    let seen = run.recover();
    assert!(seen.looked_at.is_empty(), "there is none to look at");
    assert!(seen.ended.is_some_and(|ended| ended.outcome.is_err()));
}

#[test]
fn a_child_that_has_ended_is_waited_for_no_more() {
    let mut run = Stage::of(has_a_child_in_time());
    run.tell(ended(101, 5));
    let state = run.store.state();
    assert_eq!((state.busy, state.wake_at, run.armed()), (false, None, None));

    let mut run = Stage::of(grows_what_its_child_says());
    assert_eq!(run.tell(ended(101, 5)).calls(), [1 + 1]);
    assert!(!run.tell(Input::Evict).gone, "an activity runs");
}

#[test]
fn a_second_end_of_a_child_changes_nothing() {
    let mut run = Stage::of(has_a_child());
    run.until(Step::Work, ended(101, 5));
    run.tell(ended(101, 6));
    let seen = run.go_on();
    assert_eq!(result(seen.recorded().last()), 5);
}
