//! External events: buffered, first in first out, never swallowed.

use super::*;
use crate::Event;

const NEWS: Event<u32> = Event::new("news");

fn raised(value: u32) -> HistoryEvent {
    HistoryEvent::EventRaised { name: "news".into(), input: Payload::encode(&value).expect("it is JSON") }
}

#[orchestrator]
async fn reads_three() -> Vec<u32> {
    let mut read = vec![NEWS.wait().await];
    double(0).await;
    read.push(NEWS.wait().await);
    read.push(NEWS.wait().await);
    read
}

#[test]
fn events_are_kept_in_order_until_somebody_asks() {
    let (mut run, _) = Run::of(reads_three());
    run.turn(vec![raised(1), raised(2), raised(3)]);
    assert_eq!(output::<Vec<u32>>(&run.turn(vec![completed(1, 0)])), [1, 2, 3]);
    run.replayed();
}

#[orchestrator]
async fn gives_up_then_asks_again() -> u32 {
    let _ = crate::timeout(Duration::from_secs(1), NEWS.wait()).await;
    NEWS.wait().await
}

#[test]
fn a_wait_that_was_given_up_swallows_nothing() {
    let (mut run, _) = Run::of(gives_up_then_asks_again());
    run.turn(vec![HistoryEvent::TimerFired { id: 1 }]);
    assert_eq!(output::<u32>(&run.turn(vec![raised(5)])), 5);

    // Given to a wait that is dropped in the same poll: it goes to the next.
    #[orchestrator]
    async fn drops_what_it_was_given() -> u32 {
        let waits = select(Box::pin(NEWS.wait()), Box::pin(NEWS.wait())).await;
        match waits {
            Either::Left((first, second)) => {
                drop(second);
                first + NEWS.wait().await
            }
            Either::Right(_) => 0,
        }
    }
    let (mut run, _) = Run::of(drops_what_it_was_given());
    assert_eq!(output::<u32>(&run.turn(vec![raised(1), raised(10)])), 11);
}

#[test]
fn a_turn_with_an_event_of_the_wrong_type_is_given_up_with_the_event_named() {
    let (mut run, _) = Run::of(gives_up_then_asks_again());
    let wrong = HistoryEvent::EventRaised { name: "news".into(), input: Payload::encode("text").expect("it is JSON") };
    let given_up = run.execution.turn(Timestamp(run.clock + 1_000), vec![wrong.clone()]).expect_err("it does not fit");
    assert_eq!(given_up.incoming, [wrong], "it is kept for the resumption");
    let report = given_up.report.text("an-id", false);
    for part in ["`news`", "\"text\"", "--without-event 1"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}
