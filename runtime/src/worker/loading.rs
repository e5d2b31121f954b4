//! How an instance comes from its history into memory, and goes back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::engine::execution::Action;
use crate::kernel::engine::poison;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::registration::Registration;
use crate::store::kept::Arguments;
use crate::store::{self, ErrorClass, Lookup, State, Status, StoreResult, Stored, Timestamp};
use crate::worker::instance::{Inner, Instance, Phase};
use crate::worker::message::Message;
use crate::worker::{Worker, not_found, wrong_state};

impl Instance {
    /// Takes up a stored instance: replays its history, starts what it waits for, delivers what has come for it.
    /// One that is unreadable is parked.
    pub(crate) fn loaded(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        stored: Stored,
        messages: Vec<crate::store::Message>,
        unreadable: Option<RuntimeError>,
    ) {
        let Stored { instance, history, heartbeats, .. } = stored;
        let mut inner = self.lock();
        if inner.phase == Phase::Gone {
            return;
        }
        inner.key = instance.key;
        inner.parent = instance.parent;
        inner.turns = u32::try_from(history.len()).unwrap_or(u32::MAX);
        inner.state = instance.state;
        let read = messages.last().map_or(0, |message| message.number);
        // From here on the worker's scan may bring the same messages again.
        inner.inbox = read;
        inner.has_posted = false;
        inner.fresh = unstarted(&history, &inner.state);
        let arrived = std::mem::take(&mut inner.mailbox);
        // One that cannot be read has parked the run.
        let stored = messages
            .into_iter()
            .filter_map(|message| Some(Message { inbox: Some(message.number), ..Message::of(message.event.ok()?) }));
        let arrived = arrived
            .into_iter()
            .filter(|message| message.is_for(instance.key) && message.inbox.is_none_or(|number| number > read));
        inner.mailbox = stored.chain(arrived).collect();
        if inner.state.status != Status::Suspended {
            self.refuse_resumes(worker, &mut inner);
        }
        let arguments = std::mem::replace(&mut inner.arguments, Arguments::Digests);
        let is_resumed = inner.mailbox.iter().any(Message::is_resume);
        let state = &inner.state;
        let is_suspended = state.status == Status::Suspended && state.report.is_none() && !is_resumed;
        if is_suspended || state.status == Status::Pending && state.wake_at.is_some() && !state.is_due(worker.now()) {
            inner.phase = Phase::Turning;
            inner.inbox = 0;
            self.arm(worker, &mut inner);
            return self.keep(worker, inner);
        }
        if !self.take_place(worker, &mut inner) {
            // What came through the inbox is read again with the history.
            inner.inbox = 0;
            inner.mailbox.retain(|message| message.inbox.is_none());
            return self.queue(worker, inner);
        }
        // The history tells first that it goes on, then what has come meanwhile.
        inner.mailbox.sort_by_key(|message| !message.is_resume());
        drop(inner);

        if let Some(error) = unreadable {
            let report = format!(
                "{error}\n  nothing is lost: the run is parked; resume it in a process that can read it, with the codec, the key and the \
                 version it was written with"
            );
            return self.park_again(worker, report);
        }
        let (name, version) = history.first().and_then(Turn::started).unwrap_or((&instance.name, 1));
        let Some(orchestrator) = worker.registry().version(name, version).copied() else {
            return self.park_again(worker, worker.not_registered(name, version));
        };
        let mut execution = worker.execution(orchestrator, &self.id);
        let is_rewound = history.last().is_some_and(|turn| matches!(turn.events[..], [Event::ExecutionRewound { .. }]));
        let unstarted_at = self.lock().fresh;
        let without: Vec<u64> = self.lock().mailbox.iter().flat_map(Message::without_events).copied().collect();
        if !without.is_empty() && arguments == Arguments::Digests {
            return self.read_arguments(worker);
        }
        if let Some(why) = self.keeps(worker, orchestrator, &history, &without) {
            return self.stay(worker, &why);
        }
        execution.put_aside(&without);
        let mut started = None;
        if let Some(at) = unstarted_at {
            if is_resumed && at > worker.now() {
                let resumes = self.lock().mailbox.extract_if(.., |message| message.is_resume()).collect();
                return self.schedule(worker, at, resumes);
            }
            started = history.into_iter().flat_map(|turn| turn.events).last();
        } else {
            let replayed = execution.replay(history);
            if execution.is_undecided() && arguments == Arguments::Digests {
                return self.read_arguments(worker);
            }
            // A value that cannot be decoded makes the replay differ.
            let unreadable = || execution.undecodable().or_else(|| replayed.err().map(|mismatch| mismatch.to_string()));
            let is_encrypted = worker.store().payloads().is_encrypted();
            let poison = execution.poison().map(|poison| poison.report(&self.id, is_encrypted));
            if let Some(report) = poison.or_else(unreadable) {
                return self.park_again(worker, report);
            }
        }
        let mut pending = execution.pending();
        if is_resumed {
            worker.pool().suspects().forgive(instance.key);
        }
        if let Some(report) = worker.deadly(instance.key, &self.id, &pending) {
            drop(execution);
            return self.park_again(worker, report);
        }
        let attempts = worker.attempts(&mut pending);
        let mut inner = self.lock();
        // A shutdown has not waited for the replay.
        if inner.phase == Phase::Gone {
            return;
        }
        if unstarted_at.is_some() {
            // It was suspended before its first turn, of which its history tells nothing.
            let says_nothing = |message: &&mut Message| message.is_resume() && message.without_events().is_empty();
            inner.mailbox.iter_mut().filter(says_nothing).for_each(|message| message.event = None);
            inner.mailbox.insert(0, Message { event: started, ..Message::nudge() });
        }
        inner.execution = Some(execution);
        inner.calls.forget_all_but_running();
        for (call, details) in heartbeats {
            inner.calls.heartbeats.entry(call).or_insert(details);
        }
        inner.calls.record(&[], &pending);
        inner.calls.work.extend(attempts.iter().map(|planned| planned.call));
        let ended: HashSet<_> = inner.mailbox.iter().filter_map(Message::ended_attempt).collect();
        // The outcome of one may have come while the instance was set aside.
        let attempts = attempts.into_iter().filter(|planned| !ended.contains(&planned.call));
        let jobs: Vec<_> = attempts.filter_map(|planned| self.job(worker, &mut inner, planned)).collect();
        let key = inner.key;
        inner.mailbox.extend(pending.iter().filter_map(|action| worker.refused_child(action)).map(Message::of));
        self.arm(worker, &mut inner);
        let rests = inner.mailbox.is_empty() && inner.state.status == Status::Running && !is_rewound;
        inner.phase = if rests { Phase::Resting } else { Phase::Turning };
        let can_go = rests && inner.calls.only_children();
        drop(inner);
        for action in pending {
            if worker.refused_child(&action).is_some() {
                continue;
            }
            if let Action::StartChild { id, instance, .. } = action {
                worker.check_child(&self.id, key, id, instance);
            }
        }
        if can_go {
            self.list(worker);
        }
        if !rests {
            self.work(worker);
        }
        worker.submit(jobs);
    }

