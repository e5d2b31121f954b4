//! Steps instances, runs their jobs and performs their effects, as the shell of a worker does.

use std::sync::Arc;

use crate::kernel::batch::{Batch, Heartbeat, Refused};
use crate::kernel::engine::event::Event;
use crate::kernel::error::{ErrorClass, ErrorKind, RuntimeError};
use crate::kernel::instance_id::is_entity;
use crate::kernel::machine::answers::{no_longer_awaited, not_found, shutting_down};
use crate::kernel::machine::entity;
use crate::kernel::machine::instance::{Commit, Effects, Ended, Found, Input, Instance, Left, Loaded, Next};
use crate::kernel::machine::message::Message;
use crate::kernel::machine::simulation::world::{Resident, World};
use crate::kernel::stored::InstanceKey;

impl World {
    /// The instance of this id in memory, and whether it was put there just now.
    pub(super) fn instance(&mut self, id: &Arc<str>) -> (usize, bool) {
        if let Some(there) = self.memory.instances_by_id.get(id) {
            return (*there, false);
        }
        (self.add_instance(id, Instance::unloaded(id.clone(), self.places.is_some())), true)
    }

    pub(super) fn add_instance(&mut self, id: &Arc<str>, machine: Instance) -> usize {
        let number = self.memory.instances.len();
        let resident = Resident { id: id.clone(), machine, at_work: false, running: Default::default() };
        self.memory.instances.push(resident);
        self.memory.instances_by_id.insert(id.clone(), number);
        number
    }

    /// Delivers a message to whichever machine has the id.
    pub(super) fn route(&mut self, id: &Arc<str>, message: Message) {
        if self.memory.stopped {
            return message.refuse(shutting_down());
        }
        if is_entity(id) {
            let Some(event) = message.event else { return };
            return self.tell_entity(id, entity::message::EntityMessage::of(event, message.inbox));
        }
        let (number, is_new) = self.instance(id);
        self.deliver(number, is_new, message);
    }

    /// Delivers a message to a machine; one that is new is read first.
    pub(super) fn deliver(&mut self, number: usize, is_new: bool, message: Message) {
        self.tell_instance(number, Input::Deliver(message));
        if is_new {
            self.follow(number, Next::Load { with_arguments: false, after_posts: false });
        }
    }

    pub(super) fn wake(&mut self, id: &Arc<str>) {
        self.route(id, Message::nudge());
    }

    pub(super) fn tell_instance(&mut self, number: usize, input: Input) {
        let now = self.now;
        let effects = self.memory.instances[number].machine.step(now, input);
        self.perform(number, effects);
    }

    /// Answers what a machine has asked for.
    fn answer(&mut self, number: usize, input: Input) {
        if let Input::Loaded(Loaded::Found(found)) = &input {
            let numbers: Vec<_> = found.messages.iter().map(|message| message.number).collect();
            self.give((true, number), numbers);
        }
        self.memory.instances[number].at_work = false;
        self.tell_instance(number, input);
    }

    fn answer_soon(&mut self, number: usize, what: &'static str, input: Input) {
        self.soon(what, move |world| world.answer(number, input));
    }

    /// Notes that a machine is at work, and lets what it asks for happen.
    pub(super) fn follow(&mut self, number: usize, next: Next) {
        let resident = &mut self.memory.instances[number];
        assert!(!resident.at_work, "`{}` begins something while something else is under way", resident.id);
        resident.at_work = true;
        let what = match &next {
            Next::Work => "work",
            Next::First(_) => "first turn",
            Next::Load { .. } => "load",
            Next::Replay(_) => "replay",
            Next::Place => "place",
            Next::Sort(_) => "sort",
            Next::Turn(_) => "turn",
            Next::Children => "children",
            Next::Commit(_) => "commit",
        };
        self.tell(|| format!("{}#{number}: {what}", self.memory.instances[number].id));
        self.soon(what, move |world| world.act(number, next));
    }

