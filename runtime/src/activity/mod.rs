//! What the body of an activity can ask.

mod signals;
mod sink;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::bounds::encode_shown;
use crate::kernel::payload::Payload;
use crate::kernel::trace::TraceContext;
pub(crate) use signals::Signals;
pub(crate) use sink::Sink;

/// What one attempt knows of itself.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) instance: Arc<str>,
    pub(crate) key: String,
    pub(crate) number: u32,
    pub(crate) state: Arc<States>,
    pub(crate) signals: Arc<Signals>,
    /// What the attempt before said last.
    pub(crate) last_heartbeat: Option<Payload>,
    /// What the orchestration is part of.
    pub(crate) trace: Option<Box<TraceContext>>,
}

/// The values given to [`Builder::state`](crate::Builder::state), one of each type.
#[derive(Clone, Default)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }
}

tokio::task_local! {
    static ATTEMPT: Attempt;
}

/// Runs `body` as `attempt`.
pub(crate) fn scope<F: Future>(attempt: Attempt, body: F) -> impl Future<Output = F::Output> {
    ATTEMPT.scope(attempt, body)
}

/// The value of type `T` that was given to the runtime, in an activity that it runs.
#[cfg(feature = "schedules")]
pub(crate) fn find_state<T: Send + Sync + 'static>() -> Option<Arc<T>> {
    ATTEMPT.try_with(|attempt| attempt.state.get::<T>()).ok().flatten()
}

/// The number of this attempt, counted from 1. An attempt that a crash interrupted is made again under the same number.
///
/// 1 outside a runtime.
#[must_use]
pub fn attempt() -> u32 {
    ATTEMPT.try_with(|attempt| attempt.number).unwrap_or(1)
}

/// A key that is the same for every attempt of this call, after a retry and after a crash, and for no other call of the
/// database. Give it to a service that can tell a repeated request from a new one.
///
/// # Panics
/// Outside a runtime, where nothing makes a call unique.
#[must_use]
pub fn idempotency_key() -> String {
    ATTEMPT.try_with(|attempt| attempt.key.clone()).unwrap_or_else(|_| outside("idempotency_key"))
}

/// The id of the orchestration that called this activity.
///
/// # Panics
/// Outside a runtime.
#[must_use]
pub fn instance_id() -> String {
    ATTEMPT.try_with(|attempt| attempt.instance.to_string()).unwrap_or_else(|_| outside("instance_id"))
}

/// The call that the orchestration of this activity is part of, as its [start](crate::Start::trace_context) said, to be passed on to what
/// the activity calls. Sub-orchestrations have that of their caller. Nothing when the start said nothing, or outside a runtime.
///
/// ```
/// # fn get(url: &str) -> Vec<(&'static str, String)> { Vec::new() }
/// #[dacapo::activity]
/// async fn fetch(url: String) -> usize {
///     let mut headers = get(&url);
///     if let Some(trace) = dacapo::activity::trace_context() {
///         headers.push(("traceparent", trace.traceparent().to_owned()));
///     }
///     headers.len()
/// }
/// ```
#[must_use]
pub fn trace_context() -> Option<TraceContext> {
    ATTEMPT.try_with(|attempt| attempt.trace.as_deref().cloned()).ok().flatten()
}

