//! Times as people write and read them.

use std::time::{Duration, SystemTime};

use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// The time of a store's timestamp; what is further away than a date has digits for is the last one that has.
fn civil(at: dacapo::store::Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.0).unwrap_or(Timestamp::MAX)
}

/// UTC to the second, for a table.
pub(crate) fn short(at: impl Into<dacapo::store::Timestamp>) -> String {
    civil(at.into()).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// UTC to the millisecond, for a history.
pub(crate) fn precise(at: dacapo::store::Timestamp) -> String {
    civil(at).strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string()
}

/// RFC 3339 with microseconds, for JSON.
pub(crate) fn rfc3339(at: impl Into<dacapo::store::Timestamp>) -> String {
    civil(at.into()).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A duration in the two units that matter.
pub(crate) fn duration(length: Duration) -> String {
    let (seconds, millis) = (length.as_secs(), length.as_secs_f64() * 1e3);
    match seconds {
        0 if millis < 10.0 => format!("{millis:.1} ms"),
        0 => format!("{millis:.0} ms"),
        1..60 => format!("{:.1} s", length.as_secs_f64()),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `90s`, `2h 30m`, `3 days`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a valid duration; expected e.g. `90s`, `2h 30m` or `3 days`");
    let text = text.trim();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    length.try_into().map_err(|_| wrong())
}

/// A time of ISO 8601; without an offset it is UTC. What is later than the last time there is, at the end of 9999, is that one.
pub(crate) fn parse_time(text: &str) -> Result<SystemTime, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is not a valid time; expected e.g. `2026-11-21` or `2026-11-21T08:30:00Z`");
    let pieces = Pieces::parse(text).map_err(|_| wrong())?;
    let offset = match pieces.to_numeric_offset() {
        None if pieces.time_zone_annotation().is_some() => {
            return Err(format!(
                "`{text}` names a time zone, and its clock is not known here; write the offset, like `2026-11-21T17:42:00+01:00`"
            ));
        }
        offset => offset.unwrap_or(Offset::UTC),
    };
    let civil = pieces.date().to_datetime(pieces.time().unwrap_or_default());
    let end = if civil.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    Ok(offset.to_timestamp(civil).unwrap_or(end).into())
}

/// A time, or how long ago it was.
pub(crate) fn parse_past(text: &str) -> Result<SystemTime, String> {
    let ago = || SystemTime::now().checked_sub(parse_duration(text.trim().trim_end_matches("ago")).ok()?);
    parse_time(text).or_else(|wrong| ago().ok_or_else(|| format!("{wrong}, or how long ago it was, like `2h`")))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{duration, parse_duration, parse_past, parse_time, rfc3339, short};

    #[test]
    fn times_are_read_as_people_write_them() {
        let second = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for text in [
            "2001-09-09T01:46:40Z",
            "2001-09-09T03:46:40+02:00",
            "2001-09-09T01:46:40",
            "2001-09-09 01:46:40",
            "2001-09-09 01:46:40Z",
            "2001-09-09T03:46:40+02:00[Europe/Berlin]",
        ] {
            assert_eq!(parse_time(text), Ok(second(1_000_000_000)), "{text}");
        }
        assert_eq!(parse_time("1970-01-02"), Ok(second(86_400)));
        for text in ["", "yesterday", "2026-13-01", "12"] {
            assert!(parse_time(text).expect_err(text).contains("is not a valid time"), "{text}");
        }
        let zoned = parse_time("2026-11-21T17:42:00[Europe/Berlin]").expect_err("its clock is not known");
        assert!(zoned.contains("names a time zone") && zoned.contains("write the offset"), "{zoned}");
        for text in ["9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00"] {
            assert_eq!(parse_time(text), parse_time("9999-12-30T22:00:00.999999999Z"), "{text}");
        }
        for (text, seconds) in [("90s", 90), ("2h 30m", 9000), ("3 days", 259_200), ("1d", 86_400), ("0s", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "-2h", "soon", "1 month", "5"] {
            assert!(parse_duration(text).expect_err(text).contains("is not a valid duration"), "{text}");
        }
        let two_hours_ago = || SystemTime::now() - Duration::from_secs(7200);
        let (before, parsed, after) = (two_hours_ago(), parse_past("2h ago").expect("it is one"), two_hours_ago());
        assert!((before..=after).contains(&parsed));
    }

    #[test]
    fn what_never_comes_has_a_date() {
        assert_eq!(short(dacapo::store::Timestamp(i64::MAX)), "9999-12-30 22:00:00Z");
        assert_eq!(rfc3339(dacapo::store::Timestamp(1)), "1970-01-01T00:00:00.000001Z");
    }

    #[test]
    fn durations_have_two_units() {
        for (millis, text) in [
            (0, "0.0 ms"),
            (9, "9.0 ms"),
            (250, "250 ms"),
            (1500, "1.5 s"),
            (61_000, "1 m 01 s"),
            (3_661_000, "1 h 01 m"),
            (90_000_000, "1 d 01 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
