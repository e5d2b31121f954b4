//! What the attributes emit: a marker type per annotated function, and how its values are recorded.

mod probe;
mod returned;
mod stored;

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::kernel::barrier;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::limits::Throttle;
use crate::kernel::payload::Payload;
use crate::kernel::retry::Retry;

pub use probe::{Distinct, ErrorProbe, IsDistinct, NotResult, NotStdError, Probe};
pub use returned::{Kind, Recorded, Returned, Sides};
pub(crate) use stored::Storable;
pub use stored::{Decoder, Encoder, Stored, StoredError};

/// An annotated function, as the engine sees it. Implemented by `#[activity]` and `#[orchestrator]` on a hidden type.
pub trait Function: Send + Sync + 'static {
    /// The name it is registered under.
    const NAME: &'static str;
    /// Where it is written.
    const SITE: Site;
    /// The version of an orchestrator.
    const VERSION: u32 = 1;
    /// A hash of its source; tells builds apart whose orchestrators differ.
    const SHAPE: u64 = 0;
    /// Its arguments as a tuple.
    type Input: Send + 'static;
    /// Its declared return type.
    type Output: Send + 'static;
    /// How that return type is recorded.
    type Kind: Returned<Self::Output>;

    /// How its arguments are written and read.
    fn codec() -> Codec<Self::Input>;
    /// The body.
    fn call(input: Self::Input) -> impl Future<Output = Self::Output> + Send;
    /// The arguments of the attribute.
    fn options() -> Options {
        Options::new()
    }
    /// How much of it may be done.
    fn throttle() -> Throttle {
        Throttle::new()
    }

    /// The recorded form of the arguments.
    fn encode(input: &Self::Input) -> Result<Payload, Failure> {
        (Self::codec().encode)(input)
    }

    /// The arguments from their recorded form.
    fn decode(payload: &Payload) -> Result<Self::Input, Failure> {
        (Self::codec().decode)(payload)
    }
}

/// Both directions of the arguments. One value, so that an argument that cannot be stored is one error.
pub struct Codec<I> {
    /// To their recorded form.
    pub encode: fn(&I) -> Result<Payload, Failure>,
    /// From it.
    pub decode: fn(&Payload) -> Result<I, Failure>,
}

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What an attribute says of a function beyond its signature.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) retry: Retry,
    pub(crate) retry_if: Option<Predicate>,
    pub(crate) limits: Limits,
}

/// How long an attempt of an activity may take, in all and without a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
}

impl Options {
    /// One attempt, no timeout.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry: Retry::none(), retry_if: None, limits: Limits { timeout: None, heartbeat: None } }
    }

    /// When to try again.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Which errors of the function to try again.
    #[must_use]
    pub fn retry_if<F, T, E>(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        F: Function<Output = Result<T, E>>,
        E: DeserializeOwned,
    {
        self.retry_if = Some(Predicate(Some(Arc::new(move |failure| {
            let error = failure.payload().filter(|_| failure.kind() == FailureKind::Application);
            error.is_none_or(|error| error.decode().map_or(true, |error: E| predicate(&error)))
        }))));
        self
    }

    /// Whether another attempt may mend the failure.
    pub(crate) fn retries(&self, failure: &Failure) -> bool {
        failure.is_retryable() && self.retry_if.as_ref().is_none_or(|predicate| predicate.holds(failure))
    }

    /// How long one attempt may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// How long one attempt may be without a heartbeat.
    #[must_use]
    pub const fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.limits.heartbeat = Some(timeout);
        self
    }
}

/// A question about an error, asked of its recorded form.
#[derive(Clone)]
pub(crate) struct Predicate(Option<Arc<Holds>>);

type Holds = dyn Fn(&Failure) -> bool + Send + Sync;

impl Drop for Predicate {
    fn drop(&mut self) {
        barrier::dispose("a `retry_if` predicate", self.0.take());
    }
}

impl Predicate {
    /// Whether it is true of a failure. One that panics is not, so that the failure is final.
    fn holds(&self, failure: &Failure) -> bool {
        barrier::run(|| self.0.as_ref().is_some_and(|predicate| predicate(failure))).unwrap_or_else(|_| {
            tracing::error!("a `retry_if` predicate panicked; the call is not retried; the panic hook has printed the message");
            false
        })
    }
}

impl std::fmt::Debug for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Predicate")
    }
}
