//! Lanes as they are drawn: each in a row of its own, or those of one name in one row where there are too many.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo::store::Timestamp;

use crate::time::{duration, short};
use crate::timeline::{Kind, Lane, Outcome, Timeline};

pub(crate) enum Row<'a> {
    One(&'a Lane),
    Many(Vec<&'a Lane>),
}

impl Timeline {
    /// The rows of a drawing. With more than `limit` lanes those of one kind and name share a row.
    pub(crate) fn rows(&self, limit: usize) -> Vec<Row<'_>> {
        if self.lanes.len() <= limit {
            return self.lanes.iter().map(Row::One).collect();
        }
        let mut rows: Vec<Vec<&Lane>> = Vec::new();
        let mut places = BTreeMap::new();
        for lane in &self.lanes {
            let place = *places.entry((lane.kind, lane.name.as_str())).or_insert(rows.len());
            match rows.get_mut(place) {
                Some(row) => row.push(lane),
                None => rows.push(vec![lane]),
            }
        }
        rows.into_iter().map(|lanes| if let [one] = lanes[..] { Row::One(one) } else { Row::Many(lanes) }).collect()
    }

    /// Which of `parts` equal parts of the whole time a moment is in.
    pub(crate) fn part(&self, at: Timestamp, parts: usize) -> usize {
        let whole = self.length().as_micros().max(1);
        let part = at.since(self.from).as_micros() * parts as u128 / whole;
        usize::try_from(part).unwrap_or(usize::MAX).min(parts.saturating_sub(1))
    }

    /// How many of the lanes there were in each part of the whole time, on average.
    pub(crate) fn density(&self, lanes: &[&Lane], parts: usize) -> Vec<f64> {
        let part = self.length().as_secs_f64().max(1e-6) / parts as f64;
        let place = |at: Timestamp| (at.since(self.from).as_secs_f64() / part).clamp(0.0, parts as f64);
        // How much more there is from a part on, and what a part has of the lanes that begin or end in it.
        let (mut more, mut own) = (vec![0.0; parts + 1], vec![0.0; parts + 1]);
        for lane in lanes {
            let (from, to) = (place(lane.from()), place(lane.to()));
            let (first, last) = (from as usize, to as usize);
            if first == last {
                own[first] += to - from;
            } else {
                own[first] += from.floor() + 1.0 - from;
                own[last] += to - to.floor();
                more[first + 1] += 1.0;
                more[last] -= 1.0;
            }
        }
        let whole = more.iter().scan(0.0, |sum, change| {
            *sum += change;
            Some(*sum)
        });
        whole.zip(own).map(|(whole, own)| whole + own).take(parts).collect()
    }
}

/// The name of a lane, and what kind of thing it is.
pub(crate) fn label(lane: &Lane) -> String {
    let Lane { kind, name, instance_id, .. } = lane;
    let of = instance_id.as_deref().unwrap_or_default();
    match kind {
        Kind::SubOrchestration => format!("{name} ({of})"),
        Kind::Entity => format!("{of} {name}"),
        Kind::Lock => format!("lock {name}"),
        Kind::Event => format!("event {name}"),
        _ => name.clone(),
    }
}

