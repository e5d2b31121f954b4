//! The lanes of a history, event by event.

use std::collections::BTreeMap;

use dacapo::store::{CallId, Event, Timestamp, Turn};

use crate::timeline::{Kind, Lane, OPEN, Outcome, Span, What};

/// The lanes up to a place in the history.
#[derive(Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    calls: BTreeMap<CallId, Call>,
    suspended: Option<usize>,
    /// When the code ran last, if it left nothing under way.
    idle_since: Option<Timestamp>,
    rewound: Option<Timestamp>,
}

struct Call {
    lane: usize,
    made: Timestamp,
    /// When it was made again with a result of its own at hand, which a rewind may have kept for it.
    repeated: Option<Timestamp>,
}

impl Lanes {
    pub(super) fn of(history: &[Turn]) -> Self {
        let mut lanes = Self::default();
        for turn in history {
            turn.events.iter().for_each(|event| lanes.take(turn.at, event));
            // While it is suspended there is no other turn, so a suspension is never under way here.
            if turn.events.is_empty() || !turn.events.iter().all(is_of_management) {
                let is_idle = lanes.all.iter().all(|lane| lane.outcome != Outcome::Open);
                lanes.idle_since = is_idle.then_some(turn.at);
            }
        }
        lanes
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    /// Adds the wait, up to `to`, of what has nothing under way. It can only be for an event: a history tells of all else.
    pub(super) fn wait(&mut self, to: Timestamp) {
        if let Some(since) = self.idle_since.filter(|since| *since < to) {
            self.all.push(Lane::new(Kind::Waiting, None, "waits for an event").begins(What::Wait, since));
        }
    }

    /// All lanes, with an end.
    pub(super) fn end(mut self, to: Timestamp, has_ended: bool) -> Vec<Lane> {
        self.resume_repeated();
        self.all.iter_mut().for_each(|lane| lane.close(to, has_ended));
        self.all
    }

    /// A call, or one that the code makes again after a rewind: what failed is tried anew, what was completed may be known.
    fn call(&mut self, at: Timestamp, lane: Lane) {
        let Some(id) = lane.id else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            let earlier = &mut self.all[call.lane];
            let is_same = (earlier.kind, &earlier.name, &earlier.instance_id) == (lane.kind, &lane.name, &lane.instance_id);
            if is_same {
                call.made = at;
                match (lane.outcome, earlier.outcome) {
                    (Outcome::Completed, _) => earlier.spans.extend(lane.spans),
                    (_, Outcome::Completed) => call.repeated = Some(at),
                    (_, Outcome::Failed) => earlier.again(at),
                    _ => {}
                }
                return;
            }
        }
        self.calls.insert(id, Call { lane: self.all.len(), made: at, repeated: None });
        self.all.push(lane);
    }

    fn lane(&mut self, id: CallId) -> Option<&mut Lane> {
        self.all.get_mut(self.calls.get(&id)?.lane)
    }

