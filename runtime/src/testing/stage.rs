//! What stands in for activities, and in which order their answers come.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, pending};
use tokio::sync::{Notify, oneshot};

use crate::activity;
use crate::kernel::failure::Failure;
use crate::kernel::function::Recorded;
use crate::kernel::payload::{Excerpt, Payload};
use crate::kernel::registration::Registration;
use crate::lock::{Held, Lock, Order};
use crate::registry::OWN;

/// A mock on recorded values; a text when it has no answer.
type Answer = Box<dyn FnMut(Payload) -> Result<Recorded, String> + Send>;

/// What happens when an activity is called.
#[derive(Clone)]
pub(super) enum Mock {
    Answer(Arc<Lock<Answer>>),
    Async(Arc<dyn Fn(Payload) -> BoxFuture<'static, Recorded> + Send + Sync>),
    Real,
    /// One of the library's own runs too, but waits by the clock of the test only, which passes meanwhile.
    Own,
    Never,
}

impl Mock {
    pub(super) fn answer(answer: impl FnMut(Payload) -> Result<Recorded, String> + Send + 'static) -> Self {
        Self::Answer(Arc::new(Lock::new(Order::User, Box::new(answer))))
    }
}

/// The activities of a test.
#[derive(Default)]
pub(super) struct Stage {
    inner: Lock<Inner>,
    ended: Notify,
}

#[derive(Default)]
struct Inner {
    mocks: HashMap<&'static str, Mock>,
    /// The inputs of all attempts, in their order.
    calls: HashMap<&'static str, Vec<Payload>>,
    /// Attempts that have their answer and wait for their turn to give it.
    ready: BTreeMap<u64, (String, oneshot::Sender<()>)>,
    last: u64,
    /// Activities that run for real.
    running: usize,
    /// Why the test cannot go on.
    problem: Option<String>,
}

impl Stage {
    fn lock(&self) -> Held<'_, Inner> {
        self.inner.lock()
    }

    pub(super) fn mock(&self, name: &'static str, mock: Mock) {
        self.lock().mocks.insert(name, mock);
    }

    pub(super) fn calls(&self, name: &str) -> Vec<Payload> {
        self.lock().calls.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// The attempts whose answers can come next, the first called first.
    pub(super) fn ready(&self) -> Vec<(u64, String)> {
        self.lock().ready.iter().map(|(number, (label, _))| (*number, label.clone())).collect()
    }

    /// Lets an attempt give its answer.
    pub(super) fn release(&self, number: u64) {
        if let Some((_, release)) = self.lock().ready.remove(&number) {
            let _ = release.send(());
        }
    }

    /// Whether activities run for real.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().running > 0
    }

    /// Waits until an activity that runs for real has ended.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Runs an activity as the test wants it.
    pub(super) fn perform(self: &Arc<Self>, activity: Registration, input: Payload) -> BoxFuture<'static, Recorded> {
        let stage = self.clone();
        async move {
            let name = activity.name();
            let label = format!("`{name}` with {} of `{}`", Excerpt(input.as_str()), activity::instance_id());
            let mock = {
                let mut inner = stage.lock();
                inner.calls.entry(name).or_default().push(input.clone());
                let own = name.starts_with(OWN).then_some(Mock::Own);
                inner.mocks.get(name).cloned().or(own)
            };
            let answer = match mock {
                Some(Mock::Answer(answer)) => {
                    let mut answer = answer.lock();
                    match catch_unwind(AssertUnwindSafe(|| answer(input))) {
                        Ok(answered) => answered,
                        Err(panic) => Ok(Err(Failure::panic(&*panic))),
                    }
                }
                Some(Mock::Async(answer)) => Ok(answer(input).await),
                Some(Mock::Own) => Ok(activity.run(input).await),
                Some(Mock::Real) => {
                    stage.lock().running += 1;
                    let _running = Running(&stage);
                    Ok(activity.run(input).await)
                }
                Some(Mock::Never) => pending().await,
                None => Err(format!(
                    "the activity `{name}` was called with {} and is not mocked; say what it answers with \
                     `harness.mock({name}, |input| ..)`, or let its body run with `harness.real({name})`",
                    Excerpt(input.as_str())
                )),
            };
            match answer {
                Ok(answer) => {
                    Ready::wait(&stage, label).await;
                    answer
                }
                Err(problem) => {
                    stage.lock().problem.get_or_insert(problem);
                    pending().await
                }
            }
        }
        .boxed()
    }
}

/// An activity that runs for real, until it has ended or was cancelled.
struct Running<'s>(&'s Stage);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.ended.notify_one();
    }
}

/// The place of an attempt among those that are ready.
struct Ready<'s> {
    stage: &'s Stage,
    number: u64,
}

impl<'s> Ready<'s> {
    /// Takes a place and waits for its turn.
    async fn wait(stage: &'s Stage, label: String) {
        let (release, released) = oneshot::channel();
        let number = {
            let mut inner = stage.lock();
            inner.last += 1;
            let number = inner.last;
            inner.ready.insert(number, (label, release));
            number
        };
        let _place = Self { stage, number };
        let _ = released.await;
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.stage.lock().ready.remove(&self.number);
    }
}
