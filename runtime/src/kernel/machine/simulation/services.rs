//! What surrounds the machines: the inbox, the clock, the places, and who looks for children and for holders of locks.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::{CallId, EntityLock, Event, Parent};
use crate::kernel::error::ErrorClass;
use crate::kernel::instance_id::is_entity;
use crate::kernel::machine::answers::id_taken;
use crate::kernel::machine::entity;
use crate::kernel::machine::instance::{Input, Post};
use crate::kernel::machine::message::Message;
use crate::kernel::machine::simulation::world::World;
use crate::kernel::stored::{self, InstanceKey};
use crate::kernel::time::Timestamp;

/// A look at the inbox, message by message.
pub(super) struct Look {
    number: u64,
    there: BTreeSet<i64>,
    messages: VecDeque<stored::StoredMessage>,
}

/// The inbox.
impl World {
    pub(super) fn give(&mut self, owner: (bool, usize), numbers: impl IntoIterator<Item = i64>) {
        let look = self.memory.looks;
        self.memory.handed.extend(numbers.into_iter().map(|number| (number, (owner, look))));
    }

    pub(super) fn take_back_number(&mut self, owner: (bool, usize), number: i64) {
        if self.memory.handed.get(&number).is_some_and(|(has, _)| *has == owner) {
            self.memory.handed.remove(&number);
        }
    }

    /// Begins a look at the inbox, or hands out the next message of one.
    pub(super) fn look(&mut self) {
        let Some(look) = &mut self.memory.look else {
            self.memory.rung = false;
            if std::mem::take(&mut self.memory.starts) {
                self.scan(true);
            }
            self.memory.looks += 1;
            let messages: VecDeque<_> = self.store.inbox.values().cloned().collect();
            let there = messages.iter().map(|message| message.number).collect();
            self.memory.look = Some(Look { number: self.memory.looks, there, messages });
            return;
        };
        if let Some(message) = look.messages.pop_front() {
            return self.hand_out(message);
        }
        if let Some(look) = self.memory.look.take() {
            self.memory.handed.retain(|number, (_, given)| *given >= look.number || look.there.contains(number));
        }
    }

    fn hand_out(&mut self, message: stored::StoredMessage) {
        let stored::StoredMessage { number, instance, id, event } = message;
        if self.memory.handed.contains_key(&number) || self.memory.stopped {
            return;
        }
        let (id, Ok(event)): (Arc<str>, _) = (id.into(), event) else { return };
        self.tell(|| format!("message {number} is handed to {id}: {event:?}"));
        if is_entity(&id) {
            let (entity, is_new) = self.entity(&id);
            self.give((false, entity), [number]);
            self.deliver_to_entity(entity, is_new, entity::message::EntityMessage::of(event, Some(number)));
        } else {
            let (to, is_new) = self.instance(&id);
            self.give((true, to), [number]);
            self.deliver(to, is_new, Message { inbox: Some(number), posted_for: Some(instance), ..Message::of(event) });
        }
    }

    pub(super) fn discard(&mut self, consume: Vec<i64>) {
        if !consume.is_empty() {
            self.send_patiently(Batch { consume, ..Batch::default() }, |_, _| {});
        }
    }

    pub(super) fn post(&mut self, instance: InstanceKey, posts: Vec<Post>) {
        if posts.is_empty() {
            return;
        }
        let (post, acks): (Vec<_>, Vec<_>) = posts.into_iter().map(|post| ((instance, post.event), post.ack)).unzip();
        self.send(Batch { post, ..Batch::default() }, move |world, result| {
            let Err(refused) = result else {
                return acks.into_iter().flatten().for_each(|ack| drop(ack.send(Ok(()))));
            };
            let mut batch = refused.batch;
            let mut sent = acks.iter();
            batch.post.retain(|_| sent.next().is_some_and(Option::is_none));
            acks.into_iter().flatten().for_each(|ack| drop(ack.send(Err(refused.error.clone()))));
            if refused.error.class() == ErrorClass::Passing && !batch.post.is_empty() {
                world.send_patiently(batch, |world, _| (world.memory.rung, world.memory.starts) = (true, true));
            }
        });
    }
}

/// The clock, and what waits in the store.
impl World {
    pub(super) fn set_stored(&mut self, at: Option<Timestamp>) {
        self.memory.stored_due = self.memory.stored_due.into_iter().chain(at).min();
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.memory.clock.first().map(|(at, _)| *at).into_iter().chain(self.memory.stored_due).min()
    }