    /// What a call has come to. One that was not under way has begun again, unless its result was kept.
    fn settle(&mut self, id: CallId, at: Timestamp, outcome: Outcome) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let lane = &mut self.all[call.lane];
        if lane.outcome != Outcome::Open {
            match call.repeated.take().or(self.rewound) {
                Some(since) if since < at => lane.again(since),
                _ => return,
            }
        }
        lane.ends(at, outcome);
    }

    /// Begins what failed again. A call made after the first failure may have been made because of it: whether the code makes it again
    /// is told by what follows. What an entity has answered stands.
    fn rewind(&mut self, at: Timestamp) {
        self.resume_repeated();
        self.rewound = Some(at);
        let is_tried_again =
            |lane: &Lane| lane.outcome == Outcome::Failed && matches!(lane.kind, Kind::Activity | Kind::SubOrchestration);
        let failed = self.all.iter().filter(|lane| is_tried_again(lane));
        let Some(first) = failed.map(Lane::to).min() else { return };
        for call in self.calls.values().filter(|call| call.made < first) {
            let lane = &mut self.all[call.lane];
            if is_tried_again(lane) {
                lane.again(at);
            }
        }
    }

    /// What was made again and got no result that was kept is under way.
    fn resume_repeated(&mut self) {
        for call in self.calls.values_mut() {
            if let Some(since) = call.repeated.take() {
                self.all[call.lane].again(since);
            }
        }
    }

    fn take(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::TaskScheduled { id, name, at: source, .. } => {
                self.call(at, Lane::new(Kind::Activity, *id, name.as_ref()).at(source).begins(What::Work, at));
            }
            Event::SubOrchestrationInstanceCreated { id, name, instance, at: source, detached, .. } => {
                let lane = Lane::new(Kind::SubOrchestration, *id, name.as_ref()).at(source).of(instance);
                self.call(at, if *detached { lane.instant(at) } else { lane.begins(What::Work, at) });
            }
            Event::TimerCreated { id, at: source, .. } => {
                self.call(at, Lane::new(Kind::Timer, *id, "timer").at(source).begins(What::Wait, at));
            }
            Event::EntityOperationCalled { id, entity, operation, at: source, .. } => {
                let lane = Lane::new(Kind::Entity, *id, operation.as_ref()).at(source).of(entity);
                self.call(at, lane.begins(What::Work, at));
            }
            Event::EntityOperationSignaled { id, entity, operation, at: source, .. } => {
                self.call(at, Lane::new(Kind::Entity, *id, operation.as_ref()).at(source).of(entity).instant(at));
            }
            Event::EntityLockRequested { id, entities, at: source, .. } => {
                self.call(at, Lane::new(Kind::Lock, *id, entities.join(", ")).at(source).begins(What::Wait, at));
            }
            Event::EntityLockGranted { id, .. } => {
                if let Some(lane) = self.lane(*id) {
                    lane.ends(at, Outcome::Open);
                    lane.spans.push(Span { what: What::Work, from: at, to: OPEN });
                }
            }
            Event::EntityUnlockSent { lock, .. } => self.settle(*lock, at, Outcome::Completed),
            Event::SideEffect { id, at: source, .. } => {
                self.call(at, Lane::new(Kind::SideEffect, *id, "side effect").at(source).instant(at));
            }
            Event::EventRaised { name, .. } => {
                let lane = Lane::new(Kind::Event, None, name);
                let lane = match self.idle_since.take().filter(|since| *since < at) {
                    Some(since) => lane.begins(What::Wait, since),
                    None => lane.begins(What::Work, at),
                };
                self.all.push(lane);
                self.all.last_mut().into_iter().for_each(|lane| lane.ends(at, Outcome::Completed));
            }
            Event::TaskCompleted { id, .. }
            | Event::SubOrchestrationInstanceCompleted { id, .. }
            | Event::TimerFired { id }
            | Event::EntityOperationCompleted { id, .. } => self.settle(*id, at, Outcome::Completed),
            Event::TaskFailed { id, retry_at, .. } => {
                self.settle(*id, at, Outcome::Failed);
                if let (Some(retry_at), Some(lane)) = (retry_at, self.lane(*id)) {
                    lane.again(*retry_at);
                }
            }
            Event::SubOrchestrationInstanceFailed { id, .. } | Event::EntityOperationFailed { id, .. } => {
                self.settle(*id, at, Outcome::Failed);
            }
            Event::ExecutionSuspended { .. } => {
                self.suspended = Some(self.all.len());
                self.all.push(Lane::new(Kind::Suspended, None, "suspended").begins(What::Wait, at));
            }
            Event::ExecutionResumed { .. } => {
                let lane = self.suspended.take().and_then(|index| self.all.get_mut(index));
                lane.into_iter().for_each(|lane| lane.ends(at, Outcome::Completed));
            }
            Event::ExecutionRewound { .. } => {
                self.rewind(at);
                self.all.push(Lane::new(Kind::Rewound, None, "rewound").instant(at));
            }
            _ => {}
        }
    }
}

/// What the code is not told of.
fn is_of_management(event: &Event) -> bool {
    matches!(event, Event::ExecutionSuspended { .. } | Event::ExecutionResumed { .. } | Event::ExecutionTerminated { .. })
}

#[cfg(test)]
mod tests {
    use dacapo::store::{Event, Timestamp, Turn};
    use serde_json::{Value, json};

    use super::Lanes;
    use crate::timeline::{Kind, Lane, Outcome, Span, What};

    fn turn(at: i64, events: Value) -> Turn {
        let events = serde_json::from_value::<Vec<Event>>(events).expect("they are events");
        Turn { at: Timestamp(at), events }
    }

    fn lanes(history: &[Turn], to: i64, has_ended: bool) -> Vec<Lane> {
        Lanes::of(history).end(Timestamp(to), has_ended)
    }

    fn span(what: What, from: i64, to: i64) -> Span {
        Span { what, from: Timestamp(from), to: Timestamp(to) }
    }

    fn scheduled(id: u64) -> Value {
        json!({ "TaskScheduled": { "id": id, "name": "work", "input": null, "at": "main.rs:1" } })
    }

