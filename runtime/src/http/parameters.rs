//! The query of a request: keys in any case, values as Durable Functions reads them.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use axum::http::Uri;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::http::answer::{Refusal, bad_argument};
use crate::store::{Status, Timestamp};

/// The last microsecond that has a year of four digits.
const END_OF_TIME: i64 = 253_402_300_799_999_999;

pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// What is no boolean is the default, as there.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(|value| value.trim().to_ascii_lowercase().parse().ok()).unwrap_or(default)
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let parse =
            |value: &str| value.parse().map_err(|_| bad_argument(&format!("`{name}` is no number that can be used here")));
        self.get(name).map(parse).transpose()
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, Refusal> {
        let seconds = |value: f64| {
            let wrong = || bad_argument(&format!("`{name}` is a number of seconds from 0 on"));
            Duration::try_from_secs_f64(value).map_err(|_| wrong())
        };
        self.number::<f64>(name)?.map(seconds).transpose()
    }

    /// A time of ISO 8601; without an offset it is UTC.
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Refusal> {
        let parse = |value: &str| {
            let wrong = || bad_argument(&format!("`{name}` is no time; write one like 2026-11-21T08:30:00Z"));
            parse_time(value).map(|time| Timestamp(time.timestamp_micros()).into()).ok_or_else(wrong)
        };
        self.get(name).map(parse).transpose()
    }

    /// Statuses, listed or repeated. Unknown names are dropped; a name that no instance here ever has is kept as `None`.
    pub(super) fn statuses(&self) -> Vec<Option<Status>> {
        let names = self.all("runtimeStatus").flat_map(|value| value.split(','));
        let known = names.filter_map(|name| match name.trim() {
            "ContinuedAsNew" | "Canceled" | "Unknown" => Some(None),
            "Pending" => Some(Some(Status::Pending)),
            "Running" => Some(Some(Status::Running)),
            "Completed" => Some(Some(Status::Completed)),
            "Failed" => Some(Some(Status::Failed)),
            "Terminated" => Some(Some(Status::Terminated)),
            "Suspended" => Some(Some(Status::Suspended)),
            _ => None,
        });
        known.collect()
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let local = text.strip_suffix(['Z', 'z']).unwrap_or(text).replacen(' ', "T", 1);
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(&local, format).ok());
    let midnight = || NaiveDate::parse_from_str(&local, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    time.or_else(midnight).map(|time| time.and_utc())
}

fn utc(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.0.min(END_OF_TIME)).unwrap_or_default()
}

/// UTC to the second, as a status has it.
pub(super) fn to_seconds(time: SystemTime) -> String {
    utc(time.into()).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// UTC with seven digits of a second, as a history has it.
pub(super) fn to_ticks(time: Timestamp) -> String {
    utc(time).format("%Y-%m-%dT%H:%M:%S%.6f0Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::{END_OF_TIME, parse_time, to_ticks};
    use crate::store::Timestamp;

    #[test]
    fn times_are_read_in_the_forms_clients_write() {
        let read = |text: &str| parse_time(text).map(|time| to_ticks(Timestamp(time.timestamp_micros())));
        for text in [
            "2026-01-02T03:04:05.5Z",
            "2026-01-02T03:04:05.5000000Z",
            "2026-01-02T04:04:05.5+01:00",
            "2026-01-02 03:04:05.5",
            " 2026-01-02T03:04:05.5 ",
        ] {
            assert_eq!(read(text).as_deref(), Some("2026-01-02T03:04:05.5000000Z"), "{text}");
        }
        for text in ["2026-01-02", "2026-01-02T00:00", "2026-01-02T00:00Z"] {
            assert_eq!(read(text).as_deref(), Some("2026-01-02T00:00:00.0000000Z"), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "12"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_never_comes_has_a_year_of_four_digits() {
        assert_eq!(to_ticks(Timestamp(i64::MAX)), to_ticks(Timestamp(END_OF_TIME)));
        assert_eq!(to_ticks(Timestamp(i64::MAX)), "9999-12-31T23:59:59.9999990Z");
    }
}