    /// Tells all whose time has come.
    pub(super) fn ring(&mut self) {
        let now = self.now;
        while self.memory.clock.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, id)) = self.memory.clock.pop_first()
        {
            self.soon("a timer is due", move |world| {
                if let Some(number) = world.memory.instances_by_id.get(&id).copied() {
                    world.tell_instance(number, Input::Due);
                }
            });
        }
        if self.memory.stored_due.take_if(|at| *at <= now).is_some() {
            self.later("stored timers are due", |world| {
                let now = world.now;
                let instances = world.store.instances.values().map(|stored| &stored.instance);
                let due = instances.filter(|it| it.state.is_due(now)).map(|it| Arc::from(it.id.as_str())).collect();
                world.wake_all(due);
                let next = world.store.next_wake().map(|at| at.max(now.after(std::time::Duration::from_secs(1))));
                world.set_stored(next);
            });
        }
    }

    /// Takes up what is busy in the store, or what has not begun of it.
    pub(super) fn scan(&mut self, new_only: bool) {
        self.later("the backlog is read", move |world| {
            let busy = world.store.busy(new_only);
            world.wake_all(busy.into_iter().map(Arc::from).collect());
        });
    }

    fn wake_all(&mut self, ids: Vec<Arc<str>>) {
        for id in ids {
            self.soon("one of the backlog is woken", move |world| world.wake(&id));
        }
    }
}

/// The places.
impl World {
    pub(super) fn take_place(&mut self) -> bool {
        if self.places.is_none() {
            return true;
        }
        let is_free = self.memory.free > 0;
        self.memory.free -= usize::from(is_free);
        self.tell(|| format!("a place is asked for, and {}", if is_free { "taken" } else { "there is none" }));
        is_free
    }

    /// Gives a place back, to whoever has waited longest.
    pub(super) fn release_place(&mut self) {
        let Some(places) = self.places else { return };
        self.tell(|| format!("a place is given back; {:?} wait", self.memory.line));
        match self.memory.line.pop_front() {
            Some(next) => self.soon("a place is given", move |world| world.tell_instance(next, Input::Placed)),
            None => self.memory.free += 1,
        }
        assert!(self.memory.free <= places, "more places are given back than were taken");
    }
}

/// Who looks for others.
impl World {
    /// Tells a caller of the end of a child.
    pub(super) fn tell_caller(&mut self, caller: Arc<str>, message: Message) {
        self.memory.telling += 1;
        self.soon("a caller is told", move |world| {
            world.memory.telling -= 1;
            world.route(&caller, message);
        });
    }

    /// Looks whether a child has ended while its caller was not loaded.
    pub(super) fn check_child(&mut self, parent: &Arc<str>, key: InstanceKey, call: CallId, child: String) {
        let (parent, posted_for) = (parent.clone(), Some(key));
        self.memory.telling += 1;
        self.soon("a child is looked for", move |world| {
            let ours = Parent { instance: parent.to_string(), id: call };
            let found = world.store.find(&child).map(|found| &found.instance);
            let found = found.filter(|found| found.parent.as_ref() == Some(&ours)).map(|found| (found.key, found.state.status));
            world.soon("a child is found", move |world| {
                world.memory.telling -= 1;
                match found {
                    None => world.route(&parent, Message { posted_for, ..Message::of(id_taken(call, &child)) }),
                    Some((child, status)) => {
                        if let Some(number) = world.memory.instances_by_id.get(&parent).copied() {
                            world.tell_instance(number, Input::Child { own: key, call, child });
                        }
                        if !status.is_terminal() {
                            return;
                        }
                        let stored = world.store.instances.get(&child);
                        let outcome = stored.and_then(|stored| stored.history.last()?.events.last()?.outcome());
                        if let Some(outcome) = outcome {
                            let ended = Some(child);
                            let event = Event::for_parent(call, outcome);
                            world.tell_caller(parent, Message { posted_for, ended, ..Message::of(event) });
                        }
                    }
                }
            });
        });
    }

    /// Gives the locks of a run back that ended while it was set aside.
    pub(super) fn release_locks(&mut self, id: &str) {
        let entities: Vec<_> = self.memory.entities_by_id.values().copied().collect();
        for entity in entities {
            if let Some(lock) = self.memory.entities[entity].machine.held_by(id) {
                self.check_holder(entity, lock);
            }
        }
    }

    /// Gives a lock back if its holder has ended.
    pub(super) fn check_holder(&mut self, entity: usize, lock: EntityLock) {
        self.soon("a holder is looked for", move |world| {
            let found = world.store.find(&lock.holder.instance).map(|found| &found.instance);
            let living = found.filter(|found| !found.state.status.is_terminal()).map(|found| found.key);
            world.soon("a holder is found", move |world| {
                let first = |key| world.store.instances.get(&key).and_then(|stored| Some(stored.history.first()?.at));
                if living.and_then(first) != Some(lock.holder.run) {
                    world.step_entity(entity, entity::Input::HolderEnded(lock));
                }
            });
        });
    }
}
