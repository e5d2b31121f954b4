//! Firings compared with those of an oracle that looks at the wall clock in every minute of a year, by `jiff` alone.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Cron;

/// Zones, each with the day on which its year begins: half and quarter hours, a change of half an hour, changes at midnight and in the
/// month of Ramadan, and a day that is left out.
const ZONES: [(&str, &str); 12] = [
    ("Europe/London", "2025-01-01"),
    ("Europe/Berlin", "2025-01-01"),
    ("America/New_York", "2024-06-01"),
    ("America/St_Johns", "2025-01-01"),
    ("Asia/Kathmandu", "2025-01-01"),
    ("Australia/Adelaide", "2025-01-01"),
    ("Australia/Lord_Howe", "2025-01-01"),
    ("Pacific/Chatham", "2025-01-01"),
    ("America/Havana", "2025-01-01"),
    ("Africa/Cairo", "2025-01-01"),
    ("Africa/Casablanca", "2025-01-01"),
    ("Pacific/Apia", "2011-04-01"),
];

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A stretch of time as the wall clock of a zone shows it.
struct Shown {
    begin: Timestamp,
    /// What it shows at the beginning of each minute.
    minutes: Vec<Minute>,
}

struct Minute {
    local: DateTime,
    /// Whether it has shown this before.
    again: bool,
    /// What it has skipped right before.
    skipped: Vec<DateTime>,
}

impl Shown {
    fn new(zone: &TimeZone, begin: Timestamp, end: Timestamp) -> Self {
        let mut minutes = Vec::<Minute>::new();
        let mut latest = zone.to_datetime(begin - MINUTE);
        let mut at = begin;
        while at < end {
            let local = zone.to_datetime(at);
            let mut skipped = Vec::new();
            let mut time = latest + MINUTE;
            while time < local {
                skipped.push(time);
                time += MINUTE;
            }
            minutes.push(Minute { local, again: local <= latest, skipped });
            latest = latest.max(local);
            at += MINUTE;
        }
        Self { begin, minutes }
    }

    /// The beginning of a minute, or the end of them all.
    fn instant(&self, index: usize) -> Timestamp {
        self.begin + MINUTE * i32::try_from(index).expect("it fits")
    }
}

/// The year of a zone, or the days in it on which its clock is put.
fn stretches(zone: &TimeZone, begin: &str, whole: bool) -> Vec<Shown> {
    let begin: Date = begin.parse().expect("a date");
    let instant = |day: Date| day.to_zoned(TimeZone::UTC).expect("a day").timestamp();
    if whole {
        return vec![Shown::new(zone, instant(begin), instant(begin + 1.year()))];
    }
    let days = begin.series(1.day()).take(365);
    let is_change = |day: &Date| zone.to_offset(instant(*day)) != zone.to_offset(instant(*day + 1.day()));
    days.filter(is_change).map(|day| Shown::new(zone, instant(day - 1.day()), instant(day + 2.days()))).collect()
}

/// A random field of a pattern, and the values it has.
fn field(random: &mut StdRng, first: u8, last: u8) -> (String, BTreeSet<u8>, bool) {
    let mut draw = || random.random_range(first..=last);
    let (mut low, mut high) = (draw(), draw());
    if low > high {
        (low, high) = (high, low);
    }
    let step = random.random_range(1..=(last - first) / 2 + 1);
    let stepped = |from: u8, to: u8| (from..=to).step_by(step.into()).collect::<BTreeSet<_>>();
    match random.random_range(0..7) {
        0 => ("*".to_owned(), (first..=last).collect(), true),
        1 => (format!("*/{step}"), stepped(first, last), true),
        2 => (format!("{low}-{high}"), (low..=high).collect(), false),
        3 => (format!("{low}-{high}/{step}"), stepped(low, high), false),
        4 => {
            let values: BTreeSet<u8> = (0..random.random_range(2..5)).map(|_| random.random_range(first..=last)).collect();
            (values.iter().map(u8::to_string).collect::<Vec<_>>().join(","), values, false)
        }
        5 => {
            let single = random.random_range(first..=last);
            (format!("{single},{low}-{high}"), (low..=high).chain([single]).collect(), false)
        }
        _ => (low.to_string(), BTreeSet::from([low]), false),
    }
}

