//! What happened when, made from a history: a lane for each call, event and pause.
//!
//! A history knows when a call was made and when its end was recorded; so a lane of an activity has the time it waited for a place in
//! it, too. `lanes` reads the history, `rows`, `svg` and `text` draw.

mod lanes;
pub(crate) mod rows;
pub(crate) mod svg;
pub(crate) mod text;

use std::time::Duration;

use dacapo::store::{CallId, Timestamp, Turn};
use dacapo::{InstanceStatus, Status};
use serde::{Serialize, Serializer};

use crate::time::rfc3339;
use crate::timeline::lanes::Lanes;

/// One execution of an orchestration, from its first turn to its last, or to now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    #[serde(skip)]
    pub(crate) title: String,
    #[serde(serialize_with = "time")]
    pub(crate) from: Timestamp,
    #[serde(serialize_with = "time")]
    pub(crate) to: Timestamp,
    pub(crate) lanes: Vec<Lane>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lane {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<CallId>,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Of a sub-orchestration or an entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance_id: Option<String>,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    pub(crate) outcome: Outcome,
    /// Those that have begun.
    pub(crate) attempts: u32,
    /// When the next attempt is due, if one is waited for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_if_any")]
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Activity,
    SubOrchestration,
    Timer,
    Event,
    Entity,
    Lock,
    SideEffect,
    Suspended,
    Rewound,
    /// For an event; its name is known when it is there.
    Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    Open,
    Completed,
    Failed,
    /// The orchestration went on, or ended, without it.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) what: What,
    #[serde(serialize_with = "time")]
    pub(crate) from: Timestamp,
    #[serde(serialize_with = "time")]
    pub(crate) to: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum What {
    Work,
    FailedWork,
    Wait,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference")]
fn time_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(serializer)
}

/// A span without an end yet. No turn is later.
const OPEN: Timestamp = Timestamp(i64::MAX);

impl Lane {
    fn new(kind: Kind, id: impl Into<Option<CallId>>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            name: name.into(),
            instance_id: None,
            source: None,
            outcome: Outcome::Open,
            attempts: 1,
            retry_at: None,
            spans: Vec::new(),
        }
    }

    fn at(self, source: &str) -> Self {
        Self { source: Some(source.to_owned()), ..self }
    }

    fn of(self, instance: &str) -> Self {
        Self { instance_id: Some(instance.to_owned()), ..self }
    }

    fn begins(mut self, what: What, from: Timestamp) -> Self {
        self.spans.push(Span { what, from, to: OPEN });
        self
    }

    /// Something that takes no time.
    fn instant(mut self, at: Timestamp) -> Self {
        self.spans.push(Span { what: What::Work, from: at, to: at });
        self.outcome = Outcome::Completed;
        self
    }

    fn ends(&mut self, at: Timestamp, outcome: Outcome) {
        self.outcome = outcome;
        if let Some(span) = self.spans.last_mut().filter(|span| span.to == OPEN) {
            span.to = at.max(span.from);
            if outcome == Outcome::Failed {
                span.what = What::FailedWork;
            }
        }
    }

    /// Begins another attempt at `from`, up to which it waits.
    fn again(&mut self, from: Timestamp) {
        self.outcome = Outcome::Open;
        self.attempts += 1;
        let waits_since = self.to();
        if waits_since < from {
            self.spans.push(Span { what: What::Wait, from: waits_since, to: from });
        }
        self.spans.push(Span { what: What::Work, from, to: OPEN });
    }

    /// Gives it an end, where it has none: what is later has not begun.
    fn close(&mut self, to: Timestamp, has_ended: bool) {
        if self.outcome == Outcome::Open
            && let Some(next) = self.spans.pop_if(|span| span.from > to)
        {
            self.attempts -= 1;
            self.retry_at = Some(next.from).filter(|_| !has_ended);
        }
        if self.outcome == Outcome::Open && has_ended {
            self.outcome = Outcome::Dropped;
        }
        for span in &mut self.spans {
            (span.from, span.to) = (span.from.min(to), span.to.min(to));
        }
    }

    /// Whether it may have been dropped before its end here: of a call that is not awaited any more nothing is recorded.
    pub(crate) fn is_cut(&self) -> bool {
        self.outcome == Outcome::Dropped && self.id.is_some()
    }

    pub(crate) fn from(&self) -> Timestamp {
        self.spans.first().map_or(Timestamp(0), |span| span.from)
    }

    pub(crate) fn to(&self) -> Timestamp {
        self.spans.last().map_or(Timestamp(0), |span| span.to)
    }

    pub(crate) fn length(&self) -> Duration {
        self.to().since(self.from())
    }
}

impl Timeline {
    pub(crate) fn of(status: &InstanceStatus, history: &[Turn]) -> Self {
        let has_ended = status.runtime_status().is_terminal();
        // The first turn of a start that is put off is in the future.
        let to = match history {
            [.., last] if has_ended => last.at,
            [_, .., last] => last.at.max(Timestamp::now()),
            _ => Timestamp::now(),
        };
        let from = history.first().map_or(to, |turn| turn.at.min(to));
        let title = format!("{} {} {}", status.instance_id(), status.name(), status.runtime_status());
        let mut lanes = Lanes::of(history);
        let is_entity = status.instance_id().starts_with('@');
        let may_wait = match status.runtime_status() {
            Status::Running | Status::Terminated => true,
            // One that is parked, or suspended before its time, is so without an event.
            Status::Suspended => lanes.is_suspended(),
            _ => false,
        };
        if may_wait && !is_entity {
            lanes.wait(to);
        }
        Self { title, from, to, lanes: lanes.end(to, has_ended) }
    }

    pub(crate) fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}
