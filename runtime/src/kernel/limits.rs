//! How much of an activity one process does at once, and how fast.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::kernel::barrier;
use crate::kernel::failure::Failure;
use crate::kernel::payload::Payload;

/// How often an activity may start, to protect the service it calls.
///
/// Starts are evenly spaced: `PerMinute(1000)` is one start every 60 ms, not a thousand at once and then none for a minute. (It is the
/// Generic Cell Rate Algorithm of ATM, without a burst.) No minute has more than 1,000 starts, wherever it begins, also across a
/// restart: a worker that takes over a store waits one spacing before its first call of each activity and key, since an
/// earlier worker may have started one just before. Starts are spaced 0.2 % wider than the rate, so that the service does not count more
/// either if some calls take a little longer than others to reach it. The limit is shared by all orchestrations of the process; calls
/// that must wait take no thread.
///
/// ```
/// use dacapo::{PerMinute, activity};
///
/// #[activity(rate_limit = PerMinute(1000))]
/// async fn geocode(address: String) -> dacapo::Result<(f64, f64)> {
///     # Ok((48.2, address.len() as f64))
///     // ..
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// So many starts in a second.
    PerSecond(u32),
    /// So many starts in a minute.
    PerMinute(u32),
    /// So many starts in an hour.
    PerHour(u32),
}

impl RateLimit {
    fn period(self) -> (u32, Duration) {
        match self {
            Self::PerSecond(count) => (count, Duration::from_secs(1)),
            Self::PerMinute(count) => (count, Duration::from_secs(60)),
            Self::PerHour(count) => (count, Duration::from_secs(3600)),
        }
    }
}

/// What limits can be counted by.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a `limit_key`",
    label = "needs `Display`",
    note = "limits are counted by the text of the key: give a `String`, a number or an id, such as `limit_key = item.tenant`"
)]
pub trait LimitKey {
    /// The key as text.
    fn limit_key(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> LimitKey for T {
    fn limit_key(&self) -> String {
        self.to_string()
    }
}

/// Finds the key of a call in its recorded arguments.
pub(crate) type Key = fn(&Payload) -> Result<String, Failure>;

/// What an attribute says of how much of an activity may be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    pub(crate) max_concurrent: Option<usize>,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) key: Option<Key>,
}

impl Throttle {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_concurrent: None, rate_limit: None, key: None }
    }

    /// How many run at once in one process.
    #[must_use]
    pub const fn max_concurrent(mut self, limit: usize) -> Self {
        self.max_concurrent = Some(limit);
        self
    }

    /// How often one may start in one process.
    #[must_use]
    pub const fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// What the limits are counted by, from the recorded arguments.
    #[must_use]
    pub const fn limit_key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether there are any.
    pub(crate) fn is_some(&self) -> bool {
        self.max_concurrent.is_some() || self.rate_limit.is_some()
    }

    /// The key of a call.
    pub(crate) fn key_of(&self, input: &Payload) -> Result<Option<Arc<str>>, Failure> {
        let Some(key) = self.key else { return Ok(None) };
        let key = barrier::run(|| key(input)).flatten();
        key.map(|key| Some(key.into())).map_err(|failure| failure.context("the `limit_key` of the call could not be found"))
    }

    /// Why these limits can never be kept and leave anything to be done.
    pub(crate) fn wrong(&self) -> Option<String> {
        if self.max_concurrent == Some(0) {
            return Some("its `max_concurrent` is 0; write 1 or more, or remove it".to_owned());
        }
        let limit = self.rate_limit.filter(|limit| limit.period().0 == 0)?;
        Some(format!("its `rate_limit` is {limit:?}; write 1 or more, or remove it"))
    }

    /// The time between two starts, so that in no period there are too many when each may be late by `late`.
    ///
    /// Let a call start at s; then the one that is `count` calls later starts at s - `late` + `count` spacings or later, which is s + the
    /// period + what calls may differ in on their way. A worker that takes over begins with a whole spacing after all earlier
    /// starts, so the same holds across it.
    pub(crate) fn spacing(&self, late: Duration) -> Option<Duration> {
        let (count, period) = self.rate_limit?.period();
        let on_the_way = period / 500;
        let micros = (period + late + on_the_way).as_micros().div_ceil(u128::from(count.max(1)));
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}