/// A random pattern, understood without the code under test.
struct Pattern {
    text: String,
    minutes: BTreeSet<u8>,
    hours: BTreeSet<u8>,
    days: BTreeSet<u8>,
    months: BTreeSet<u8>,
    weekdays: BTreeSet<u8>,
    any_day: bool,
    any_weekday: bool,
    is_fixed: bool,
}

impl Pattern {
    fn random(random: &mut StdRng) -> Self {
        // Half of them near the times at which clocks are put. A wildcard is of all hours.
        let latest = if random.random_bool(0.5) { 3 } else { 23 };
        let near = field(random, 0, latest);
        let hours = if near.0.starts_with('*') { field(random, 0, 23) } else { near };
        let minutes = field(random, 0, 59);
        let mut seldom = |first, last, chance| {
            if random.random_bool(chance) { field(random, first, last) } else { ("*".to_owned(), (first..=last).collect(), true) }
        };
        let (days, months, weekdays) = (seldom(1, 31, 0.3), seldom(1, 12, 0.2), seldom(0, 6, 0.4));
        Self {
            text: [&minutes.0, &hours.0, &days.0, &months.0, &weekdays.0].map(String::as_str).join(" "),
            is_fixed: !minutes.2 && !hours.2,
            minutes: minutes.1,
            hours: hours.1,
            any_day: days.0 == "*",
            any_weekday: weekdays.0 == "*",
            days: days.1,
            months: months.1,
            weekdays: weekdays.1,
        }
    }

    fn shows(&self, local: DateTime) -> bool {
        let has = |field: &BTreeSet<u8>, value: i8| field.contains(&value.unsigned_abs());
        if !has(&self.minutes, local.minute()) || !has(&self.hours, local.hour()) || !has(&self.months, local.month()) {
            return false;
        }
        let (day, weekday) = (has(&self.days, local.day()), has(&self.weekdays, local.weekday().to_sunday_zero_offset()));
        match (self.any_day, self.any_weekday) {
            (true, _) => weekday,
            (_, true) => day,
            _ => day || weekday,
        }
    }

    fn fires(&self, minute: &Minute) -> bool {
        if self.is_fixed {
            !minute.again && self.shows(minute.local) || minute.skipped.iter().any(|skipped| self.shows(*skipped))
        } else {
            self.shows(minute.local)
        }
    }
}

/// Compares the firings of so many patterns in each zone, in a year or in the days of it on which the clock is put.
fn compare(seed: u64, patterns: usize, whole_year: bool) {
    let mut random = StdRng::seed_from_u64(seed);
    let patterns: Vec<_> = (0..patterns).map(|_| Pattern::random(&mut random)).collect();
    for (name, begin) in ZONES {
        let zone = TimeZone::get(name).expect("a zone");
        for shown in stretches(&zone, begin, whole_year) {
            for pattern in &patterns {
                compare_one(&shown, pattern, name);
            }
        }
    }
}

fn compare_one(shown: &Shown, pattern: &Pattern, zone: &str) {
    let cron = Cron::new(&pattern.text, zone).unwrap_or_else(|error| panic!("{error}"));
    let mut before = shown.begin - SignedDuration::from_nanos(1);
    for (index, minute) in shown.minutes.iter().enumerate() {
        if !pattern.fires(minute) {
            continue;
        }
        let expected = shown.instant(index);
        let place = || format!("`{}` in {zone} after {before}", pattern.text);
        assert_eq!(cron.next(before), Ok(Some(expected)), "{}", place());
        if index % 7 == 0 {
            assert_eq!(cron.last(expected), Ok(Some(expected)), "{}", place());
            if before > shown.begin {
                assert_eq!(cron.last(expected - SignedDuration::from_micros(1)), Ok(Some(before)), "{}", place());
            }
        }
        before = expected;
    }
    let (next, end) = (cron.next(before).expect("it can be searched"), shown.instant(shown.minutes.len()));
    assert!(next.is_none_or(|next| next >= end), "`{}` in {zone} after {before}: {next:?}", pattern.text);
}

#[test]
fn firings_on_the_days_when_clocks_are_put_are_those_of_an_oracle() {
    compare(1, 25, false);
}

/// All of it, for a build with optimizations.
#[test]
#[ignore = "takes minutes; the nightly run has it"]
fn all_firings_of_a_year_are_those_of_an_oracle() {
    let seed = std::env::var("DACAPO_SEED").map_or(2, |seed| seed.parse().expect("DACAPO_SEED is a number"));
    compare(seed, 200, true);
}