    fn completed(id: u64) -> Value {
        json!({ "TaskCompleted": { "id": id, "result": 1 } })
    }

    fn raised(name: &str) -> Value {
        json!({ "EventRaised": { "name": name, "input": 1 } })
    }

    fn rewound() -> Value {
        json!({ "ExecutionRewound": { "reason": "" } })
    }

    fn failed(id: u64, retry_at: Option<i64>) -> Value {
        let failure = json!({ "kind": "Application", "message": "no" });
        json!({ "TaskFailed": { "id": id, "failure": failure, "retry_at": retry_at } })
    }

    #[test]
    fn an_attempt_that_failed_is_followed_by_a_wait_and_another() {
        let history = [turn(10, json!([scheduled(1)])), turn(20, json!([failed(1, Some(50))])), turn(60, json!([completed(1)]))];
        let lanes = lanes(&history, 60, true);
        assert_eq!((lanes[0].attempts, lanes[0].outcome), (2, Outcome::Completed));
        assert_eq!(lanes[0].spans, [span(What::FailedWork, 10, 20), span(What::Wait, 20, 50), span(What::Work, 50, 60)]);
    }

    #[test]
    fn a_rewound_call_goes_on_where_it_failed() {
        let history = [turn(10, json!([scheduled(1)])), turn(20, json!([failed(1, None)])), turn(90, json!([rewound()]))];
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
    }

    #[test]
    fn a_lock_is_waited_for_and_held_and_a_suspension_has_an_end() {
        let history = [
            turn(10, json!([{ "EntityLockRequested": { "id": 1, "entities": ["@a@1", "@a@2"], "at": "main.rs:1" } }])),
            turn(20, json!([{ "EntityLockGranted": { "id": 1, "run": 5 } }])),
            turn(30, json!([{ "EntityUnlockSent": { "id": 2, "lock": 1, "entities": [], "at": "main.rs:1" } }])),
            turn(35, json!([{ "ExecutionSuspended": { "reason": "" } }])),
            turn(40, json!([{ "ExecutionResumed": { "reason": "" } }, raised("go")])),
        ];
        let lanes = lanes(&history, 50, false);
        assert_eq!(lanes[0].spans, [span(What::Wait, 10, 20), span(What::Work, 20, 30)]);
        assert_eq!((lanes[0].name.as_str(), lanes[0].outcome), ("@a@1, @a@2", Outcome::Completed));
        assert_eq!((lanes[1].kind, lanes[1].spans[0]), (Kind::Suspended, span(What::Wait, 35, 40)));
        assert_eq!((lanes[2].kind, lanes[2].spans[0]), (Kind::Event, span(What::Wait, 30, 40)));
    }

    /// The first failure was caught, and the call that was made because of it failed, too.
    fn caught_and_rewound() -> Vec<Turn> {
        vec![
            turn(10, json!([scheduled(1)])),
            turn(20, json!([failed(1, None), scheduled(2)])),
            turn(30, json!([failed(2, None)])),
            turn(90, json!([rewound()])),
        ]
    }

    #[test]
    fn what_a_rewind_makes_needless_is_not_tried_again() {
        let mut history = caught_and_rewound();
        let outcomes = |lanes: Vec<Lane>| lanes.iter().map(|lane| (lane.id, lane.attempts, lane.outcome)).collect::<Vec<_>>();
        let rewound = (None, 1, Outcome::Completed);
        let open = [(Some(1), 2, Outcome::Open), (Some(2), 1, Outcome::Failed), rewound];
        assert_eq!(outcomes(lanes(&history, 95, false)), open);
        history.push(turn(95, json!([completed(1)])));
        let ended = [(Some(1), 2, Outcome::Completed), (Some(2), 1, Outcome::Failed), rewound];
        assert_eq!(outcomes(lanes(&history, 95, true)), ended);
    }

    #[test]
    fn a_call_made_again_after_a_rewind_goes_on_in_its_lane() {
        let mut history = caught_and_rewound();
        history.push(turn(95, json!([failed(1, None), scheduled(2)])));
        history.push(turn(99, json!([completed(2)])));
        let all = lanes(&history, 99, true);
        assert_eq!((all.len(), all[0].outcome), (3, Outcome::Failed));
        assert_eq!((all[1].attempts, all[1].outcome), (2, Outcome::Completed));
        assert_eq!(all[1].spans, [span(What::FailedWork, 20, 30), span(What::Wait, 30, 95), span(What::Work, 95, 99)]);
        // Without an event of its own, it was made again at the rewind.
        let mut history = caught_and_rewound();
        history.push(turn(99, json!([completed(2)])));
        assert_eq!(lanes(&history, 99, true)[1].spans[2], span(What::Work, 90, 99));
    }