    /// Takes the resumptions out of the mailbox of an instance that is not suspended.
    fn refuse_resumes(self: &Arc<Self>, worker: &Arc<Worker>, inner: &mut Inner) {
        let resumes: Vec<_> = inner.mailbox.extract_if(.., |message| message.is_resume()).collect();
        if resumes.is_empty() {
            return;
        }
        let (this, owner) = (self.clone(), worker.clone());
        worker.spawn(async move {
            owner.discard(resumes.iter().filter_map(|message| message.inbox).collect());
            let error = wrong_state(&this.id, "it is not suspended");
            resumes.into_iter().for_each(|message| message.refuse(error.clone()));
        });
    }

    /// Why one of the events that a resumption asks to put aside cannot be, if one cannot.
    fn keeps(&self, worker: &Arc<Worker>, orchestrator: Registration, history: &[Turn], without: &[u64]) -> Option<String> {
        if without.is_empty() {
            return None;
        }
        let waiting =
            self.lock().mailbox.iter().filter(|message| matches!(message.event, Some(Event::EventRaised { .. }))).count();
        let raised = poison::count_raised(history) + waiting as u64;
        let put_aside: Vec<u64> = poison::put_aside(history).collect();
        let mut replayed = worker.execution(orchestrator, &self.id);
        replayed.watch(without);
        // It may stop early, where it cannot read an event; what it has taken by then is all it has taken.
        let _ = replayed.replay(history.to_vec());
        without.iter().find_map(|number| {
            let why = match number {
                0 => "events are counted from 1".to_owned(),
                number if *number > raised => format!("only {raised} events have been raised to this run"),
                number if put_aside.contains(number) => "it has already been put aside".to_owned(),
                number if replayed.has_taken(*number) => "a wait has taken it already".to_owned(),
                _ => return None,
            };
            Some(format!("event {number} cannot be put aside: {why}"))
        })
    }

    /// Reads the history again with the arguments of its calls, whose digests have not told whether the code follows it.
    fn read_arguments(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut inner = self.lock();
        if inner.phase == Phase::Gone {
            return;
        }
        inner.arguments = Arguments::IfThere;
        // What came through the inbox is read again with the history.
        inner.inbox = 0;
        inner.mailbox.retain(|message| message.inbox.is_none());
        drop(inner);
        worker.load(self.clone());
    }

