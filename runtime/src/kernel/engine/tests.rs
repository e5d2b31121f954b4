//! The rules of the engine, each with a test that fails when the rule is broken. No executor, clock or store is needed.

mod cancellation;
mod events;
mod failures;
mod fan_out;
mod replay;
mod waking;

use std::time::Duration;

use futures::future::{Either, join_all, select};

use crate::kernel::engine::event::{CallId, Event as HistoryEvent, Turn};
use crate::kernel::engine::execution::{Action, Execution, TurnOutcome};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::Function;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::kernel::time::Timestamp;
use crate::orchestration::child::Orchestration;
use crate::{Retry, activity, orchestrator};

/// Doubles, in theory: here the tests give the results.
#[activity]
async fn double(n: u32) -> u32 {
    2 * n
}

#[activity(retry = Retry::fixed(Duration::from_secs(5)).max_attempts(3))]
async fn fragile(n: u32) -> Result<u32, String> {
    Ok(n)
}

/// An execution and the history it makes.
struct Run {
    orchestrator: Registration,
    execution: Execution,
    history: Vec<Turn>,
    clock: i64,
}

impl Run {
    fn of<F: Function>(call: Orchestration<F>) -> (Self, TurnOutcome) {
        let orchestrator = <Orchestration<F> as crate::Call>::REGISTRATION;
        let (input, _) = call.into_request();
        let input = input.expect("the input is JSON");
        let mut run = Self { orchestrator, execution: empty(orchestrator), history: Vec::new(), clock: 0 };
        let shape = orchestrator.shape();
        let started = HistoryEvent::ExecutionStarted {
            name: orchestrator.name().to_owned(),
            version: 1,
            input,
            shape,
            parent: None,
            continued: None,
            trace: None,
        };
        let progress = run.turn(vec![started]);
        (run, progress)
    }

    fn turn(&mut self, incoming: Vec<HistoryEvent>) -> TurnOutcome {
        self.clock += 1_000;
        let at = Timestamp(self.clock);
        let progress = self.execution.turn(at, incoming).expect("nothing outside woke it");
        self.history.push(Turn { at: progress.at, events: progress.events.clone() });
        progress
    }

    /// Everything again in a new execution, as after a restart.
    fn replayed(&self) -> Execution {
        let mut execution = empty(self.orchestrator);
        if let Err(mismatch) = execution.replay(self.history.clone()) {
            panic!("{mismatch}");
        }
        execution
    }
}

fn empty(orchestrator: Registration) -> Execution {
    Execution::new(orchestrator, "test".into(), Box::new(|| {}))
}

fn completed(id: CallId, result: impl serde::Serialize) -> HistoryEvent {
    HistoryEvent::TaskCompleted { id, result: Payload::encode(&result).expect("it is JSON") }
}

fn failed(id: CallId) -> HistoryEvent {
    HistoryEvent::TaskFailed { id, failure: Failure::new(FailureKind::Timeout, "late"), retry_at: None }
}

fn output<T: serde::de::DeserializeOwned>(progress: &TurnOutcome) -> T {
    match progress.events.last() {
        Some(HistoryEvent::ExecutionCompleted { result }) => result.decode().expect("the output has its type"),
        other => panic!("the orchestration has not completed but {other:?}"),
    }
}

fn activities(progress: &TurnOutcome) -> Vec<CallId> {
    let started = |action: &Action| match action {
        Action::StartActivity { id, .. } => Some(*id),
        _ => None,
    };
    progress.actions.iter().filter_map(started).collect()
}

#[orchestrator]
async fn all(n: u32) -> Vec<u32> {
    join_all((0..n).map(double)).await
}

#[orchestrator]
async fn race() -> String {
    match select(double(1), double(2)).await {
        Either::Left((n, _)) => format!("first {n}"),
        Either::Right((n, _)) => format!("second {n}"),
    }
}
