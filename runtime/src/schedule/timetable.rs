//! When a schedule fires.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::time::Timestamp;
use crate::schedule::cron::Cron;

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
    /// When the clocks change, a pattern with `*` or `*/n` in its minutes or hours follows real time: it fires whenever the wall clock
    /// matches, in both passes of a doubled hour. Any other pattern, lists and ranges included, fires once for each local time: a time that
    /// comes twice fires at its first occurrence, and times that are skipped fire together, once, at the first instant after the gap.
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
            When::Cron(pattern) => Ok(Cron::new(pattern, &self.time_zone)?.next(jiff_time(after)?)?.map(Timestamp::from)),
        }
    }

    /// The last time up to `until`.
    pub(super) fn last(&self, until: Timestamp) -> Result<Option<Timestamp>, String> {
        match &self.when {
            When::Every(interval) => {
                let interval = micros(*interval)?;
                Ok(Some(Timestamp(until.0.div_euclid(interval) * interval)))
            }
            When::Cron(pattern) => Ok(Cron::new(pattern, &self.time_zone)?.last(jiff_time(until)?)?.map(Timestamp::from)),
        }
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

fn jiff_time(at: Timestamp) -> Result<jiff::Timestamp, String> {
    jiff::Timestamp::from_microsecond(at.0).map_err(|error| format!("a time is out of range: {error}"))
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_microsecond())
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
    fn a_list_or_a_range_of_times_fires_once_for_each() {
        let london = |pattern: &str| Timetable::cron(pattern).time_zone("Europe/London");
        // 01:00 comes twice on 2025-10-26.
        let expected = ["2025-10-26T00:00:00Z", "2025-10-26T05:00:00Z", "2025-10-27T01:00:00Z"];
        assert_eq!(times(&london("0 1,5 * * *"), "2025-10-25T12:00:00Z", 3), expected);
        let expected = ["2025-10-26T00:00:00Z", "2025-10-26T02:00:00Z", "2025-10-27T01:00:00Z"];
        assert_eq!(times(&london("0 1-2 * * *"), "2025-10-25T12:00:00Z", 3), expected);
        // There is no 02:30 on 2025-03-30.
        let berlin = Timetable::cron("30 1-3 * * *").time_zone("Europe/Berlin");
        let expected = ["2025-03-30T00:30:00Z", "2025-03-30T01:00:00Z", "2025-03-30T01:30:00Z", "2025-03-30T23:30:00Z"];
        assert_eq!(times(&berlin, "2025-03-29T12:00:00Z", 4), expected);
        // 02:00, 02:20 and 02:40 are skipped, and 03:00 comes at the first instant after the gap: four times, one firing.
        let often = Timetable::cron("0,20,40 2-3 * * *").time_zone("Europe/Berlin");
        let expected = ["2025-03-30T01:00:00Z", "2025-03-30T01:20:00Z", "2025-03-30T01:40:00Z", "2025-03-31T00:00:00Z"];
        assert_eq!(times(&often, "2025-03-29T12:00:00Z", 4), expected);
    }

    #[test]
    fn a_pattern_with_a_wildcard_follows_real_time() {
        let half_hours = Timetable::cron("*/30 1-2 * * *").time_zone("Europe/Berlin");
        let doubled = ["23:00", "23:30", "00:00", "00:30", "01:00", "01:30"].map(|time| {
            let day = if time.starts_with('2') { 25 } else { 26 };
            format!("2025-10-{day}T{time}:00Z")
        });
        assert_eq!(times(&half_hours, "2025-10-25T12:00:00Z", 6), doubled);
        let expected = ["2025-03-30T00:00:00Z", "2025-03-30T00:30:00Z", "2025-03-30T23:00:00Z"];
        assert_eq!(times(&half_hours, "2025-03-29T12:00:00Z", 3), expected);
    }

    #[test]
    fn a_zone_that_leaves_out_a_day_goes_on() {
        // Samoa had no 2011-12-30.
        let daily = Timetable::cron("0 8 * * *").time_zone("Pacific/Apia");
        let expected = ["2011-12-29T18:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z"];
        assert_eq!(times(&daily, "2011-12-29T00:00:00Z", 4), expected);
        let hourly = Timetable::cron("0 * * * *").time_zone("Pacific/Apia");
        assert_eq!(times(&hourly, "2011-12-30T09:00:00Z", 2), ["2011-12-30T10:00:00Z", "2011-12-30T11:00:00Z"]);
    }

    #[test]
    fn a_pattern_without_a_time_has_none() {
        for pattern in ["0 8 30 2 *", "*/5 * 30 2 *", "0 0 8 * * * 2020", "0 */5 * * * * 2020"] {
            let never = Timetable::cron(pattern).time_zone("Europe/Berlin");
            assert_eq!(never.next(at("2025-01-01T00:00:00Z")), Ok(None), "{pattern}");
        }
        // Its only hour comes twice.
        let once = Timetable::cron("0 */5 2 26 10 * 2025").time_zone("Europe/Berlin");
        let all = times(&once, "2025-10-26T00:00:00Z", 23);
        assert_eq!((all[10].as_str(), all[11].as_str()), ("2025-10-26T00:55:00Z", "2025-10-26T01:00:00Z"), "{all:?}");
        assert_eq!(once.next(at(&all[22])), Ok(None));
        assert_eq!(once.last(at("2030-01-01T00:00:00Z")), Ok(Some(at(&all[22]))));
        assert_eq!(once.last(at("2025-10-26T00:00:00Z")), Ok(Some(at("2025-10-26T00:00:00Z"))));
        assert_eq!(once.last(at("2025-10-25T23:59:59Z")), Ok(None));
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
        assert!(wrong(Timetable::cron("61 * * * *")).starts_with("invalid cron pattern `61 * * * *`: "));
        assert!(wrong(Timetable::cron("0 8 * * *").time_zone("Europe/Berln")).starts_with("unknown time zone `Europe/Berln`; "));
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
