//! What happened when, made from a history: a lane for each call, event and pause.
//!
//! A history knows when a call was made and when its end was recorded; so a lane of an activity has the time it waited for a place in
//! it, too.

pub(crate) mod rows;
pub(crate) mod svg;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo::InstanceStatus;
use dacapo::store::{CallId, Event, Timestamp, Turn};
use serde::{Serialize, Serializer};

use crate::time::rfc3339;

/// One generation of an orchestration, from its first turn to its last, or to now.
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
    pub(crate) attempts: u32,
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

    /// Begins another attempt at `from`.
    fn again(&mut self, from: Timestamp) {
        self.outcome = Outcome::Open;
        let waits_since = self.to();
        if waits_since < from {
            self.spans.push(Span { what: What::Wait, from: waits_since, to: from });
        }
        self.spans.push(Span { what: What::Work, from, to: OPEN });
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
        let mut lanes = Lanes::default();
        for turn in history {
            turn.events.iter().for_each(|event| lanes.take(turn.at, event));
        }
        let first = history.first().map_or(Timestamp(0), |turn| turn.at);
        let last = history.last().map_or(first, |turn| turn.at);
        let has_ended = status.runtime_status().is_terminal();
        let to = if has_ended { last } else { last.max(Timestamp::now()) };
        let title = format!("{} {} {}", status.instance_id(), status.name(), status.runtime_status());
        Self { title, from: first, to, lanes: lanes.end(to, has_ended) }
    }

    pub(crate) fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// The lanes up to a place in the history.
#[derive(Default)]
struct Lanes {
    all: Vec<Lane>,
    calls: BTreeMap<CallId, usize>,
    suspended: Option<usize>,
}

impl Lanes {
    fn add(&mut self, lane: Lane) {
        if let Some(id) = lane.id {
            self.calls.insert(id, self.all.len());
        }
        self.all.push(lane);
    }

    fn call(&mut self, id: CallId, change: impl FnOnce(&mut Lane)) {
        let lane = self.calls.get(&id).and_then(|index| self.all.get_mut(*index));
        if let Some(lane) = lane {
            change(lane);
        }
    }

    fn take(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::TaskScheduled { id, name, at: source, .. } => {
                self.add(Lane::new(Kind::Activity, *id, name.as_ref()).at(source).begins(What::Work, at));
            }
            Event::SubOrchestrationInstanceCreated { id, name, instance, at: source, detached, .. } => {
                let lane = Lane::new(Kind::SubOrchestration, *id, name.as_ref()).at(source).of(instance);
                self.add(if *detached { lane.instant(at) } else { lane.begins(What::Work, at) });
            }
            Event::TimerCreated { id, at: source, .. } => {
                self.add(Lane::new(Kind::Timer, *id, "timer").at(source).begins(What::Wait, at));
            }
            Event::EntityOperationCalled { id, entity, operation, at: source, .. } => {
                self.add(Lane::new(Kind::Entity, *id, operation.as_ref()).at(source).of(entity).begins(What::Work, at));
            }
            Event::EntityOperationSignaled { id, entity, operation, at: source, .. } => {
                self.add(Lane::new(Kind::Entity, *id, operation.as_ref()).at(source).of(entity).instant(at));
            }
            Event::EntityLockRequested { id, entities, at: source, .. } => {
                self.add(Lane::new(Kind::Lock, *id, entities.join(", ")).at(source).begins(What::Wait, at));
            }
            Event::EntityLockGranted { id, .. } => self.call(*id, |lane| {
                lane.ends(at, Outcome::Open);
                lane.spans.push(Span { what: What::Work, from: at, to: OPEN });
            }),
            Event::EntityUnlockSent { lock, .. } => self.call(*lock, |lane| lane.ends(at, Outcome::Completed)),
            Event::SideEffect { id, at: source, .. } => {
                self.add(Lane::new(Kind::SideEffect, *id, "side effect").at(source).instant(at));
            }
            Event::EventRaised { name, .. } => self.add(Lane::new(Kind::Event, None, name).instant(at)),
            Event::TaskCompleted { id, .. }
            | Event::SubOrchestrationInstanceCompleted { id, .. }
            | Event::TimerFired { id }
            | Event::EntityOperationCompleted { id, .. } => self.call(*id, |lane| lane.ends(at, Outcome::Completed)),
            Event::TaskFailed { id, retry_at, .. } => self.call(*id, |lane| {
                lane.ends(at, Outcome::Failed);
                if let Some(retry_at) = retry_at {
                    lane.attempts += 1;
                    lane.again(*retry_at);
                }
            }),
            Event::SubOrchestrationInstanceFailed { id, .. } | Event::EntityOperationFailed { id, .. } => {
                self.call(*id, |lane| lane.ends(at, Outcome::Failed));
            }
            Event::ExecutionSuspended { .. } => {
                self.suspended = Some(self.all.len());
                self.add(Lane::new(Kind::Suspended, None, "suspended").begins(What::Wait, at));
            }
            Event::ExecutionResumed { .. } => {
                let lane = self.suspended.take().and_then(|index| self.all.get_mut(index));
                lane.into_iter().for_each(|lane| lane.ends(at, Outcome::Completed));
            }
            Event::ExecutionRewound { .. } => {
                for lane in self.all.iter_mut().filter(|lane| lane.outcome == Outcome::Failed) {
                    lane.attempts += 1;
                    lane.again(at);
                }
                self.add(Lane::new(Kind::Rewound, None, "rewound").instant(at));
            }
            _ => {}
        }
    }

    /// All lanes, with an end.
    fn end(mut self, to: Timestamp, has_ended: bool) -> Vec<Lane> {
        for lane in &mut self.all {
            if lane.outcome == Outcome::Open && has_ended {
                lane.outcome = Outcome::Dropped;
            }
            for span in &mut lane.spans {
                (span.from, span.to) = (span.from.min(to), span.to.min(to));
            }
        }
        self.all
    }
}

