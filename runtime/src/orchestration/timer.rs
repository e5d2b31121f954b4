//! Durable timers.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use pin_project_lite::pin_project;

use crate::kernel::engine::scope::{self, Call};
use crate::kernel::time::Timestamp;
use crate::orchestration::durable::Durable;

/// Waits for `duration`, however often the process is restarted meanwhile.
///
/// The moment it is due is recorded when the timer starts, at its first poll. It is wall-clock time to the microsecond; it
/// fires as soon as a worker runs after that moment. A clock that is set meanwhile is noticed within a minute. A duration that no clock
/// reaches, such as [`Duration::MAX`], waits for ever.
///
/// # Panics
/// When it is awaited outside an orchestrator.
///
/// ```
/// # use std::time::Duration;
/// #[dacapo::orchestrator]
/// async fn remind_tomorrow() {
///     dacapo::sleep(Duration::from_secs(24 * 3600)).await;
/// }
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { due: Deadline::After(duration), call: None, site: Location::caller() }
}

/// Waits until `time`. A time that has passed is due at once.
///
/// # Panics
/// When it is awaited outside an orchestrator.
#[track_caller]
pub fn sleep_until(time: SystemTime) -> Sleep {
    Sleep { due: Deadline::At(time.into()), call: None, site: Location::caller() }
}

/// Waits for `future`, at most for `duration`.
///
/// # Errors
/// [`Elapsed`] when the time runs out first; `future` is then dropped, which cancels it.
///
/// ```
/// # use std::time::Duration;
/// use dacapo::Event;
///
/// const APPROVAL: Event<bool> = Event::new("approval");
///
/// #[dacapo::orchestrator]
/// async fn approved_in_time() -> bool {
///     dacapo::timeout(Duration::from_secs(3600), APPROVAL.wait()).await.unwrap_or(false)
/// }
/// ```
#[track_caller]
pub fn timeout<F: Durable>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future: Some(future), sleep: sleep(duration) }
}

/// A timer, from [`sleep`] or [`sleep_until`].
///
/// # Cancel safety
/// This future is cancel safe: dropping it cancels only the timer. A new timer starts from the beginning.
#[must_use = "a timer does nothing until it is awaited"]
pub struct Sleep {
    due: Deadline,
    call: Option<Call>,
    site: &'static Location<'static>,
}

#[derive(Clone, Copy)]
enum Deadline {
    After(Duration),
    At(Timestamp),
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (due, site) = (self.due, self.site);
        let call = self.call.get_or_insert_with(|| {
            scope::with(|scope| match due {
                Deadline::After(duration) => scope.call_timer(scope.clock.after(duration), site),
                Deadline::At(time) => scope.call_timer(time, site),
            })
            .expect(
                "`dacapo::sleep` can only be awaited inside an `#[orchestrator]`; in an activity, use your executor's own sleep",
            )
        });
        call.poll(cx, "sleep").map(|_| ())
    }
}

#[diagnostic::do_not_recommend]
impl Durable for Sleep {}

pin_project! {
    /// A future and its deadline, from [`timeout`].
    ///
    /// # Cancel safety
    /// This future is as cancel safe as the one in it: dropping it drops that one and cancels the timer. A new timeout starts from the
    /// beginning.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: Option<F>,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(future) = this.future.as_mut().as_pin_mut()
            && let Poll::Ready(output) = future.poll(cx)
        {
            return Poll::Ready(Ok(output));
        }
        std::task::ready!(Pin::new(this.sleep).poll(cx));
        this.future.set(None);
        Poll::Ready(Err(Elapsed(())))
    }
}

#[diagnostic::do_not_recommend]
impl<F: Durable> Durable for Timeout<F> {}

/// A [`timeout`] ran out before its future completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for Elapsed {}
