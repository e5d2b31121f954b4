//! The query of a request: keys in any case, values as Durable Functions reads them. Durable Functions ignores values it cannot use;
//! here they are refused, because a filter that is ignored lists or deletes more than was asked for.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, Uri};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::http::answer::{Refusal, bad_argument};
use crate::store::{Status, Timestamp};

/// The last microsecond that has a year of four digits.
const END_OF_TIME: i64 = 253_402_300_799_999_999;

pub(super) struct Parameters(Vec<(String, String)>);

/// Parameters that every route accepts, whether it needs them or not.
const COMMON: [&str; 3] = ["taskHub", "connection", "code"];

/// The names a status filter takes. No run here is ever in one of the statuses that stand for `None`.
const STATUSES: [(&str, Option<Status>); 9] = [
    ("Pending", Some(Status::Pending)),
    ("Running", Some(Status::Running)),
    ("Completed", Some(Status::Completed)),
    ("ContinuedAsNew", None),
    ("Failed", Some(Status::Failed)),
    ("Canceled", None),
    ("Terminated", Some(Status::Terminated)),
    ("Suspended", Some(Status::Suspended)),
    ("Unknown", None),
];

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The key that a request shows, right or wrong.
    pub(super) fn key<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a str> {
        let header = headers.get("x-functions-key").and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        header.filter(|key| !key.is_empty()).or_else(|| self.get("code"))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty, for a text that restricts nothing.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Refuses every parameter that is neither one of `known` nor common to all routes.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let is_known = |key: &str| COMMON.iter().chain(known).any(|known| key.eq_ignore_ascii_case(known));
        let Some((unknown, _)) = self.0.iter().find(|(key, _)| !is_known(key)) else { return Ok(()) };
        let known = [known, &COMMON].concat().join(", ");
        Err(bad_argument(&format!("unknown parameter `{unknown}`; this request takes: {known}")))
    }

    /// The value of a parameter that restricts something. One that is empty, or given twice with different values, is refused
    /// instead of ignored, so that it never restricts less than the caller meant.
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.all(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.any(|other| other != value) {
            return Err(bad_argument(&format!("`{name}` is given more than once with different values")));
        }
        if value.trim().is_empty() {
            return Err(bad_argument(&format!("`{name}` has no value; give it one or leave the parameter out")));
        }
        Ok(Some(value))
    }

    fn parsed<T>(&self, name: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let wrong = || bad_argument(&format!("`{name}` is `{value}`, but must be {expected}"));
        parse(value).map(Some).ok_or_else(wrong)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        let parse = |value: &str| value.trim().to_ascii_lowercase().parse().ok();
        Ok(self.parsed(name, "true or false", parse)?.unwrap_or(default))
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.parsed(name, "a number in the valid range", |value| value.parse().ok())
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, Refusal> {
        let parse = |value: &str| Duration::try_from_secs_f64(value.parse().ok()?).ok();
        self.parsed(name, "a number of seconds, 0 or more", parse)
    }

    /// A time of ISO 8601; without an offset it is UTC.
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Refusal> {
        let parse = |value: &str| Some(Timestamp(parse_time(value)?.timestamp_micros()).into());
        self.parsed(name, "a time such as 2026-11-21T08:30:00Z", parse)
    }

    /// The numbers that are listed under a name, separated by commas or repeated.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<u64>, Refusal> {
        let wrong = |value: &str| bad_argument(&format!("`{value}` in `{name}` is not a number"));
        self.all(name).flat_map(|value| value.split(',')).map(|value| value.trim().parse().map_err(|_| wrong(value))).collect()
    }

    /// The statuses that `runtimeStatus` names, separated by commas or repeated; `None` when the parameter is not there. A name of the
    /// protocol that no run here ever has is a `None` of the list.
    pub(super) fn statuses(&self) -> Result<Option<Vec<Option<Status>>>, Refusal> {
        let mut values = self.all("runtimeStatus").peekable();
        if values.peek().is_none() {
            return Ok(None);
        }
        let status = |name: &str| {
            let known = STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
            known.map(|(_, status)| *status).ok_or_else(|| {
                let valid = STATUSES.map(|(name, _)| name).join(", ");
                bad_argument(&format!("`{name}` in `runtimeStatus` is not a status; valid names: {valid}"))
            })
        };
        values.flat_map(|value| value.split(',')).map(status).collect::<Result<_, _>>().map(Some)
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
