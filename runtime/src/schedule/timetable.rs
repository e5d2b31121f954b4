//! When a schedule fires.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The times at which a schedule fires: those of a cron pattern in a time zone, or one in every interval.
///
/// ```
/// use std::time::Duration;
/// use dacapo::Timetable;
///
/// let weekdays = Timetable::cron("0 8 * * MON-FRI").time_zone("Europe/Berlin");
/// let often = Timetable::every(Duration::from_secs(90)).jitter(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a timetable does nothing until it is given to a schedule"]
pub struct Timetable {
    when: When,
    time_zone: String,
    jitter: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum When {
    Cron(String),
    Every(Duration),
}

impl Timetable {
    /// The times of a cron pattern: five fields, or six that begin with the seconds, as the crate `croner` reads them.
    ///
    /// A fixed time that falls into the gap of a clock put forward fires right after the gap; one that comes twice when the clock is put
    /// back fires the first time. A pattern with a wildcard in its hours or minutes fires whenever the clock on the wall fits.
    pub fn cron(pattern: impl Into<String>) -> Self {
        Self { when: When::Cron(pattern.into()), time_zone: "UTC".to_owned(), jitter: Duration::ZERO }
    }

    /// One time in every interval, counted from 1970-01-01 UTC.
    pub fn every(interval: Duration) -> Self {
        Self { when: When::Every(interval), time_zone: "UTC".to_owned(), jitter: Duration::ZERO }
    }

    /// The time zone of the cron pattern, by its IANA name. Default: UTC. The rules of all zones are part of the program.
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.time_zone = name.into();
        self
    }

    /// Fires up to so much later, each time by another length that depends on the time alone. Default: none.
    pub fn jitter(mut self, longest: Duration) -> Self {
        self.jitter = longest;
        self
    }

    /// Says what is wrong with it, naming the field.
    pub(super) fn check(&self) -> Result<(), String> {
        self.next(Timestamp(0)).map(drop)
    }

    /// The first time after `after`; none when there is none in this era.
    pub(super) fn next(&self, after: Timestamp) -> Result<Option<Timestamp>, String> {
        match &self.when {
            When::Every(interval) => {
                let interval = micros(*interval)?;
                Ok(after.0.div_euclid(interval).checked_add(1).and_then(|n| n.checked_mul(interval)).map(Timestamp))
            }
            When::Cron(pattern) => self.search(pattern, after, Cron::find_next_occurrence),
        }
    }

    /// The last time up to `until`.
    pub(super) fn last(&self, until: Timestamp) -> Result<Option<Timestamp>, String> {
        match &self.when {
            When::Every(interval) => {
                let interval = micros(*interval)?;
                Ok(Some(Timestamp(until.0.div_euclid(interval) * interval)))
            }
            // The pattern knows whole seconds.
            When::Cron(pattern) => {
                let after = Timestamp(until.0.div_euclid(1_000_000).saturating_add(1).saturating_mul(1_000_000));
                self.search(pattern, after, Cron::find_previous_occurrence)
            }
        }
    }

    fn search(
        &self,
        pattern: &str,
        from: Timestamp,
        find: impl Fn(&Cron, &jiff::Zoned, bool) -> Result<jiff::Zoned, croner::errors::CronError>,
    ) -> Result<Option<Timestamp>, String> {
        let cron = CronParser::builder().seconds(Seconds::Optional).build().parse(pattern);
        let cron = cron.map_err(|error| {
            format!("`cron` is `{pattern}`, which is no pattern: {error}; write five fields, as in `0 8 * * MON-FRI`")
        })?;
        let zone = TimeZone::get(&self.time_zone).map_err(|_| {
            format!("`time_zone` is `{}`, which is no name of a time zone; write one as in `Europe/Berlin`", self.time_zone)
        })?;
        let from = jiff::Timestamp::from_microsecond(from.0).map_err(|error| format!("a time is out of range: {error}"))?;
        // That there is none is the one thing that can go wrong with a pattern that was read.
        let found = find(&cron, &from.to_zoned(zone), false).ok();
        Ok(found.map(|found| Timestamp(found.timestamp().as_microsecond())))
    }

    /// How much later the schedule of this name fires at the time `at`.
    pub(super) fn delay(&self, name: &str, at: Timestamp) -> Duration {
        let text = format!("{name} {}", at.0);
        let (random, _) = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).as_u64_pair();
        self.jitter.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

fn micros(interval: Duration) -> Result<i64, String> {
    match i64::try_from(interval.as_micros()) {
        Ok(micros) if micros >= 1_000 => Ok(micros),
        _ => Err(format!("`every` is {interval:?}; an interval has at least a millisecond and at most 292,000 years")),
    }
}

/// A time as ids have it: `2026-11-21T08:00:00Z`, with a fraction where it has one.
pub(super) fn text(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Timestamp, Timetable, text};

    fn at(time: &str) -> Timestamp {
        Timestamp(time.parse::<jiff::Timestamp>().expect("a time").as_microsecond())
    }

    fn times(timetable: &Timetable, after: &str, count: usize) -> Vec<String> {
        let mut from = at(after);
        let mut next = || {
            from = timetable.next(from).expect("it is sound").expect("there is another");
            text(from)
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_fixed_time_fires_once_on_the_days_when_the_clock_is_put() {
        let nightly = Timetable::cron("30 2 * * *").time_zone("Europe/Berlin");
        // There is no 02:30 on 2026-03-29, and there are two on 2026-10-25.
        assert_eq!(
            times(&nightly, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            times(&nightly, "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn an_interval_keeps_its_phase_and_the_last_time_is_the_one_before_the_next() {
        let often = Timetable::every(Duration::from_millis(1_500));
        assert_eq!(times(&often, "2026-11-21T08:00:00.2Z", 2), ["2026-11-21T08:00:01.5Z", "2026-11-21T08:00:03Z"]);
        for timetable in [often, Timetable::cron("0 8 * * *").time_zone("Asia/Tokyo")] {
            let next = timetable.next(at("2026-11-21T08:00:00.2Z")).expect("sound").expect("another");
            assert_eq!(timetable.last(next).expect("sound"), Some(next));
            assert_eq!(timetable.next(timetable.last(Timestamp(next.0 - 1)).expect("sound").expect("one")), Ok(Some(next)));
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let wrong = |timetable: Timetable| timetable.check().expect_err("it is wrong");
        assert!(wrong(Timetable::cron("61 * * * *")).starts_with("`cron` is `61 * * * *`, which is no pattern: "));
        assert!(wrong(Timetable::cron("0 8 * * *").time_zone("Europe/Berln")).starts_with("`time_zone` is `Europe/Berln`"));
        assert!(wrong(Timetable::every(Duration::ZERO)).starts_with("`every` is 0ns"));
    }

    #[test]
    fn jitter_depends_on_the_time_alone() {
        let timetable = Timetable::every(Duration::from_secs(60)).jitter(Duration::from_secs(10));
        let delays: Vec<_> = (0..50).map(|n| timetable.delay("a", Timestamp(n))).collect();
        assert_eq!(delays, (0..50).map(|n| timetable.delay("a", Timestamp(n))).collect::<Vec<_>>());
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(10)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_secs(5)) && delays[0] != delays[1]);
    }
}
