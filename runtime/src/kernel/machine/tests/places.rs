//! Places: how many runs work at once.

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::instance::{Input, Loaded};
use crate::kernel::machine::tests::events::{
    asked, deliver, go, names, nudge, result, resume, returned, stop, stopped, suspend, terminate,
};
use crate::kernel::machine::tests::functions::{grows_then_hears, hears_twice, rounds, sleeps, spins, two_steps};
use crate::kernel::machine::tests::process::second;
use crate::kernel::machine::tests::seen::Step;
use crate::kernel::machine::tests::stage::{Stage, request};
use crate::kernel::stored::Status;

/// One that rests, while another run has the only place.
fn crowded_out() -> Stage {
    let mut run = Stage::with_place(hears_twice());
    assert_eq!(run.free_places, 1, "who waits for an event has no place");
    run.free_places = 0;
    run
}

#[test]
fn a_run_takes_a_place_for_a_turn_and_gives_it_back() {
    let mut run = Stage::with_place(hears_twice());
    let seen = run.tell(deliver(go(1)));
    assert_eq!(seen.steps, [Step::Work, Step::Place, Step::Turn, Step::Commit]);
    assert_eq!((seen.places_left, run.free_places), (1, 1));
}

#[test]
fn a_run_keeps_its_place_while_an_activity_runs() {
    let mut run = Stage::with_place(grows_then_hears(1));
    assert_eq!(run.free_places, 0);
    let seen = run.tell(deliver(go(1)));
    assert_eq!((seen.steps, seen.places_left), (vec![Step::Work, Step::Turn, Step::Commit], 0));
    run.tell(returned(1, 2));
    assert_eq!(run.free_places, 1, "it has ended");
}

#[test]
fn a_run_that_sleeps_holds_no_place() {
    let mut run = Stage::with_place(sleeps(30));
    assert_eq!(run.free_places, 1);
    run.free_places = 0;
    run.at_second(30);
    let seen = run.tell(Input::Due);
    assert_eq!((seen.steps, seen.commits.len()), (vec![Step::Work, Step::Place], 0));
    assert_eq!(names(run.placed().recorded()), ["TimerFired"]);
}

#[test]
fn whoever_asks_a_run_in_line_is_answered_at_once() {
    let mut run = crowded_out();
    let (raise, mut answer) = asked(go(1));
    let seen = run.tell(raise);
    assert_eq!(seen.steps, [Step::Work, Step::Place, Step::Sort]);
    assert!(answer.is_ok() && names(&seen.posts) == ["EventRaised"]);
    let (wrong, mut answer) = asked(go("a text"));
    assert!(run.tell(wrong).posts.is_empty());
    assert!(answer.error().contains("waits for another type"));
    let (late, mut answer) = asked(resume());
    run.tell(late);
    assert!(answer.error().contains("it is not suspended"));
}

#[test]
fn what_a_run_in_line_was_sent_is_taken_in_its_order() {
    let mut run = crowded_out();
    let (raise, _answer) = asked(go(1));
    run.tell(raise);
    assert!(run.tell(deliver(go(2))).posts.is_empty(), "nobody waits for an answer");
    let seen = run.placed();
    assert_eq!(seen.loads, [(false, true)], "what was posted comes before what was brought later");
    assert_eq!(seen.recorded()[..2], [go(1), go(2)]);
}

#[test]
fn a_place_that_comes_before_the_line_is_told_of_is_used() {
    let mut run = crowded_out();
    run.until(Step::Place, deliver(go(1)));
    assert!(run.placed().steps.is_empty());
    let seen = run.answer(Input::Place(false));
    assert_eq!((seen.steps, run.free_places), (vec![Step::Turn, Step::Commit], 1));
}

#[test]
fn a_place_that_comes_while_messages_are_sorted_is_used() {
    let mut run = crowded_out();
    let (raise, mut answer) = asked(go(1));
    run.until(Step::Sort, raise);
    assert!(run.placed().steps.is_empty());
    let seen = run.go_on();
    assert!(answer.is_ok());
    assert_eq!((names(seen.recorded()), run.free_places), (vec!["EventRaised".to_owned()], 1));
}

#[test]
fn two_places_at_one_time_are_not_both_kept() {
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    run.tell(deliver(suspend()));
    run.until(Step::Place, deliver(resume()));
    // The line still has it from before its suspension.
    run.placed();
    let seen = run.answer(Input::Place(true));
    assert_eq!((seen.places_left, run.free_places), (2, 2));
}

