//! The library's own branches: fan-out with a window, join and select.

use super::*;

#[test]
fn a_fan_out_slides_at_every_end_and_keeps_input_order() {
    #[orchestrator]
    async fn limited(n: u32) -> Vec<u32> {
        crate::fan_out(0..n, double).limit(2).await
    }
    let (mut run, progress) = Run::of(limited(4));
    assert_eq!(activities(&progress), [1, 2]);
    assert_eq!(activities(&run.turn(vec![completed(2, 2)])), [3], "the window moves on although the first still runs");
    assert_eq!(activities(&run.turn(vec![completed(3, 4)])), [4]);
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(4, 6), completed(1, 0)])), [0, 2, 4, 6]);
    run.replayed();
}

#[test]
fn a_try_fan_out_stops_at_the_first_error_and_cancels_the_rest() {
    #[orchestrator]
    async fn limited(n: u32) -> Result<Vec<u32>, String> {
        crate::try_fan_out(0..n, |n| fragile(n).retry(Retry::none())).limit(3).await
    }
    let (mut run, _) = Run::of(limited(9));
    let progress = run.turn(vec![failed(2)]);
    assert!(
        matches!(progress.events.last(), Some(HistoryEvent::ExecutionFailed { failure }) if failure.message() == "late (call 2 of `fragile` with `1`)")
    );
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 | 3 }, Action::Cancel { id: 1 | 3 }]), "{progress:?}");

    let (mut run, _) = Run::of(limited(2));
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(2, 20), completed(1, 10)])), [10, 20]);
}

#[test]
fn select_takes_the_first_and_join_takes_all() {
    #[orchestrator]
    async fn chooses() -> (u32, u32, u32) {
        let first = crate::select! {
            n = double(1) => n,
            n = double(2) => n + 100,
            () = crate::sleep(Duration::from_secs(9)) => 0,
        };
        let (a, b) = crate::join!(double(3), async { double(4).await + 1 });
        (first, a, b)
    }
    let (mut run, progress) = Run::of(chooses());
    assert_eq!(activities(&progress), [1, 2]);
    let progress = run.turn(vec![completed(2, 4)]);
    assert_eq!(activities(&progress), [4, 5]);
    assert!(matches!(progress.actions[2..], [Action::Cancel { id: 1 }, Action::Cancel { id: 3 }]), "{progress:?}");
    assert_eq!(output::<(u32, u32, u32)>(&run.turn(vec![completed(5, 8), completed(4, 6)])), (104, 6, 9));
    run.replayed();
}
