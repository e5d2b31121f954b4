//! External events: the way the outside speaks to a running orchestration.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::kernel::engine::poison::Poison;
use crate::kernel::engine::scope::{self, Arrived, Wait};
use crate::kernel::failure::Failure;
use crate::kernel::function::Storable;
use crate::orchestration::durable::Durable;

/// An external event: a name, and the type of what it carries. Declared once, used by orchestrators and clients.
///
/// Events of one name are kept in the order they were raised. One that is raised before anybody waits stays until
/// somebody does; one given to a wait that is then dropped goes to the next.
///
/// ```
/// use dacapo::Event;
///
/// const APPROVAL: Event<bool> = Event::new("approval");
///
/// #[dacapo::orchestrator]
/// async fn approved() -> bool { APPROVAL.wait().await }
/// ```
#[derive(Debug)]
pub struct Event<T> {
    name: &'static str,
    carries: PhantomData<fn() -> T>,
}

impl<T> Event<T> {
    /// The event called `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, carries: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: Storable> Event<T> {
    /// Waits for the next event of this name.
    ///
    /// A value that cannot be read as `T` parks the orchestration with a report, until the event is put aside with
    /// [`Resume::without_event`](crate::Resume::without_event) or a build runs that reads it; see also [`checked`](EventWait::checked).
    ///
    /// # Panics
    /// When it is awaited outside an orchestrator.
    pub fn wait(&self) -> EventWait<T> {
        EventWait { name: self.name, wait: Wait::default(), carries: PhantomData }
    }
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Event<T> {}

/// A wait for an event, from [`Event::wait`].
///
/// # Cancel safety
/// This future is cancel safe: when it is dropped before it completes, no event is lost; the next wait takes it.
#[must_use = "a wait does nothing until it is awaited"]
pub struct EventWait<T> {
    name: &'static str,
    wait: Wait,
    carries: PhantomData<fn() -> T>,
}

impl<T: Storable> EventWait<T> {
    /// The same wait, but an unreadable value is a failure instead of parking the orchestration.
    pub fn checked(self) -> CheckedWait<T> {
        CheckedWait(self)
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Box<Poison>>> {
        self.wait.poll(cx, self.name, |payload| payload.decode::<T>().map(drop)).map(|Arrived { number, payload }| {
            let unreadable = |failure| Box::new(Poison { name: self.name.to_owned(), number, failure });
            payload.decode().map_err(unreadable)
        })
    }
}

impl<T: Storable> Future for EventWait<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match std::task::ready!(self.poll_value(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(unreadable) => {
                scope::poison(*unreadable);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for EventWait<T> {
    fn drop(&mut self) {
        self.wait.leave(self.name);
    }
}

#[diagnostic::do_not_recommend]
impl<T: Storable> Durable for EventWait<T> {}

/// A wait whose unreadable value is a failure, from [`EventWait::checked`].
///
/// # Cancel safety
/// This future is cancel safe: when it is dropped before it completes, no event is lost; the next wait takes it.
#[must_use = "a wait does nothing until it is awaited"]
pub struct CheckedWait<T>(EventWait<T>);

impl<T: Storable> Future for CheckedWait<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let name = self.0.name;
        self.0
            .poll_value(cx)
            .map_err(|unreadable| unreadable.failure.context(format!("the value of the event `{name}` cannot be read")))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Storable> Durable for CheckedWait<T> {}