#[test]
fn a_run_in_line_is_suspended_at_once_and_passes_its_place_on() {
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    let (ask, mut answer) = asked(suspend());
    let seen = run.tell(ask);
    assert_eq!(names(seen.recorded()), ["ExecutionSuspended"]);
    assert!(answer.is_ok() && names(&seen.posts) == ["EventRaised"]);
    let seen = run.placed();
    assert_eq!((seen.steps.len(), run.free_places), (0, 1));
}

#[test]
fn a_run_in_line_is_ended_at_once_and_passes_its_place_on() {
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    let (ask, mut answer) = asked(terminate());
    let seen = run.tell(ask);
    assert_eq!(seen.steps, [Step::Work, Step::Children, Step::Commit]);
    assert!(answer.is_ok() && seen.gone && seen.retired == 1);
    run.placed();
    assert_eq!(run.free_places, 1);
}

#[test]
fn an_end_that_cannot_be_done_leaves_a_run_in_line() {
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    run.children = Err(RuntimeError::new(ErrorKind::Unreadable, "the children cannot be read"));
    let (ask, mut answer) = asked(terminate());
    let seen = run.tell(ask);
    assert!(answer.error().contains("the children cannot be read"));
    assert_eq!(seen.steps, [Step::Work, Step::Children, Step::Place]);
    assert_eq!(names(run.placed().recorded()), ["EventRaised"]);
}

#[test]
fn what_was_posted_comes_first_also_when_an_end_could_not_be_done() {
    let mut run = crowded_out();
    let (raise, mut answer) = asked(go(1));
    run.tell(raise);
    assert!(answer.is_ok());
    run.children = Err(RuntimeError::new(ErrorKind::Unreadable, "the children cannot be read"));
    run.free_places = 1;
    run.until(Step::Place, deliver(terminate()));
    run.tell(deliver(go(2)));
    let seen = run.go_on();
    assert_eq!((&seen.recorded()[..2], seen.retired), (&[go(1), go(2)][..], 2));
}

#[test]
fn a_stop_gives_back_a_place_that_comes_late() {
    for is_free in [true, false] {
        let mut run = crowded_out();
        run.until(Step::Place, deliver(go(1)));
        assert!(run.tell(stop()).gone);
        run.answer(Input::Place(is_free));
        assert_eq!(run.free_places, usize::from(is_free));
        assert!(run.tell(deliver(go(2))).gone, "it does not come back");
    }
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    run.tell(stop());
    run.placed();
    assert_eq!(run.free_places, 1);
}

#[test]
fn a_stop_gives_back_both_of_two_places_that_come_late() {
    let mut run = crowded_out();
    run.tell(deliver(go(1)));
    run.tell(deliver(suspend()));
    run.until(Step::Place, deliver(resume()));
    run.tell(stop());
    run.placed();
    run.answer(Input::Place(true));
    assert_eq!(run.free_places, 2);
}

#[test]
fn a_stop_while_messages_are_sorted_keeps_those_that_can_be_taken() {
    let mut run = crowded_out();
    let (raise, mut kept) = asked(go(1));
    run.until(Step::Place, raise);
    let (wrong, mut refused) = asked(go("a text"));
    run.tell(wrong);
    run.go_on_until(Step::Sort);
    assert!(run.tell(stop()).gone);
    let seen = run.go_on();
    assert!(kept.is_ok() && refused.error().contains("waits for another type"));
    assert_eq!((run.store.inbox.len(), seen.retired), (1, 1));
}

#[test]
fn what_had_a_place_and_cannot_be_read_gives_it_back() {
    let mut run = crowded_out();
    let (raise, _answer) = asked(go(1));
    run.tell(raise);
    run.placed_until(Step::Load);
    run.answer(Input::Loaded(Loaded::Failed(RuntimeError::new(ErrorKind::Unreadable, "it is damaged"))));
    assert_eq!(run.free_places, 1);
}

