//! The firings of a cron pattern in a time zone.
//!
//! The pattern is searched on the wall clock, which knows no zone; what its times are in UTC is decided here.
//!
//! A pattern with a wildcard in its minutes or hours follows real time: it fires whenever the wall clock matches. Any other names local
//! times, each of which fires once: one that comes twice at its first occurrence, one that is skipped at the first instant after the gap.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A cron pattern in a time zone.
pub(super) struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Longer than any zone has ever put its clock forward or back.
const LONGEST_SHIFT: SignedDuration = SignedDuration::from_hours(48);

impl Cron {
    /// Reads a pattern and the IANA name of a zone; says what is wrong with them, naming the field.
    pub(super) fn new(pattern: &str, zone: &str) -> Result<Self, String> {
        let parsed = CronParser::builder().seconds(Seconds::Optional).build().parse(pattern);
        let parsed = parsed.map_err(|error| {
            format!("invalid cron pattern `{pattern}`: {error}; write five fields, such as `0 8 * * MON-FRI`")
        })?;
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("unknown time zone `{zone}`; write an IANA name, such as `Europe/Berlin`"))?;
        Ok(Self { pattern: parsed, zone })
    }

    /// Whether the pattern names local times, rather than following real time.
    fn is_fixed(&self) -> bool {
        !self.pattern.pattern.minutes.from_wildcard && !self.pattern.pattern.hours.from_wildcard
    }

    /// The first firing after `after`; none when there is none in this era.
    pub(super) fn next(&self, after: Timestamp) -> Result<Option<Timestamp>, String> {
        if !self.is_fixed() {
            return self.next_shown(after);
        }
        let next = found(self.pattern.find_next_occurrence(&self.latest_shown(after), false))?;
        Ok(next.and_then(|local| self.first_instant(local)))
    }

    /// The last firing up to `until`; none when there is none in this era.
    pub(super) fn last(&self, until: Timestamp) -> Result<Option<Timestamp>, String> {
        if !self.is_fixed() {
            return self.last_shown(until);
        }
        let last = found(self.pattern.find_previous_occurrence(&self.latest_shown(until), true))?;
        Ok(last.and_then(|local| self.first_instant(local)))
    }

    /// When the wall clock first shows a local time or, where it skips it, first shows a later one.
    fn first_instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let offset = ambiguous.offset();
        let earlier = ambiguous.earlier().ok()?;
        match offset {
            AmbiguousOffset::Gap { after, .. } => {
                self.zone.following(earlier).find(|change| change.offset() == after).map(|change| change.timestamp())
            }
            _ => Some(earlier),
        }
    }

    /// The latest local time that the wall clock has shown up to an instant: in the second pass of a doubled hour, the end of the hour.
    fn latest_shown(&self, until: Timestamp) -> DateTime {
        let before_change = self.last_change(until).map(|change| self.local(change - SECOND));
        before_change.into_iter().fold(self.local(until), DateTime::max)
    }

    /// The first instant after `after` at which the wall clock shows a time of the pattern.
    fn next_shown(&self, after: Timestamp) -> Result<Option<Timestamp>, String> {
        let (mut from, mut inclusive) = (after, false);
        loop {
            let local = self.local(from);
            let next = found(self.pattern.find_next_occurrence(&local, inclusive))?;
            let next = next.and_then(|next| self.zone.to_offset(from).to_timestamp(next).ok());
            let change = self.zone.following(from).next().map(|change| change.timestamp());
            let Some(change) = change.filter(|change| next.is_none_or(|next| *change <= next)) else { return Ok(next) };
            from = if self.local(change) <= local {
                // The clock shows once more what it has shown.
                change
            } else {
                let Some(next) = next else { return Ok(None) };
                next.saturating_sub(LONGEST_SHIFT).map_or(change, |far| far.max(change))
            };
            inclusive = true;
        }
    }

    /// The last instant up to `until` at which the wall clock shows a time of the pattern.
    fn last_shown(&self, until: Timestamp) -> Result<Option<Timestamp>, String> {
        let mut to = until;
        loop {
            let local = self.local(to);
            let last = found(self.pattern.find_previous_occurrence(&local, true))?;
            let last = last.and_then(|last| self.zone.to_offset(to).to_timestamp(last).ok());
            let change = self.last_change(to).filter(|change| last.is_none_or(|last| last < *change));
            let Some(change) = change else { return Ok(last) };
            let before = change - SECOND;
            to = if self.local(before) >= local {
                // The clock has shown before what it shows.
                before
            } else {
                let Some(last) = last else { return Ok(None) };
                last.saturating_add(LONGEST_SHIFT).map_or(before, |far| far.min(before))
            };
        }
    }

    /// When the clock was last put, up to an instant.
    fn last_change(&self, until: Timestamp) -> Option<Timestamp> {
        let after = until.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(until);
        self.zone.preceding(after).next().map(|change| change.timestamp())
    }

    /// What the wall clock shows, in whole seconds.
    fn local(&self, at: Timestamp) -> DateTime {
        let second = Timestamp::from_second(at.as_second() - i64::from(at.subsec_nanosecond() < 0)).unwrap_or(at);
        self.zone.to_datetime(second)
    }
}

/// That there is none is no error of a search.
fn found(search: Result<DateTime, CronError>) -> Result<Option<DateTime>, String> {
    match search {
        Ok(found) => Ok(Some(found)),
        Err(CronError::TimeSearchLimitExceeded) => Ok(None),
        Err(error) => Err(format!("could not search the times of the cron pattern: {error}")),
    }
}

#[cfg(test)]
mod oracle;