    fn act(&mut self, number: usize, next: Next) {
        let process = self.process();
        match next {
            Next::Work => self.answer(number, Input::Work),
            Next::First(first) => self.answer_soon(number, "first turn ran", Input::Began(first.run(&process))),
            Next::Load { after_posts: true, .. } => self.send(Batch::default(), move |world, _| world.load(number)),
            Next::Load { .. } => self.load(number),
            Next::Replay(job) => self.answer_soon(number, "replayed", Input::Replayed(job.run(&process))),
            Next::Place => {
                let is_free = self.take_place();
                if !is_free {
                    self.memory.line.push_back(number);
                }
                self.answer_soon(number, "told of a place", Input::Place(is_free));
            }
            Next::Sort(sorting) => self.answer_soon(number, "sorted", Input::Sorted(sorting.run(&process))),
            Next::Turn(job) => self.answer_soon(number, "turned", Input::Turned(job.run(&process))),
            Next::Children => {
                let id = self.memory.instances[number].id.to_string();
                let is_called =
                    |it: &&crate::kernel::stored::Instance| it.parent.as_ref().is_some_and(|parent| parent.instance == id);
                let children = self.store.instances.values().map(|stored| &stored.instance).filter(is_called);
                let living = children.filter(|child| !child.state.status.is_terminal());
                let ends = living.map(|child| (child.id.clone(), no_longer_awaited(&id))).collect();
                self.answer_soon(number, "children found", Input::Children(Ok(ends)));
            }
            Next::Commit(commit) => self.commit(number, *commit),
        }
    }

    /// Reads an instance, and then its inbox.
    fn load(&mut self, number: usize) {
        let id = self.memory.instances[number].id.clone();
        let stored = self.store.find(&id).cloned();
        self.soon("the inbox is read", move |world| {
            let loaded = match stored {
                None => Loaded::Nothing { unwanted: Vec::new(), error: not_found(&id) },
                Some(stored) => {
                    let messages = world.store.messages(stored.instance.key);
                    if stored.instance.state.status.is_terminal() {
                        let unwanted = messages.into_iter().map(|message| message.number).collect();
                        Loaded::Nothing { unwanted, error: RuntimeError::new(ErrorKind::Finished, "it has ended") }
                    } else {
                        Loaded::Found(Box::new(Found { stored, messages, unreadable: None }))
                    }
                }
            };
            world.answer_soon(number, "loaded", Input::Loaded(loaded));
        });
    }

    fn commit(&mut self, number: usize, commit: Commit) {
        let Commit { mut batch, hushed } = commit;
        let key = self.memory.instances[number].machine.key();
        for call in hushed {
            let is_known = batch.heartbeats.iter().any(|heartbeat| heartbeat.call == call);
            if self.hush(number, call) && !is_known {
                batch.heartbeats.push(Heartbeat { instance: key, call, details: None });
            }
        }
        self.write(number, batch);
    }

    /// Writes until it is applied or refused for good. A start gives up at once.
    fn write(&mut self, number: usize, batch: Batch) {
        let is_start = batch.create.is_some();
        self.send(batch, move |world, result| match result {
            Ok(applied) => world.answer(number, Input::Applied(applied)),
            Err(Refused { error, batch }) if error.class() == ErrorClass::Passing && !is_start => {
                world.later("writes again", move |world| world.write(number, batch));
            }
            Err(refused) => {
                let id = world.memory.instances[number].id.clone();
                world.memory.unloaded.insert(id);
                world.answer(number, Input::Refused(refused));
            }
        });
    }