#[test]
fn a_suspended_run_keeps_its_place_until_its_activities_have_ended() {
    let mut run = Stage::with_place(grows_then_hears(1));
    run.tell(deliver(suspend()));
    assert_eq!(run.free_places, 0);
    run.tell(returned(1, 2));
    assert_eq!(run.free_places, 1);

    let mut run = Stage::with_place(grows_then_hears(1));
    run.tell(deliver(suspend()));
    run.tell(stopped(1));
    assert_eq!(run.free_places, 1, "also when they come to nothing");
}

#[test]
fn a_run_that_is_read_waits_for_a_place_and_reads_its_inbox_again() {
    let mut run = crowded_out();
    run.crash();
    run.store.post(go(1));
    let (raise, mut answer) = asked(go(2));
    let seen = run.wake(raise);
    assert_eq!(seen.steps, [Step::Load, Step::Place, Step::Sort]);
    assert!(answer.is_ok() && run.store.inbox.len() == 2);
    let seen = run.placed();
    assert_eq!((&seen.batch().consume[..], result(seen.recorded().last())), (&[1, 2][..], 3));
}

#[test]
fn a_run_that_is_read_with_a_place_and_waits_gives_it_back() {
    let mut run = Stage::with_place(hears_twice());
    run.crash();
    // What makes it be read is refused, and nothing else waits for it.
    let (ask, mut answer) = asked(resume());
    let seen = run.wake(ask);
    assert!(answer.error().contains("it is not suspended"));
    assert_eq!((seen.steps, seen.places_left, run.free_places), (vec![Step::Load, Step::Place, Step::Replay], 1, 1));
    assert!(run.tell(Input::Evict).gone);
}

#[test]
fn a_start_that_is_due_and_has_no_place_waits_with_its_messages() {
    let mut run = Stage::stored(two_steps(1), Some(second(60)));
    run.limit_places();
    run.at_second(60);
    let seen = run.wake(nudge());
    assert_eq!((seen.steps, seen.begun), (vec![Step::Load, Step::Place], false));
    let (raise, mut answer) = asked(go(1));
    run.tell(raise);
    assert!(answer.is_ok());
    let seen = run.placed();
    assert!(seen.begun);
    assert_eq!(names(run.store.history()), ["ExecutionStarted", "TaskScheduled", "EventRaised"]);
}

#[test]
fn a_run_without_end_leaves_its_place_to_others_after_each_execution() {
    let (mut run, _answer) = Stage::starting(request(spins(1), None), true);
    run.go_on_until(Step::Place);
    assert_eq!(run.free_places, 1);
    run.free_places = 0;
    let seen = run.go_on();
    assert!(seen.retired == 1 && seen.commits.is_empty(), "its next execution is its start, which is read again");
    let seen = run.placed_until(Step::Commit);
    assert_eq!(names(seen.recorded()), ["ContinueAsNew", "ExecutionStarted"]);
}

#[test]
fn a_run_that_never_waits_can_be_suspended_and_ended() {
    let (mut run, _answer) = Stage::starting(request(spins(1), None), false);
    run.go_on_until(Step::Commit);
    let (raise, mut raised) = asked(go(1));
    let (ask, mut suspended) = asked(suspend());
    run.tell(raise);
    run.tell(ask);
    run.go_on();
    assert!(suspended.is_ok() && raised.is_ok());
    assert_eq!(run.store.state().status, Status::Suspended);
    assert_eq!(names(run.store.history()), ["ContinueAsNew", "ExecutionStarted"], "it has no turn yet");
    let (end, mut ended) = asked(terminate());
    assert!(run.tell(end).gone && ended.is_ok());
}

#[test]
fn whatever_ends_a_run_gives_its_place_back() {
    let mut run = Stage::with_place(rounds(1));
    run.tell(deliver(go(1)));
    assert_eq!(run.free_places, 1);
    run.tell(deliver(go(0)));
    assert_eq!((run.store.state().status, run.free_places), (Status::Completed, 1));

    let mut run = Stage::with_place(grows_then_hears(1));
    run.tell(deliver(terminate()));
    assert_eq!(run.free_places, 1);

    let mut run = Stage::with_place(grows_then_hears(1));
    run.refusals.push_back(ErrorKind::Fenced);
    run.tell(returned(1, 2));
    assert_eq!(run.free_places, 1);

    let mut run = Stage::with_place(grows_then_hears(1));
    run.tell(deliver(go("a text")));
    run.tell(returned(1, 2));
    assert_eq!((run.store.state().status, run.free_places), (Status::Suspended, 1));
}
