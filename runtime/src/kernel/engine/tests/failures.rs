//! Failures that have no place in a type, panics, and time.

use super::*;

#[test]
fn a_failure_without_a_place_ends_the_orchestration() {
    let (mut run, _) = Run::of(all(2));
    let progress = run.turn(vec![failed(2)]);
    let Some(HistoryEvent::ExecutionFailed { failure }) = progress.events.last() else { panic!("{progress:?}") };
    assert!(failure.message().contains("`double` failed") && failure.causes() == ["late"], "{failure:?}");
    assert!(matches!(progress.actions[..], [Action::Cancel { id: 1 }]), "{progress:?}");
    run.replayed();
}

#[test]
fn a_panic_of_the_orchestrator_is_its_failure() {
    #[orchestrator]
    async fn stumbles(n: u32) -> u32 {
        assert!(double(n).await == 0, "{n} is not zero");
        n
    }
    let (mut run, _) = Run::of(stumbles(1));
    let progress = run.turn(vec![completed(1, 2)]);
    let Some(HistoryEvent::ExecutionFailed { failure }) = progress.events.last() else { panic!("{progress:?}") };
    assert_eq!((failure.kind(), failure.message()), (FailureKind::Panic, "1 is not zero"));
}

#[test]
fn time_never_runs_backwards_and_uuids_repeat() {
    #[orchestrator]
    async fn looks(_n: u32) -> (Duration, crate::Payload) {
        let before = crate::now();
        double(1).await;
        let uuid = Payload::encode(&crate::new_uuid().to_string()).expect("it is JSON");
        (crate::now().duration_since(before).expect("time does not run backwards"), uuid)
    }
    let (mut run, _) = Run::of(looks(1));
    run.clock = -1_000_000_000;
    let first = output::<(Duration, Payload)>(&run.turn(vec![completed(1, 2)]));
    assert_eq!(first.0, Duration::ZERO);
    run.replayed();
}

#[test]
fn a_clock_that_jumps_makes_no_timer_late_and_no_replay_differ() {
    #[orchestrator]
    async fn naps() -> Duration {
        let before = crate::now();
        for _ in 0..3 {
            crate::sleep(Duration::from_secs(10)).await;
        }
        crate::now().duration_since(before).expect("time does not run backwards")
    }
    const HOUR: i64 = 3_600_000_000;
    let (mut run, progress) = Run::of(naps());
    let due = |progress: &TurnOutcome, clock: i64| {
        let [Action::StartTimer { fire_at, .. }] = progress.actions[..] else { panic!("{progress:?}") };
        assert_eq!(fire_at, Timestamp(clock).after(Duration::from_secs(10)), "ten seconds by the clock of the machine");
    };
    due(&progress, run.clock);
    run.clock += HOUR;
    due(&run.turn(vec![HistoryEvent::TimerFired { id: 1 }]), run.clock);
    run.clock -= 2 * HOUR;
    due(&run.turn(vec![HistoryEvent::TimerFired { id: 2 }]), run.clock);
    run.replayed();
    let slept = output::<Duration>(&run.turn(vec![HistoryEvent::TimerFired { id: 3 }]));
    assert!(slept >= Duration::from_secs(3600), "what the orchestrator has seen stays: {slept:?}");
    run.replayed();
}