    /// Lets a resting instance go to its history when no activity of it is under way. `false` when it may not be.
    pub(crate) fn evict(self: &Arc<Self>, worker: &Arc<Worker>) -> bool {
        let mut inner = self.lock();
        inner.listed = false;
        let may_go = match inner.phase {
            Phase::Resting => inner.calls.only_children(),
            // What runs of it is known here only.
            Phase::Parked => inner.calls.running.is_empty(),
            Phase::Loading | Phase::Turning | Phase::Queued | Phase::Gone => false,
        };
        if !may_go || !inner.mailbox.is_empty() {
            return false;
        }
        inner.phase = Phase::Gone;
        let execution = inner.execution.take();
        let wake = inner.calls.next_due().or(inner.armed);
        worker.clock().set(&self.id, inner.armed.take(), None);
        worker.clock().set_stored(wake);
        drop(inner);
        worker.retire(execution);
        worker.forget(self);
        true
    }

    /// Leaves the worker's map; gives back what nobody has taken.
    pub(crate) fn leave(self: &Arc<Self>, worker: &Arc<Worker>) -> Vec<Message> {
        let mut inner = self.lock();
        inner.phase = Phase::Gone;
        let execution = inner.execution.take();
        inner.calls.running.drain().for_each(|(_, running)| running.abort.abort());
        worker.clock().set(&self.id, inner.armed.take(), None);
        self.leave_place(worker, &mut inner);
        let left = std::mem::take(&mut inner.mailbox);
        drop(inner);
        worker.retire(execution);
        worker.forget(self);
        left
    }
}

/// When the generation of a history was started, if its first turn has not run yet. One that waits without a call has the same
/// history, but is not busy.
fn unstarted(history: &[Turn], state: &State) -> Option<Timestamp> {
    let [Turn { at, events }] = history else { return None };
    let only_started =
        matches!(events[..], [Event::ExecutionStarted { .. }] | [Event::ContinueAsNew { .. }, Event::ExecutionStarted { .. }]);
    (only_started && (state.busy || state.status != Status::Running)).then_some(*at)
}

impl Worker {
    /// Reads an instance and hands it its history.
    pub(crate) fn load(self: &Arc<Self>, instance: Arc<Instance>) {
        let worker = self.clone();
        self.spawn(async move {
            let id = instance.id().to_string();
            let mut unwanted = Vec::new();
            let arguments = instance.lock().arguments;
            let error = match worker.patiently("load an orchestration", || worker.read(&id, arguments)).await {
                Ok(Some((stored, messages, unreadable))) if !stored.instance.state.status.is_terminal() => {
                    return instance.loaded(&worker, stored, messages, unreadable);
                }
                Ok(Some((stored, messages, _))) => {
                    unwanted = messages;
                    let status = stored.instance.state.status.as_str().to_lowercase();
                    RuntimeError::new(ErrorKind::Finished, format!("the orchestration `{id}` has {status} already"))
                }
                Ok(None) => not_found(&id),
                Err(error) => {
                    if error.class() == ErrorClass::Permanent {
                        tracing::error!(instance = id, %error, "failed to load an orchestration; what it waits for stays in the store");
                    }
                    instance.leave(&worker).into_iter().for_each(|message| message.refuse(error.clone()));
                    return drop(worker.waiters().remove(instance.id()));
                }
            };
            let left = instance.leave(&worker);
            // Since it was read it may have been created, replaced or rewound, and what has come is for that one.
            let find = || worker.store.find(Lookup::Id(id.clone()));
            let found = match left.is_empty() && unwanted.is_empty() {
                true => Ok(None),
                false => worker.patiently("look for an orchestration", find).await,
            };
            match found {
                Ok(Some(found)) if !found.state.status.is_terminal() => {
                    worker.wake(instance.id());
                    left.into_iter().for_each(|message| worker.route(instance.id(), message));
                }
                found => {
                    if found.is_ok() {
                        worker.discard(unwanted.into_iter().map(|message| message.number).collect());
                    }
                    left.into_iter().for_each(|message| message.refuse(error.clone()));
                }
            }
            // Whoever took it for one that runs looks again.
            worker.waiters().remove(instance.id());
        });
    }

    /// An instance, what waits for it, and why it cannot be replayed if it cannot.
    async fn read(
        &self,
        id: &str,
        arguments: Arguments,
    ) -> StoreResult<Option<(store::Stored, Vec<store::Message>, Option<RuntimeError>)>> {
        let Some((stored, mut unreadable)) = self.store.load_to_replay(Lookup::Id(id.to_owned()), arguments).await? else {
            return Ok(None);
        };
        let messages = self.store.messages(Some(stored.instance.key), 0).await?;
        if let Some(error) = messages.iter().find_map(|message| message.event.as_ref().err()) {
            let message = "a pending event cannot be decoded";
            unreadable.get_or_insert_with(|| RuntimeError::new(ErrorKind::Unreadable, message).caused_by(error));
        }
        Ok(Some((stored, messages, unreadable)))
    }
}
