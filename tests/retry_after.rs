//! An error that says when to be tried again: the next attempt starts no earlier, and nobody else waits for it.

use std::fmt::{self, Display};
use std::time::Duration;

use dacapo::store::{Event, Timestamp, Turn};
use dacapo::testing::{Harness, crash_everywhere};
use dacapo::{Error, Failure, FailureKind, Result, Retry, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);
const PATIENT: Retry = Retry::fixed(SECOND).max_attempts(3);

#[activity(retry = PATIENT)]
async fn ask(n: u32) -> Result<u32> {
    Ok(n)
}

#[orchestrator]
async fn asks(n: u32) -> Result<u32> {
    ask(n).await
}

fn later(wait: Duration) -> Error {
    Error::msg("too many requests").retry_after(wait)
}

/// When each failed attempt of the only call was recorded, and when the next was to start.
fn retries(history: &[Turn]) -> Vec<(Timestamp, Option<Timestamp>)> {
    let failed = |turn: &Turn| match turn.events.first()? {
        Event::TaskFailed { retry_at, .. } => Some((turn.at, *retry_at)),
        _ => None,
    };
    history.iter().filter_map(failed).collect()
}

#[test]
fn the_next_attempt_waits_as_long_as_the_error_says_and_as_the_policy_does() {
    let harness = Harness::new();
    // Of the error's wait and the policy's, the longer.
    harness.mock_sequence(ask, [Err(later(30 * SECOND)), Err(later(SECOND / 10)), Ok(7)]);
    let run = harness.start(asks(1));
    assert_eq!(run.result().expect("the third answers"), 7);
    assert_eq!(harness.elapsed(), 31 * SECOND);
    let waits: Vec<_> = retries(&run.history()).into_iter().map(|(at, next)| next.expect("a time").since(at)).collect();
    assert_eq!(waits, [30 * SECOND, SECOND], "the decisions are recorded");
    run.replay();
}

#[test]
fn no_attempt_is_made_that_the_policy_does_not_allow() {
    let harness = Harness::new();
    harness.mock(ask, |_| Err(later(10 * SECOND)));
    assert_eq!(harness.run(asks(1)).expect_err("it never answers").to_string(), "too many requests");
    assert_eq!((harness.calls(ask).len(), harness.elapsed()), (3, 20 * SECOND));

    #[orchestrator]
    async fn in_time(limit: Duration) -> Result<u32> {
        ask(1).retry(PATIENT.retry_timeout(limit)).await
    }
    for (limit, attempts) in [(9 * SECOND, 1), (10 * SECOND, 2), (19 * SECOND, 2), (20 * SECOND, 3)] {
        let harness = Harness::new();
        harness.mock(ask, |_| Err(later(10 * SECOND)));
        assert!(harness.run(in_time(limit)).is_err());
        assert_eq!(harness.calls(ask).len(), attempts, "{limit:?}");
    }

    let harness = Harness::new();
    harness.mock(ask, |_| Err(later(Duration::MAX)));
    assert!(harness.run(in_time(SECOND)).is_err(), "a wait without end is over before it begins");
}

#[derive(Debug, Serialize, Deserialize)]
enum PayError {
    Declined,
    TryLater { why: Failure },
    Other(Vec<Error>),
}

impl Display for PayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<Failure> for PayError {
    fn from(why: Failure) -> Self {
        Self::TryLater { why }
    }
}

#[activity(retry = PATIENT)]
async fn pay(n: u32) -> Result<u32, PayError> {
    Ok(n)
}

#[orchestrator]
async fn pays() -> Result<u32, PayError> {
    pay(1).await
}

#[test]
fn an_error_type_of_ones_own_asks_by_what_it_holds() {
    let failure = || Failure::new(FailureKind::Application, "too many requests").retry_after(30 * SECOND);
    let all: [fn(Failure) -> PayError; 4] = [
        PayError::from,
        |why| PayError::Other(vec![Error::msg("first"), Error::from(why)]),
        |_| PayError::Other(vec![later(2 * SECOND), later(30 * SECOND), later(SECOND)]),
        |_| PayError::Declined,
    ];
    for (make, wait) in all.into_iter().zip([30, 30, 30, 1]) {
        let harness = Harness::new();
        harness.mock_sequence(pay, [Err(make(failure())), Ok(7)]);
        assert_eq!(harness.run(pays()).expect("the second answers"), 7);
        assert_eq!(harness.elapsed(), wait * SECOND);
    }
}

#[orchestrator]
async fn asks_by_another() -> Result<u32> {
    asks(1).retry(Retry::fixed(SECOND).max_attempts(2)).await
}

#[test]
fn a_sub_orchestration_that_fails_with_it_waits_too() {
    let harness = Harness::new();
    let no = || Err(later(30 * SECOND));
    harness.mock_sequence(ask, [no(), no(), no(), Ok(7)]);
    assert_eq!(harness.run(asks_by_another()).expect("the fourth answers"), 7);
    assert_eq!(harness.elapsed(), 90 * SECOND);
}

#[activity(retry = PATIENT, max_concurrent = 1)]
async fn narrow(n: u32) -> Result<u32> {
    Ok(n)
}

#[orchestrator]
async fn all_narrow(count: u32) -> Vec<Result<u32>> {
    join_all((0..count).map(narrow)).await
}

#[test]
fn no_place_is_held_while_it_waits() {
    let harness = Harness::new();
    let mut first = true;
    harness.mock(narrow, move |n| if std::mem::take(&mut first) { Err(later(30 * SECOND)) } else { Ok(n) });
    let run = harness.start(all_narrow(5));
    assert_eq!(harness.calls(narrow), [0, 1, 2, 3, 4], "the others do not wait for the first");
    assert!(run.result().expect("it ends").into_iter().all(|answer| answer.is_ok()));
    assert_eq!(harness.elapsed(), 30 * SECOND);
}

#[test]
fn a_crash_anywhere_changes_nothing_of_the_wait() {
    let waited = crash_everywhere(|harness| {
        harness.mock_sequence(ask, [Err(later(30 * SECOND)), Err(later(20 * SECOND)), Ok(7)]);
        let run = harness.start(asks(1));
        assert_eq!(run.result().expect("the third answers"), 7);
        run.replay();
        harness.elapsed()
    });
    assert_eq!(waited, 50 * SECOND);
}