    #[test]
    fn a_result_that_a_rewind_has_kept_is_no_attempt() {
        let mut history = vec![
            turn(10, json!([scheduled(1)])),
            turn(20, json!([failed(1, None), scheduled(2)])),
            turn(30, json!([completed(2)])),
            turn(90, json!([rewound()])),
            turn(95, json!([failed(1, None), scheduled(2)])),
        ];
        let again = lanes(&history, 97, false);
        assert_eq!((again[1].attempts, again[1].outcome, again[1].to()), (2, Outcome::Open, Timestamp(97)));
        history.pop();
        history.push(turn(95, json!([failed(1, None), scheduled(2), completed(2)])));
        let kept = lanes(&history, 97, true);
        assert_eq!(
            (kept[1].attempts, kept[1].outcome, &kept[1].spans[..]),
            (1, Outcome::Completed, &[span(What::Work, 20, 30)][..])
        );
    }

    #[test]
    fn an_attempt_that_is_not_due_is_waited_for() {
        let history = [turn(10, json!([scheduled(1)])), turn(20, json!([failed(1, Some(500))]))];
        let spans = [span(What::FailedWork, 10, 20), span(What::Wait, 20, 40)];
        for (has_ended, outcome, retry_at) in [(false, Outcome::Open, Some(Timestamp(500))), (true, Outcome::Dropped, None)] {
            let lane = &lanes(&history, 40, has_ended)[0];
            assert_eq!((lane.attempts, lane.outcome, lane.retry_at), (1, outcome, retry_at));
            assert_eq!(lane.spans, spans);
        }
        let begun = &lanes(&history, 600, false)[0];
        assert_eq!((begun.attempts, begun.retry_at, begun.to()), (2, None, Timestamp(600)));
    }

    #[test]
    fn a_suspension_does_not_cut_a_wait() {
        let suspended = json!({ "ExecutionSuspended": { "reason": "" } });
        let resumed = json!({ "ExecutionResumed": { "reason": "" } });
        let terminated = json!({ "ExecutionTerminated": { "reason": "" } });
        let mut history = vec![turn(10, json!([raised("a")])), turn(20, json!([suspended]))];
        let waits = |history: &[Turn], to, has_ended| {
            let mut lanes = Lanes::of(history);
            lanes.wait(Timestamp(to));
            let mut all = lanes.end(Timestamp(to), has_ended);
            all.pop().map(|lane| (lane.kind, lane.outcome, lane.spans[0]))
        };
        assert_eq!(waits(&history, 25, false), Some((Kind::Waiting, Outcome::Open, span(What::Wait, 10, 25))));
        history.push(turn(30, json!([terminated])));
        assert_eq!(waits(&history, 30, true), Some((Kind::Waiting, Outcome::Dropped, span(What::Wait, 10, 30))));
        history.pop();
        history.push(turn(30, json!([resumed])));
        assert_eq!(waits(&history, 35, false), Some((Kind::Waiting, Outcome::Open, span(What::Wait, 10, 35))));
        history.push(turn(40, json!([raised("b")])));
        assert_eq!(waits(&history, 40, true), Some((Kind::Event, Outcome::Completed, span(What::Wait, 10, 40))));
    }

    #[test]
    fn what_nothing_else_explains_is_a_wait_for_an_event() {
        let history = [
            turn(10, json!([])),
            turn(30, json!([raised("go"), scheduled(1)])),
            turn(40, json!([raised("early")])),
            turn(50, json!([completed(1)])),
        ];
        let mut waiting = Lanes::of(&history);
        waiting.wait(Timestamp(70));
        let all = waiting.end(Timestamp(70), false);
        let seen: Vec<_> = all.iter().map(|lane| (lane.kind, lane.outcome, lane.spans[0])).collect();
        let expected = [
            (Kind::Event, Outcome::Completed, span(What::Wait, 10, 30)),
            (Kind::Activity, Outcome::Completed, span(What::Work, 30, 50)),
            (Kind::Event, Outcome::Completed, span(What::Work, 40, 40)),
            (Kind::Waiting, Outcome::Open, span(What::Wait, 50, 70)),
        ];
        assert_eq!(seen, expected);
        let mut busy = Lanes::of(&history[..3]);
        busy.wait(Timestamp(70));
        assert!(busy.end(Timestamp(70), false).iter().all(|lane| lane.kind != Kind::Waiting), "an activity is under way");
    }
}
