//! What a dropped call means, and where branches run.

use std::cell::RefCell;

use super::*;

// Rule 7: dropping a call while live cancels it; dropping it while unloading does not.

#[test]
fn the_loser_of_a_race_is_cancelled() {
    let (mut run, _) = Run::of(race());
    let progress = run.turn(vec![completed(2, 4)]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    assert!(run.turn(vec![completed(1, 2)]).events.is_empty(), "a late result is not recorded");
}

#[orchestrator]
async fn deadline() -> bool {
    crate::timeout(Duration::from_secs(60), double(1)).await.is_ok()
}

#[test]
fn a_deadline_cancels_the_call_and_a_result_cancels_the_deadline() {
    let (mut run, _) = Run::of(deadline());
    let progress = run.turn(vec![HistoryEvent::TimerFired { id: 2 }]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    assert!(!output::<bool>(&progress));

    let (mut run, _) = Run::of(deadline());
    let progress = run.turn(vec![completed(1, 2)]);
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 2 }]), "{progress:?}");
    assert!(output::<bool>(&progress));
}

#[test]
fn unloading_cancels_nothing() {
    let (run, _) = Run::of(all(3));
    let replayed = run.replayed();
    drop(run.execution);
    assert_eq!(replayed.pending().len(), 3, "after a restart all three are still waited for");
}

// Rule 8: branches are polled in place.

#[orchestrator(allow(address, reason = "the test is about threads"))]
async fn branches() -> bool {
    let here = |n| async move {
        double(n).await;
        format!("{:?}", std::thread::current().id())
    };
    let threads = join_all([here(1), here(2)]).await;
    threads[0] == threads[1]
}

#[test]
fn branches_are_never_spawned() {
    // Without an executor there is nothing to spawn on; both run on this thread.
    let (mut run, progress) = Run::of(branches());
    assert_eq!(activities(&progress), [1, 2]);
    assert!(output::<bool>(&run.turn(vec![completed(2, 4), completed(1, 2)])));
}

// Rule 9: a loaded execution goes on where it stands; only a restart replays.

#[test]
fn a_loaded_execution_is_fed_and_not_replayed() {
    thread_local! {
        static ENTERED: RefCell<u32> = const { RefCell::new(0) };
    }
    #[orchestrator(allow(shared_state, reason = "counts what happens to this code"))]
    async fn enters_once() -> u32 {
        ENTERED.with_borrow_mut(|entered| *entered += 1);
        double(1).await + double(2).await + double(3).await
    }
    let (mut run, _) = Run::of(enters_once());
    run.turn(vec![completed(1, 1)]);
    run.turn(vec![completed(2, 1)]);
    assert_eq!(output::<u32>(&run.turn(vec![completed(3, 1)])), 3);
    assert_eq!(ENTERED.with_borrow(|entered| *entered), 1);
    run.replayed();
    assert_eq!(ENTERED.with_borrow(|entered| *entered), 2);
}
