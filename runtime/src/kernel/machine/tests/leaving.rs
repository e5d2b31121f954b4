//! How an instance leaves the memory: evictions and stops.

use crate::kernel::machine::instance::Input;
use crate::kernel::machine::tests::events::{asked, deliver, go, nudge, result, resume, returned, stop, suspend};
use crate::kernel::machine::tests::functions::{grows_then_hears, has_a_child, hears, hears_twice, sleeps, two_steps};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::Stage;

#[test]
fn a_run_that_rests_is_evicted_and_taken_up_again() {
    let mut run = Stage::of(hears_twice());
    run.tell(deliver(go(1)));
    let seen = run.tell(Input::Evict);
    assert!(seen.gone && seen.retired == 1 && seen.aborted.is_empty());
    run.crash();
    assert_eq!(result(run.wake(deliver(go(2))).recorded().last()), 3);
}

#[test]
fn an_evicted_run_leaves_word_when_it_is_due() {
    let mut run = Stage::of(sleeps(30));
    assert_eq!(run.tell(Input::Evict).stored_due, Some(second(30)));
    assert_eq!(run.armed(), None);

    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.wake(nudge());
    let seen = run.tell(Input::Evict);
    assert!(seen.gone && seen.stored_due == Some(second(60)));
}

#[test]
fn a_run_that_waits_for_a_child_only_may_go() {
    let mut run = Stage::of(has_a_child());
    assert!(run.tell(Input::Evict).gone);
}

#[test]
fn what_is_at_work_stays() {
    let mut run = Stage::of(grows_then_hears(1));
    assert!(!run.tell(Input::Evict).gone, "an activity runs");
    run.until(Step::Turn, deliver(go(1)));
    assert!(!run.tell(Input::Evict).gone);
    run.go_on();
    run.tell(deliver(suspend()));
    assert!(!run.tell(Input::Evict).gone, "what runs of it is known here only");
    run.tell(returned(1, 2));
    assert!(run.tell(Input::Evict).gone);
    run.crash();
    assert_eq!(result(run.wake(deliver(resume())).recorded().last()), 3);
}

#[test]
fn one_that_could_not_go_is_listed_again_when_it_rests() {
    let mut run = Stage::of(hears_twice());
    run.until(Step::Commit, deliver(go(1)));
    assert!(!run.tell(Input::Evict).gone);
    assert!(run.go_on().rests);
    assert!(!run.tell(nudge()).rests, "it is listed once");
    assert!(run.tell(Input::Evict).gone);
}

#[test]
fn a_shutdown_waits_for_turns_and_commits_only() {
    let mut run = Stage::of(hears_twice());
    assert!(!run.is_turning(), "it rests");
    for step in [Step::Work, Step::Turn, Step::Commit] {
        run.until(step, deliver(go(0)));
        assert!(run.is_turning());
        run.crash();
        run.wake_until(Step::Replay, nudge());
        assert!(!run.is_turning(), "it is read");
        run.go_on();
    }
}

#[test]
fn what_is_being_read_stays() {
    for step in [Step::Load, Step::Replay] {
        let mut run = Stage::of(hears());
        run.crash();
        run.wake_until(step, deliver(go(1)));
        assert!(!run.tell(Input::Evict).gone);
        assert!(run.go_on().ended.is_some());
    }
}

#[test]
fn what_comes_for_an_evicted_run_is_handed_on() {
    let mut run = Stage::of(hears());
    run.tell(Input::Evict);
    let (raise, mut answer) = asked(go(1));
    let seen = run.tell(raise);
    assert!(seen.gone && seen.sent.len() == 1 && answer.get().is_none());
}

#[test]
fn a_stop_ends_attempts_and_refuses_what_waits() {
    let mut run = Stage::of(grows_then_hears(1));
    let (raise, mut answer) = asked(go(1));
    run.until(Step::Work, nudge());
    run.tell(raise);
    let seen = run.tell(stop());
    assert_eq!((seen.aborted, seen.cancelled, seen.retired), (vec![1], vec![], 1));
    assert!(seen.gone && answer.error().contains("it is shut down"));
    assert!(run.go_on().steps.is_empty());
}

#[test]
fn a_turn_that_ends_after_a_stop_is_written_and_starts_nothing() {
    let mut run = Stage::of(two_steps(1));
    run.until(Step::Turn, returned(1, 2));
    run.tell(stop());
    let seen = run.go_on();
    assert_eq!((seen.steps, seen.starts.len(), seen.retired), (vec![Step::Commit], 0, 1));
    assert_eq!(run.recover().calls(), [2]);
}

#[test]
fn a_run_that_is_stopped_while_it_is_set_aside_writes_nothing_more() {
    let mut run = Stage::of(hears());
    run.until(Step::Commit, deliver(suspend()));
    run.tell(stop());
    assert!(run.go_on().commits.is_empty());
    assert!(run.tell(Input::Due).sent.len() == 1, "what is due is for whoever has the id");
}