impl Row<'_> {
    pub(crate) fn label(&self) -> String {
        match self {
            Self::One(lane) => lane.id.map_or_else(|| label(lane), |id| format!("{id} {}", label(lane))),
            Self::Many(lanes) => {
                let name = match lanes[0].kind {
                    Kind::Event | Kind::Lock => label(lanes[0]),
                    _ => lanes[0].name.clone(),
                };
                format!("{name} × {}", lanes.len())
            }
        }
    }

    /// How long it took, and how it ended unless well.
    pub(crate) fn remark(&self) -> String {
        match self {
            Self::One(lane) if lane.length().is_zero() && lane.outcome == Outcome::Completed => String::new(),
            Self::One(lane) => {
                let at_most = if lane.is_cut() { "at most " } else { "" };
                let mut said = vec![format!("{at_most}{}", duration(lane.length()))];
                said.extend(match lane.retry_at {
                    Some(at) => Some(format!("waits for attempt {} until {}", lane.attempts + 1, short(at))),
                    None => word(lane.outcome).map(str::to_owned),
                });
                said.extend((lane.attempts > 1).then(|| format!("{} attempts", lane.attempts)));
                said.join(", ")
            }
            Self::Many(lanes) => {
                let mut lengths: Vec<Duration> = lanes.iter().map(|lane| lane.length()).collect();
                lengths.sort_unstable();
                let mut said = vec![format!("{} median", duration(lengths[lengths.len() / 2]))];
                said.push(format!("{} at once", peak(lanes)));
                for outcome in [Outcome::Failed, Outcome::Dropped, Outcome::Open] {
                    let count = lanes.iter().filter(|lane| lane.outcome == outcome && lane.retry_at.is_none()).count();
                    said.extend(word(outcome).filter(|_| count > 0).map(|word| format!("{count} {word}")));
                }
                let retries = lanes.iter().filter(|lane| lane.retry_at.is_some()).count();
                said.extend((retries > 0).then(|| format!("{retries} wait for another attempt")));
                let more: u32 = lanes.iter().map(|lane| lane.attempts - 1).sum();
                said.extend((more > 0).then(|| format!("{more} retries")));
                said.join(", ")
            }
        }
    }
}

fn word(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Completed => None,
        Outcome::Failed => Some("failed"),
        Outcome::Open => Some("open"),
        Outcome::Dropped => Some("dropped"),
    }
}

/// How many there were at once at most. What ends as another begins does not count with it.
fn peak(lanes: &[&Lane]) -> usize {
    let mut changes: Vec<(Timestamp, bool)> = Vec::with_capacity(2 * lanes.len());
    for lane in lanes {
        changes.extend([(lane.from(), true), (lane.to().max(Timestamp(lane.from().0 + 1)), false)]);
    }
    changes.sort_unstable();
    let mut running = 0_usize;
    let after = |(_, begins): &(Timestamp, bool)| {
        running = if *begins { running + 1 } else { running - 1 };
        running
    };
    changes.iter().map(after).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use dacapo::store::Timestamp;

    use super::Row;
    use crate::timeline::{Kind, Lane, What, text};

    #[test]
    fn what_was_dropped_took_no_longer_than_to_the_end() {
        let mut lane = Lane::new(Kind::Timer, 1, "timer").begins(What::Wait, Timestamp(0));
        let mut waiting = Lane::new(Kind::Waiting, None, "waits").begins(What::Wait, Timestamp(0));
        [&mut lane, &mut waiting].into_iter().for_each(|lane| lane.close(Timestamp(1_700_000), true));
        assert_eq!(Row::One(&lane).remark(), "at most 1.7 s, dropped");
        assert_eq!(Row::One(&waiting).remark(), "1.7 s, dropped");
        let note = |lane| {
            let lanes = vec![lane];
            let timeline = crate::timeline::Timeline { title: String::new(), from: Timestamp(0), to: Timestamp(9), lanes };
            text::draw(&timeline, 40, 100).contains("╳ was")
        };
        assert_eq!((note(lane), note(waiting)), (true, false));
    }

    #[test]
    fn a_retry_that_is_not_due_is_told_as_a_wait() {
        let mut lane = Lane::new(Kind::Activity, 1, "ship").begins(What::Work, Timestamp(0));
        lane.ends(Timestamp(1_000_000), crate::timeline::Outcome::Failed);
        lane.again(Timestamp(3_601_000_000));
        lane.close(Timestamp(2_000_000), false);
        assert_eq!(Row::One(&lane).remark(), "2.0 s, waits for attempt 2 until 1970-01-01 01:00:01Z");
        assert!(Row::Many(vec![&lane, &lane]).remark().ends_with("2 at once, 2 wait for another attempt"));
        let timeline =
            crate::timeline::Timeline { title: String::new(), from: Timestamp(0), to: Timestamp(2_000_000), lanes: vec![lane] };
        let drawn = text::draw(&timeline, 40, 100);
        assert!(!drawn.lines().nth(1).expect("a row").contains('▶'), "{drawn}");
    }
}
