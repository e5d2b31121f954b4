//! When a failed attempt is tried again.

use std::time::Duration;

/// A retry policy: the wait before the second attempt, how it grows, where it stops.
///
/// Each wait is a durable timer: it survives a restart, and the decision is recorded, so that a policy can be changed
/// while orchestrations run. The fields are those of Durable Functions' `RetryPolicy`.
///
/// ```
/// use std::time::Duration;
/// use dacapo::Retry;
///
/// const NET: Retry = Retry::exponential(Duration::from_secs(5)).backoff(2.0).max_attempts(3).retry_timeout(Duration::from_secs(60));
/// assert_eq!(NET.delay_after(1), Some(Duration::from_secs(5)));
/// assert_eq!(NET.delay_after(2), Some(Duration::from_secs(10)));
/// assert_eq!(NET.delay_after(3), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    first_interval: Duration,
    backoff: f64,
    max_interval: Duration,
    max_attempts: u32,
    jitter: f64,
    retry_timeout: Duration,
}

impl Retry {
    const BASE: Self = Self {
        first_interval: Duration::ZERO,
        backoff: 1.0,
        max_interval: Duration::from_secs(3600),
        max_attempts: 1,
        jitter: 0.0,
        retry_timeout: Duration::MAX,
    };

    /// No second attempt. This is the default.
    #[must_use]
    pub const fn none() -> Self {
        Self::BASE
    }

    /// Waits `first_interval`, then twice as long each time, at most an hour; five attempts in all.
    #[must_use]
    pub const fn exponential(first_interval: Duration) -> Self {
        Self { first_interval, backoff: 2.0, max_attempts: 5, ..Self::BASE }
    }

    /// Waits `interval` each time; five attempts in all.
    #[must_use]
    pub const fn fixed(interval: Duration) -> Self {
        Self { first_interval: interval, backoff: 1.0, max_interval: interval, max_attempts: 5, ..Self::BASE }
    }

    /// The factor from one wait to the next. Values below 1 count as 1.
    #[must_use]
    pub const fn backoff(mut self, factor: f64) -> Self {
        self.backoff = factor;
        self
    }

    /// The longest wait of the policy. An error that [asks for a longer one](crate::Error::retry_after) gets it.
    #[must_use]
    pub const fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = interval;
        self
    }

    /// The number of attempts in all, the first included. 0 counts as 1.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Shortens each wait by a random part of it, at most by `fraction` (0 to 1), so that many calls that failed together do not come
    /// back together. The chance is made from the instance id, the call and the attempt: it is the same wherever it is asked.
    #[must_use]
    pub const fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction;
        self
    }

    /// The time for all attempts together, counted from the call: no attempt starts later. Durable Functions' `RetryTimeout`.
    #[must_use]
    pub const fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }

    /// The wait after the `attempt`-th attempt (1 is the first) has failed; `None` when that was the last one.
    #[must_use]
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let growth = self.backoff.max(1.0).powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let seconds = (self.first_interval.as_secs_f64() * growth).min(self.max_interval.as_secs_f64());
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.max_interval))
    }

    /// The same with jitter, for a call that was made `elapsed` ago and is to wait `at_least` so long. `chance` is at least 0 and
    /// below 1.
    pub(crate) fn delay_of(&self, attempt: u32, elapsed: Duration, chance: f64, at_least: Duration) -> Option<Duration> {
        let longest = self.delay_after(attempt)?;
        let part = 1.0 - self.jitter.clamp(0.0, 1.0) * chance;
        let delay = Duration::try_from_secs_f64(longest.as_secs_f64() * part).unwrap_or(longest).max(at_least);
        (elapsed.saturating_add(delay) <= self.retry_timeout).then_some(delay)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_has_jitter_and_a_deadline_too() {
        let patient = Retry::fixed(Duration::MAX).jitter(1.0).max_attempts(2);
        assert_eq!(patient.delay_of(1, Duration::MAX, 0.0, Duration::ZERO), Some(Duration::MAX));
        assert!(patient.delay_of(1, Duration::ZERO, 0.5, Duration::ZERO).is_some_and(|delay| delay < Duration::MAX));
        assert_eq!(patient.retry_timeout(Duration::from_secs(1)).delay_of(1, Duration::MAX, 0.0, Duration::ZERO), None);
    }
}
