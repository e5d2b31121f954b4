//! `join!`, `try_join!` and `select!`: several branches of one orchestrator, polled in place and in source order.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::Either;
use pin_project_lite::pin_project;

use crate::orchestration::durable::Durable;

/// Waits for several durable futures at once and gives their outputs as a tuple.
///
/// ```
/// # #[dacapo::activity] async fn price(item: u32) -> u64 { 1 }
/// # #[dacapo::activity] async fn stock(item: u32) -> u32 { 1 }
/// #[dacapo::orchestrator]
/// async fn offer(item: u32) -> (u64, u32) {
///     dacapo::join!(price(item), stock(item))
/// }
/// ```
///
/// # Cancel safety
/// Its future is not cancel safe: dropping it drops all branches, and the outputs of those that have completed are lost.
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::__private::futures::join!($($crate::Durable::durable($future)),+)
    };
}

/// Waits for several durable futures that return `Result`; the first error ends it and cancels the others.
///
/// ```
/// # #[dacapo::activity] async fn price(item: u32) -> dacapo::Result<u64> { Ok(1) }
/// # #[dacapo::activity] async fn stock(item: u32) -> dacapo::Result<u32> { Ok(1) }
/// #[dacapo::orchestrator]
/// async fn offer(item: u32) -> dacapo::Result<(u64, u32)> {
///     let (price, stock) = dacapo::try_join!(price(item), stock(item))?;
///     Ok((price, stock))
/// }
/// ```
///
/// # Cancel safety
/// Its future is not cancel safe: dropping it drops all branches, and the outputs of those that have completed are lost.
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {
        $crate::__private::futures::try_join!($($crate::Durable::durable($future)),+)
    };
}

/// Waits for the first of several durable futures. When two are ready, the one written first wins; the others are dropped,
/// which cancels them, before the arm runs.
///
/// ```
/// # use std::time::Duration;
/// # #[dacapo::activity] async fn fast(n: u32) -> u32 { n }
/// #[dacapo::orchestrator]
/// async fn hurry(n: u32) -> Option<u32> {
///     dacapo::select! {
///         answer = fast(n) => Some(answer),
///         _ = dacapo::sleep(Duration::from_secs(5)) => None,
///     }
/// }
/// ```
///
/// # Cancel safety
/// A branch that loses is dropped. Events, timers and futures that are polled by reference can be waited for again in a later `select!`;
/// calls, fan-outs and locks are not cancel safe, and each of these futures says so in its documentation.
#[macro_export]
macro_rules! select {
    ($($pattern:pat = $future:expr => $arm:expr),+ $(,)?) => {{
        let first = $crate::select!(@race $($future),+).await;
        $crate::select!(@take first, $($pattern => $arm),+)
    }};
    (@race $future:expr) => { $crate::Durable::durable($future) };
    (@race $future:expr, $($rest:expr),+) => {
        $crate::__private::First::new($crate::Durable::durable($future), $crate::select!(@race $($rest),+))
    };
    (@take $value:ident, $pattern:pat => $arm:expr) => {{
        let $pattern = $value;
        $arm
    }};
    (@take $value:ident, $pattern:pat => $arm:expr, $($rest_pattern:pat => $rest:expr),+) => {
        match $value {
            $crate::__private::futures::future::Either::Left($pattern) => $arm,
            $crate::__private::futures::future::Either::Right(rest) => {
                $crate::select!(@take rest, $($rest_pattern => $rest),+)
            }
        }
    };
}

pin_project! {
    /// The first of two, the left one when both are ready.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct First<A, B> {
        #[pin]
        left: A,
        #[pin]
        right: B,
    }
}

impl<A, B> First<A, B> {
    #[doc(hidden)]
    pub fn new(left: A, right: B) -> Self {
        Self { left, right }
    }
}

impl<A: Future, B: Future> Future for First<A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.left.poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        this.right.poll(cx).map(Either::Right)
    }
}

#[diagnostic::do_not_recommend]
impl<A: Durable, B: Durable> Durable for First<A, B> {}
