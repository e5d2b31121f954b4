//! Steps entities, runs their operations and performs their effects, as the shell of a worker does.

use std::sync::Arc;

use crate::kernel::batch::Batch;
use crate::kernel::engine::event::Event;
use crate::kernel::instance_id::entity_name;
use crate::kernel::machine::answers::{not_found, shutting_down};
use crate::kernel::machine::code::new_entity;
use crate::kernel::machine::entity::message::EntityMessage;
use crate::kernel::machine::entity::operations::Work;
use crate::kernel::machine::entity::{Effects, Entity, Found, Input, Next};
use crate::kernel::machine::simulation::programs::registry;
use crate::kernel::machine::simulation::world::{Resident, World};
use crate::kernel::payload::Values;
use crate::kernel::stored::Stored;

impl World {
    /// The entity of this id in memory, and whether it was put there just now.
    pub(super) fn entity(&mut self, id: &Arc<str>) -> (usize, bool) {
        if let Some(there) = self.memory.entities_by_id.get(id) {
            return (*there, false);
        }
        let number = self.memory.entities.len();
        let machine = Entity::unloaded(id.clone());
        self.memory.entities.push(Resident { id: id.clone(), machine, at_work: false, running: Default::default() });
        self.memory.entities_by_id.insert(id.clone(), number);
        (number, true)
    }

    pub(super) fn tell_entity(&mut self, id: &Arc<str>, message: EntityMessage) {
        if self.memory.stopped {
            return message.refuse(shutting_down());
        }
        let (number, is_new) = self.entity(id);
        self.deliver_to_entity(number, is_new, message);
    }

    pub(super) fn deliver_to_entity(&mut self, number: usize, is_new: bool, message: EntityMessage) {
        self.step_entity(number, Input::Deliver(message));
        if is_new {
            self.follow_entity(number, Next::Load);
        }
    }

    pub(super) fn step_entity(&mut self, number: usize, input: Input) {
        let now = self.now;
        let effects = self.memory.entities[number].machine.step(now, input);
        self.perform_of_entity(number, effects);
    }

    fn answer_entity(&mut self, number: usize, input: Input) {
        if let Input::Loaded(found) = &input {
            let numbers: Vec<_> = found.messages.iter().map(|(number, _)| *number).collect();
            self.give((false, number), numbers);
        }
        self.memory.entities[number].at_work = false;
        self.step_entity(number, input);
    }

    fn answer_entity_soon(&mut self, number: usize, what: &'static str, input: Input) {
        self.soon(what, move |world| world.answer_entity(number, input));
    }

    fn follow_entity(&mut self, number: usize, next: Next) {
        let resident = &mut self.memory.entities[number];
        assert!(!resident.at_work, "`{}` begins something while something else is under way", resident.id);
        resident.at_work = true;
        self.soon("an entity goes on", move |world| match next {
            Next::Work => world.answer_entity(number, Input::Work),
            Next::Load => world.load_entity(number),
            Next::Operate(mut work) => {
                let operated = work.run(&world.memory.entities[number].id, Values::Shown);
                world.answer_entity_soon(number, "operated", Input::Worked(work, operated));
            }
            Next::Commit(batch) => world.send_patiently(*batch, move |world, result| {
                let input = match result {
                    Ok(applied) => Input::Applied(applied),
                    Err(error) => Input::Refused(error),
                };
                world.answer_entity(number, input);
            }),
        });
    }

    /// Reads an entity, and then its inbox. One that is not in the store is put there if a message wants it.
    fn load_entity(&mut self, number: usize) {
        let id = self.memory.entities[number].id.clone();
        if let Some(stored) = self.store.find(&id).cloned() {
            return self.soon("the inbox of an entity is read", move |world| world.loaded_entity(number, stored));
        }
        if !self.memory.entities[number].machine.creates() {
            return self.answer_entity_soon(number, "not loaded", Input::NotLoaded(not_found(&id)));
        }
        let batch = Batch { children: vec![new_entity(&id, self.now)], ..Batch::default() };
        self.send_patiently(batch, move |world, result| match result {
            Ok(_) => world.load_entity(number),
            Err(error) => world.answer_entity_soon(number, "not loaded", Input::NotLoaded(error)),
        });
    }

    fn loaded_entity(&mut self, number: usize, stored: Stored) {
        let key = stored.instance.key;
        let messages = self.store.messages(key).into_iter();
        let messages = messages.filter_map(|message| Some((message.number, message.event.ok()?))).collect();
        let event = stored.history.into_iter().flat_map(|turn| turn.events).next_back();
        let Some(Event::EntityState { state, lock }) = event else { panic!("an entity has its state") };
        let registration = *registry().entity(entity_name(&stored.instance.id)).expect("there is one entity type");
        let live = registration.open(state.as_ref()).expect("it is its state");
        let work = Work { registration, live: Some(live), state, lock, mailbox: Default::default() };
        self.answer_entity_soon(number, "entity loaded", Input::Loaded(Box::new(Found { key, work, messages })));
    }

    fn perform_of_entity(&mut self, number: usize, effects: Effects) {
        let id = self.memory.entities[number].id.clone();
        for (reply, answer) in effects.replies {
            let _ = reply.send(answer);
        }
        self.memory.rung |= effects.wrote_messages;
        if let Some(lock) = effects.looked_at {
            self.check_holder(number, lock);
        }
        if effects.gone && self.memory.entities_by_id.get(&id) == Some(&number) {
            self.memory.entities_by_id.remove(&id);
        }
        effects.refused.into_iter().for_each(|(message, error)| message.refuse(error));
        for message in effects.sent {
            if let Some(inbox) = message.inbox {
                self.take_back_number((false, number), inbox);
                self.memory.rung = true;
            } else {
                self.tell_entity(&id, message);
            }
        }
        if effects.rests && self.one_in(3) {
            self.soon("an entity gives way", move |world| world.step_entity(number, Input::Evict));
        }
        if let Some(next) = effects.next {
            self.follow_entity(number, next);
        }
    }
}
