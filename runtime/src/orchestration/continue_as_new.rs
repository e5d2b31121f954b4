//! The end of one execution of an orchestration, and the start of the next.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::kernel::engine::scope::{self, Scope};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::Function;
use crate::kernel::payload::Payload;
use crate::kernel::registration::Registration;
use crate::orchestration::child::Orchestration;
use crate::orchestration::durable::Durable;

/// Ends this execution of the orchestration and starts the next one, as the given call. It never returns.
///
/// The instance keeps its id, its parent, its custom status and the events that were raised and not taken yet. Its history is deleted
/// in the transaction that starts the next execution, so that an orchestration without an end keeps a size. Calls that
/// still run are cancelled.
///
/// Its value has the type that the called orchestrator returns, so that it stands where the orchestrator returns one; in any other
/// place write `return continue_as_new(..).await`. An orchestrator with another return type would end the instance with a value that
/// nobody expects: the compiler refuses it at a `return`, and where it cannot see it the orchestration fails.
///
/// # Panics
/// When it is awaited outside an orchestrator.
///
/// ```standalone_crate
/// # use std::time::Duration;
/// # #[dacapo::activity] async fn is_ready(job: String, round: u32) -> bool { round == 3 }
/// # const PAUSE: Duration = Duration::from_millis(1);
/// #[dacapo::orchestrator]
/// async fn monitor(job: String, round: u32) -> u32 {
///     if is_ready(job.clone(), round).await {
///         return round;
///     }
///     dacapo::sleep(PAUSE).await;
///     dacapo::continue_as_new(monitor(job, round + 1)).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = dacapo::Runtime::open("memory:").await?;
/// let run = runtime.start(monitor("backup".into(), 1)).await?;
/// assert_eq!(run.result().await?, 3);
/// assert_eq!(run.status().await?.execution(), 3);
/// # Ok(())
/// # }
/// ```
pub fn continue_as_new<F: Function>(next: Orchestration<F>) -> ContinueAsNew<F> {
    let (input, id) = next.into_request();
    let input = match id {
        None => input,
        Some(id) => {
            let message = format!(
                "the next execution keeps its instance id; remove `.id(\"{id}\")` from `continue_as_new({}(..))`",
                F::NAME
            );
            Err(Failure::new(FailureKind::Runtime, message).non_retryable())
        }
    };
    ContinueAsNew { input: Some(input), function: PhantomData }
}

/// The end of an execution, from [`continue_as_new`].
///
/// # Cancel safety
/// This future is not cancel safe: when it is dropped after its first poll, the execution still ends and the next one starts, even if
/// the orchestrator returns.
#[must_use = "nothing continues until it is awaited"]
pub struct ContinueAsNew<F: Function> {
    input: Option<Result<Payload, Failure>>,
    function: PhantomData<fn() -> F>,
}

impl<F: Function> Future for ContinueAsNew<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(input) = self.input.take() {
            scope::with(|scope| ask(scope, Registration::orchestrator::<F>(), input)).unwrap_or_else(|| {
                panic!(
                    "`dacapo::continue_as_new({}(..))` was awaited outside an `#[orchestrator]`, where nothing can continue",
                    F::NAME
                )
            });
        }
        Poll::Pending
    }
}

#[diagnostic::do_not_recommend]
impl<F: Function> Durable for ContinueAsNew<F> {}

/// The first to ask is heard.
fn ask(scope: &mut Scope, next: Registration, input: Result<Payload, Failure>) {
    let checked = input.and_then(|input| {
        if next.output() == scope.orchestrator.output() {
            return Ok(input);
        }
        let message = format!(
            "`{}` cannot continue as `{}`, which returns another type: whoever waits for the instance expects the type of the first; \
             call `{1}` as a sub-orchestration, or give both one return type",
            scope.orchestrator.name(),
            next.name()
        );
        Err(Failure::new(FailureKind::Runtime, message).non_retryable())
    });
    match checked {
        Ok(input) => {
            scope.continuation.get_or_insert((next, input));
        }
        Err(failure) => {
            scope.fatal.get_or_insert(failure);
        }
    }
}