#[cfg(test)]
mod tests {
    use dacapo::store::{Event, Timestamp, Turn};
    use serde_json::{Value, json};

    use super::{Kind, Lanes, Outcome, Span, What};

    fn turn(at: i64, events: Value) -> Turn {
        let events = serde_json::from_value::<Vec<Event>>(events).expect("they are events");
        Turn { at: Timestamp(at), events }
    }

    fn lanes(history: &[Turn], to: i64, has_ended: bool) -> Vec<super::Lane> {
        let mut lanes = Lanes::default();
        for turn in history {
            turn.events.iter().for_each(|event| lanes.take(turn.at, event));
        }
        lanes.end(Timestamp(to), has_ended)
    }

    fn span(what: What, from: i64, to: i64) -> Span {
        Span { what, from: Timestamp(from), to: Timestamp(to) }
    }

    fn scheduled(id: u64) -> Value {
        json!({ "TaskScheduled": { "id": id, "name": "work", "input": null, "at": "main.rs:1" } })
    }

    fn failed(id: u64, retry_at: Option<i64>) -> Value {
        let failure = json!({ "kind": "Application", "message": "no" });
        json!({ "TaskFailed": { "id": id, "failure": failure, "retry_at": retry_at } })
    }

    #[test]
    fn an_attempt_that_failed_is_followed_by_a_wait_and_another() {
        let history = [
            turn(10, json!([scheduled(1)])),
            turn(20, json!([failed(1, Some(50))])),
            turn(60, json!([{ "TaskCompleted": { "id": 1, "result": 1 } }])),
        ];
        let lanes = lanes(&history, 60, true);
        assert_eq!((lanes[0].attempts, lanes[0].outcome), (2, Outcome::Completed));
        assert_eq!(lanes[0].spans, [span(What::FailedWork, 10, 20), span(What::Wait, 20, 50), span(What::Work, 50, 60)]);
    }

    #[test]
    fn a_rewound_call_goes_on_where_it_failed() {
        let history = [
            turn(10, json!([scheduled(1)])),
            turn(20, json!([failed(1, None)])),
            turn(90, json!([{ "ExecutionRewound": { "reason": "" } }])),
        ];
        let lanes = lanes(&history, 100, false);
        assert_eq!((lanes[0].attempts, lanes[0].outcome), (2, Outcome::Open));
        assert_eq!(lanes[0].spans, [span(What::FailedWork, 10, 20), span(What::Wait, 20, 90), span(What::Work, 90, 100)]);
        assert_eq!(lanes[1].kind, Kind::Rewound);
    }

    #[test]
    fn what_the_end_leaves_behind_was_dropped_and_what_goes_on_is_open() {
        let history = [turn(10, json!([scheduled(1), { "TimerCreated": { "id": 2, "fire_at": 99, "at": "main.rs:2" } }]))];
        for (has_ended, outcome) in [(true, Outcome::Dropped), (false, Outcome::Open)] {
            let lanes = lanes(&history, 40, has_ended);
            assert_eq!(lanes.iter().map(|lane| lane.outcome).collect::<Vec<_>>(), [outcome, outcome]);
            assert_eq!((lanes[0].spans[0], lanes[1].spans[0]), (span(What::Work, 10, 40), span(What::Wait, 10, 40)));
        }
        // An attempt that is not due yet does not lie in the future.
        let history = [turn(10, json!([scheduled(1)])), turn(20, json!([failed(1, Some(500))]))];
        assert_eq!(lanes(&history, 40, false)[0].to(), Timestamp(40));
    }

    #[test]
    fn a_lock_is_waited_for_and_held_and_a_suspension_has_an_end() {
        let history = [
            turn(10, json!([{ "EntityLockRequested": { "id": 1, "entities": ["@a@1", "@a@2"], "at": "main.rs:1" } }])),
            turn(20, json!([{ "EntityLockGranted": { "id": 1, "run": 5 } }])),
            turn(30, json!([{ "EntityUnlockSent": { "id": 2, "lock": 1, "entities": [], "at": "main.rs:1" } }])),
            turn(35, json!([{ "ExecutionSuspended": { "reason": "" } }])),
            turn(40, json!([{ "ExecutionResumed": { "reason": "" } }, { "EventRaised": { "name": "go", "input": 1 } }])),
        ];
        let lanes = lanes(&history, 50, false);
        assert_eq!(lanes[0].spans, [span(What::Wait, 10, 20), span(What::Work, 20, 30)]);
        assert_eq!((lanes[0].name.as_str(), lanes[0].outcome), ("@a@1, @a@2", Outcome::Completed));
        assert_eq!((lanes[1].kind, lanes[1].spans[0]), (Kind::Suspended, span(What::Wait, 35, 40)));
        assert_eq!((lanes[2].kind, lanes[2].spans[0]), (Kind::Event, span(What::Work, 40, 40)));
    }
}