    fn perform(&mut self, number: usize, mut effects: Effects) {
        let (id, key) = (self.memory.instances[number].id.clone(), effects.key);
        if let Some((before, after)) = effects.clock.take() {
            self.memory.clock.retain(|entry| before.is_none_or(|before| *entry != (before, id.clone())));
            self.memory.clock.extend(after.map(|after| (after, id.clone())));
        }
        if effects.created_children {
            self.scan(true);
        }
        self.set_stored(effects.stored_due);
        if effects.rests {
            self.memory.idle.push(number);
        }
        // The order of these is that of a hash table.
        effects.cancelled.sort_unstable();
        effects.aborted.sort_unstable();
        effects.cancelled.into_iter().chain(effects.aborted).for_each(|call| self.cancel(number, call));
        for (call, child) in effects.looked_at {
            self.check_child(&id, key, call, child);
        }
        effects.starts.into_iter().for_each(|start| self.start(number, start));
        self.discard(effects.discarded);
        self.post(key, effects.posts);
        if effects.gone && self.memory.instances_by_id.get(&id) == Some(&number) {
            self.memory.instances_by_id.remove(&id);
        }
        for (ack, answer) in effects.acks {
            let _ = ack.send(answer);
        }
        if effects.leaves_place {
            self.release_place();
        }
        if effects.wrote_messages {
            (self.memory.rung, self.memory.starts) = (true, true);
        }
        self.memory.rung |= effects.wrote_to_entities;
        if effects.ended.as_ref().is_some_and(|ended| ended.without_a_turn) {
            self.release_locks(&id);
        }
        if let Some(Ended { key, parent, outcome, .. }) = effects.ended {
            self.check_ended(key, &outcome);
            assert!(self.memory.instances[number].running.is_empty(), "attempts of `{id}` go on after its end");
            if let Some(parent) = parent {
                let message = Message { ended: Some(key), ..Message::of(Event::for_parent(parent.id, outcome)) };
                let caller: Arc<str> = parent.instance.into();
                self.tell_caller(caller, message);
            }
        }
        let left = effects.left;
        if !matches!(left, Left::Nothing) {
            self.soon("what is left is handed on", move |world| world.hand_on(number, left));
        }
        if let Some(next) = effects.next {
            self.follow(number, next);
        }
    }

    /// Whoever is told of an end can read it.
    fn check_ended(&self, key: InstanceKey, outcome: &crate::kernel::function::Recorded) {
        let stored = self.store.instances.get(&key).filter(|stored| stored.instance.state.status.is_terminal());
        let last = stored.and_then(|stored| stored.history.last()?.events.last()?.outcome());
        // It may have been purged, or rewound, since.
        assert!(stored.is_none() || last.as_ref() == Some(outcome), "the end of {key} is told, and the store does not know it");
    }

    /// What an instance has left over.
    fn hand_on(&mut self, number: usize, left: Left) {
        let id = self.memory.instances[number].id.clone();
        match left {
            Left::Nothing => {}
            Left::Sent(mut messages) => {
                if self.take_back(number, &mut messages) {
                    (self.memory.rung, self.memory.starts) = (true, true);
                }
                messages.into_iter().for_each(|message| self.route(&id, message));
            }
            Left::Refused(messages, error) => messages.into_iter().for_each(|message| message.refuse(error.clone())),
            Left::Homeless { mut messages, unwanted, error } => {
                let looks_again = self.take_back(number, &mut messages);
                self.later("a home is looked for", move |world| world.find_home(&id, messages, unwanted, error, looks_again));
            }
        }
    }

    /// What came through the inbox is handed out by it again. Whether there was something.
    fn take_back(&mut self, number: usize, messages: &mut Vec<Message>) -> bool {
        let from_inbox: Vec<_> = messages.extract_if(.., |message| message.inbox.is_some()).collect();
        from_inbox.iter().filter_map(|message| message.inbox).for_each(|inbox| self.take_back_number((true, number), inbox));
        !from_inbox.is_empty()
    }

    fn find_home(&mut self, id: &Arc<str>, messages: Vec<Message>, unwanted: Vec<i64>, error: RuntimeError, looks_again: bool) {
        if looks_again {
            (self.memory.rung, self.memory.starts) = (true, true);
        }
        let nobody_asks = messages.is_empty() && unwanted.is_empty() && !looks_again;
        let lives = self.store.find(id).is_some_and(|found| !found.instance.state.status.is_terminal()) && !nobody_asks;
        let id = id.clone();
        self.soon("a home is found", move |world| {
            if lives {
                world.wake(&id);
                messages.into_iter().for_each(|message| world.route(&id, message));
            } else {
                world.discard(unwanted);
                messages.into_iter().for_each(|message| message.refuse(error.clone()));
            }
        });
    }
}