/// Resolves when nobody waits for this activity any more: its call was dropped, its orchestration has ended or was terminated, or it
/// has used up its timeout.
///
/// An activity is then dropped at its next await. One that has called this before is told first, and has the
/// [grace period](crate::Builder::cancel_grace) to clean up; its result counts for nothing. Never resolves outside a runtime.
///
/// # Cancel safety
/// This function is cancel safe: a later future resolves as well.
///
/// ```
/// # async fn copy() {}
/// # async fn remove_half_a_copy() {}
/// #[dacapo::activity]
/// async fn upload(file: String) {
///     let cancelled = dacapo::activity::cancelled();
///     futures::pin_mut!(cancelled);
///     let copying = Box::pin(copy());
///     if let futures::future::Either::Left(_) = futures::future::select(cancelled, copying).await {
///         remove_half_a_copy().await;
///     }
/// }
/// ```
pub fn cancelled() -> impl Future<Output = ()> + Send + 'static {
    let signals = ATTEMPT.try_with(|attempt| attempt.signals.clone()).ok();
    if let Some(signals) = &signals {
        signals.listen();
    }
    async move {
        match signals {
            Some(signals) => signals.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

/// Whether nobody waits for this activity any more, as [`cancelled`] tells: for an activity that is a plain `fn`, which cannot be
/// dropped and ends only by itself.
#[must_use]
pub fn is_cancelled() -> bool {
    let asked = ATTEMPT.try_with(|attempt| {
        attempt.signals.listen();
        attempt.signals.is_cancelled()
    });
    asked.unwrap_or(false)
}

/// Tells that this activity is alive, and how far it is. With a `heartbeat_timeout` an attempt that has not told it for so long is
/// given up and tried again.
///
/// The next attempt, after a failure or a crash, finds the details by [`last_heartbeat`]. They are written at most once a second, so
/// this is cheap to call often, and a crash may lose those of the last second. Does nothing outside a runtime.
///
/// # Panics
/// When the details cannot be encoded as JSON, or are longer than 64 KiB. The attempt then fails with a
/// [`Codec`](crate::FailureKind::Codec) failure that says why.
///
/// ```
/// #[dacapo::activity(heartbeat_timeout = std::time::Duration::from_secs(30))]
/// async fn import(rows: Vec<String>) {
///     let done = dacapo::activity::last_heartbeat::<usize>().unwrap_or(0);
///     for (n, row) in rows.iter().enumerate().skip(done) {
///         println!("{row}");
///         dacapo::activity::heartbeat(&(n + 1));
///     }
/// }
/// ```
pub fn heartbeat<T: Serialize>(details: &T) {
    let _ = ATTEMPT.try_with(|attempt| match encode_shown("the details of a heartbeat", details) {
        Ok(details) => attempt.signals.heartbeat(details),
        // `Failure::panic` gives it back.
        Err(failure) => std::panic::resume_unwind(Box::new(failure)),
    });
}

/// What an earlier attempt of this call said last by [`heartbeat`]. Nothing in the first attempt, or when that was no `T`.
#[must_use]
pub fn last_heartbeat<T: DeserializeOwned>() -> Option<T> {
    let last = ATTEMPT.try_with(|attempt| attempt.last_heartbeat.clone()).ok().flatten()?;
    let decoded: Result<T, crate::Failure> = last.decode();
    decoded
        .map_err(|_| {
            tracing::warn!(wanted = std::any::type_name::<T>(), "the details of an earlier heartbeat are of another type")
        })
        .ok()
}

fn outside(what: &str) -> ! {
    panic!("`dacapo::activity::{what}` was called outside an activity run by a `Runtime`")
}

/// The value of type `T` that was given to [`Builder::state`](crate::Builder::state): a database pool, an HTTP client.
///
/// # Panics
/// When there is none, naming the type. In an activity that is a failure of the attempt, not of the process.
///
/// ```standalone_crate
/// struct Greeting(&'static str);
///
/// #[dacapo::activity]
/// async fn greet(name: String) -> String {
///     format!("{}, {name}!", dacapo::state::<Greeting>().0)
/// }
///
/// #[dacapo::orchestrator]
/// async fn hello() -> String { greet("Ada".into()).await }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = dacapo::Runtime::builder("memory:").state(Greeting("Servus")).open().await?;
/// assert_eq!(runtime.start(hello()).await?.result().await?, "Servus, Ada!");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[track_caller]
pub fn state<T: Send + Sync + 'static>() -> Arc<T> {
    let found = ATTEMPT.try_with(|attempt| attempt.state.get::<T>()).ok().flatten();
    found.unwrap_or_else(|| {
        let name = std::any::type_name::<T>();
        panic!("no state of type `{name}` was registered; add it with `Runtime::builder(url).state(value)`")
    })
}

/// Runs the body of an activity that is a plain `fn` on tokio's pool for blocking work.
#[doc(hidden)]
pub async fn blocking<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let attempt = ATTEMPT.try_with(Clone::clone).ok();
    let body = move || match attempt {
        Some(attempt) => ATTEMPT.sync_scope(attempt, body),
        None => body(),
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return body();
    }
    match tokio::task::spawn_blocking(body).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The executor shuts down and did not start the work: the attempt never ends, and recovery makes it again.
        Err(_) => std::future::pending().await,
    }
}
