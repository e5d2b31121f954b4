//! The one place that steps machines, runs their jobs and performs their effects.
//!
//! Invariant: a job runs in a task of the executor, or, for an entity, on a thread for what may block, with no lock held. So does what drops
//! values of the user's. Never on the store's thread, never in a caller's task.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::kernel::batch::{Applied, Batch, Heartbeat, Refused};
use crate::kernel::error::ErrorClass;
use crate::kernel::machine::entity::{self, Entity};
use crate::kernel::machine::instance::{Commit, Effects, Ended, Input, Instance, Left, Loaded, Next};
use crate::kernel::machine::message::Message;
use crate::store::trouble::Backoff;
use crate::worker::activities::job::Running;
use crate::worker::code::CodeOf;
use crate::worker::residents::Resident;
use crate::worker::shard::{Shard, Writing};

/// Where what a step has retired is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drops {
    /// Here: this is a task of the executor, and nothing is locked.
    Here,
    Later,
}

/// What becomes of what an instance asks for.
enum Begun {
    /// It was done; what is to be done next.
    Done(Option<Next>),
    Writes(Writing),
    Asks(BoxFuture<'static, Box<Input>>),
}

/// Instances.
impl Shard {
    /// Brings an input to an instance, whoever calls. What follows runs in a task of its own.
    pub(super) fn tell(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, input: Input) {
        let effects = self.step(instance, input);
        self.follow(instance, effects, false);
    }

    /// Performs effects, whoever calls, and lets what follows run in a task of its own. One that is new is read first.
    pub(super) fn follow(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, effects: Effects, is_new: bool) {
        let next = self.perform(instance, effects, Drops::Later);
        let load = is_new.then_some(Next::Load { with_arguments: false, after_posts: false });
        if let Some(next) = next.or(load) {
            self.drive_later(instance, next);
        }
    }

    /// Brings an input to an instance, in a task of the executor; what is to be done next.
    pub(super) fn tell_here(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, input: Input) -> Option<Next> {
        let effects = match &input {
            Input::Loaded(Loaded::Found(found)) => {
                let numbers: Vec<_> = found.messages.iter().map(|message| message.number).collect();
                let _given = self.inbox.give(instance, numbers);
                self.step(instance, input)
            }
            _ => self.step(instance, input),
        };
        self.perform(instance, effects, Drops::Here)
    }

    pub(super) fn drive_later(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, next: Next) {
        self.host.spawn(self.clone().drive(instance.clone(), next));
    }

    /// Does what an instance asks for next, until it asks for nothing. Thousands of these wait at once, so the future is small: inputs and
    /// effects are on the stack, and what is rare is boxed.
    pub(super) async fn drive(self: Arc<Self>, instance: Arc<Resident<Instance>>, mut next: Next) {
        loop {
            let then = match self.begin(&instance, next) {
                Begun::Done(then) => then,
                Begun::Writes(writing) => match self.written(writing.await) {
                    Ok(applied) => self.tell_here(&instance, Input::Applied(applied)),
                    Err(refused) => Box::pin(self.refused(&instance, refused)).await,
                },
                Begun::Asks(asking) => {
                    let input = asking.await;
                    self.tell_here(&instance, *input)
                }
            };
            match then {
                Some(then) => next = then,
                None => return self.settled.notify_waiters(),
            }
            tokio::task::consume_budget().await;
        }
    }

    /// Does what needs no waiting, and begins the rest.
    fn begin(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, next: Next) -> Begun {
        let code = CodeOf(self);
        let input = match next {
            Next::Work => Input::Work,
            Next::First(first) => Input::Began(first.run(&code)),
            Next::Replay(job) => Input::Replayed(job.run(&code)),
            Next::Place => Input::Place(self.host.places.take_or_wait(instance)),
            Next::Sort(sorting) => Input::Sorted(sorting.run(&code)),
            Next::Turn(job) => Input::Turned(job.run(&code)),
            Next::Commit(commit) => return Begun::Writes(self.commit(instance, *commit)),
            Next::Load { with_arguments, after_posts } => {
                let (shard, id) = (self.clone(), instance.id.clone());
                // Batches are applied in order, so this is answered after all messages.
                let posted = after_posts.then(|| self.send_batch(Batch::default()));
                return Begun::Asks(Box::pin(async move {
                    if let Some(posted) = posted {
                        let _ = posted.await;
                    }
                    Box::new(shard.load(&id, with_arguments).await)
                }));
            }
            Next::Children => {
                let (shard, id) = (self.clone(), instance.id.clone());
                return Begun::Asks(Box::pin(async move { Box::new(Input::Children(shard.living_children(&id).await)) }));
            }
        };
        Begun::Done(self.tell_here(instance, input))
    }

    /// Steps a machine.
    pub(super) fn step(&self, instance: &Arc<Resident<Instance>>, input: Input) -> Effects {
        let mut machine = instance.machine.lock();
        let mut effects = machine.step(self.now(), input);
        if let Some((before, after)) = effects.clock.take() {
            // Under the lock, so that changes come in their order.
            self.clock.set(&instance.id, before, after);
        }
        effects
    }

    /// Sends the batch of a commit to the store.
    fn commit(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, commit: Commit) -> Writing {
        let Commit { mut batch, hushed } = commit;
        for call in hushed {
            let is_known = batch.heartbeats.iter().any(|heartbeat| heartbeat.call == call);
            if instance.hush(call) && !is_known {
                batch.heartbeats.push(Heartbeat { instance: instance.key(), call, details: None });
            }
        }
        self.send_batch(batch)
    }

    /// A commit was refused. Only a start gives up at once: its caller can be told.
    async fn refused(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, refused: Box<Refused>) -> Option<Next> {
        let is_start = refused.batch.create.is_some();
        let input = match self.write_again(refused, &instance.id, is_start).await {
            Ok(applied) => Input::Applied(applied),
            Err(refused) => Input::Refused(*refused),
        };
        self.tell_here(instance, input)
    }

    /// Does what a step asks for, but for what is to be done next.
    fn perform(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, effects: Effects, drops: Drops) -> Option<Next> {
        let key = effects.key;
        if effects.created_children {
            self.backlog.add_new();
        }
        self.clock.set_stored(effects.stored_due);
        self.dispose(effects.retired, drops);
        if effects.rests {
            self.residents.rests(instance);
            self.backlog.made_room();
        }
        for call in effects.cancelled {
            instance.stops(call).into_iter().for_each(|running| self.cancel(running));
        }
        for call in effects.aborted {
            instance.stops(call).into_iter().for_each(|running| running.abort());
        }
        for (call, child) in effects.looked_at {
            self.check_child(&instance.id, key, call, child);
        }
        for start in effects.starts {
            let (running, job) = self.host.pool.job(instance.clone(), start);
            instance.runs(job.call, running);
            self.host.pool.submit(job);
        }
        self.discard(effects.discarded);
        self.post(key, effects.posts);
        // Before anybody hears of it, who may then look whether it is in memory.
        if effects.gone && self.residents.instances.remove(instance) {
            self.backlog.made_room();
        }
        for (ack, answer) in effects.acks {
            let _ = ack.send(answer);
        }
        if effects.leaves_place {
            self.release_place();
        }
        if effects.wrote_messages {
            self.scan_later();
        }
        if effects.wrote_to_entities {
            self.fetch_later();
        }
        if effects.committed {
            self.watchers.tell(&instance.id);
        }
        if effects.begun {
            self.begun(&instance.id);
        }
        if effects.ended.as_ref().is_some_and(|ended| ended.without_a_turn) {
            self.release_locks(&instance.id);
        }
        if let Some(Ended { key, parent, outcome, .. }) = effects.ended {
            self.finished(&instance.id, key, parent, outcome);
        }
        self.hand_on(instance, effects.left);
        if effects.committed {
            self.trim();
        }
        effects.next
    }

    fn cancel(&self, running: Running) {
        running.cancel(&self.host.executor, &*self.host.time, self.host.pool.cancel_grace());
    }

    /// What an instance has left over.
    fn hand_on(self: &Arc<Self>, instance: &Arc<Resident<Instance>>, left: Left) {
        match left {
            Left::Nothing => {}
            Left::Sent(mut messages) => {
                if self.take_back(instance, &mut messages) {
                    self.scan_later();
                }
                messages.into_iter().for_each(|message| self.route(&instance.id, message));
            }
            Left::Refused(messages, error) => {
                messages.into_iter().for_each(|message| message.refuse(error.clone()));
                // Whoever took it for one that runs looks again.
                self.waiters.lock().remove(&instance.id);
            }
            Left::Homeless { mut messages, unwanted, error } => {
                let looks_again = self.take_back(instance, &mut messages);
                let (shard, id) = (self.clone(), instance.id.clone());
                self.host.spawn(async move { shard.find_home(&id, messages, unwanted, error, looks_again).await });
            }
        }
    }

    /// What came through the inbox is handed out by it again, and by nobody else. Whether there was something.
    fn take_back(&self, instance: &Arc<Resident<Instance>>, messages: &mut Vec<Message>) -> bool {
        messages.extract_if(.., |message| self.inbox.take_back(instance, message.inbox)).count() > 0
    }

    fn dispose<T: Send + 'static>(self: &Arc<Self>, retired: Vec<T>, drops: Drops) {
        match drops {
            _ if retired.is_empty() => {}
            Drops::Here => drop(retired),
            Drops::Later => self.retire(retired),
        }
    }
}

/// Entities.
impl Shard {
    /// Brings an input to an entity, whoever calls. What follows runs in a task of its own.
    pub(super) fn tell_resident(self: &Arc<Self>, entity: &Arc<Resident<Entity>>, input: entity::Input) {
        let effects = entity.machine.lock().step(self.now(), input);
        self.follow_entity(entity, effects, false);
    }

    /// Performs effects, whoever calls, and lets what follows run in a task of its own. One that is new is read first.
    pub(super) fn follow_entity(self: &Arc<Self>, entity: &Arc<Resident<Entity>>, effects: entity::Effects, is_new: bool) {
        let next = self.perform_of_entity(entity, effects);
        if let Some(next) = next.or(is_new.then_some(entity::Next::Load)) {
            self.host.spawn(self.clone().drive_entity(entity.clone(), next));
        }
    }

    async fn drive_entity(self: Arc<Self>, entity: Arc<Resident<Entity>>, mut next: entity::Next) {
        loop {
            let Some(input) = self.answer_entity(&entity, next).await else { return };
            let effects = match &input {
                entity::Input::Loaded(found) => {
                    let numbers: Vec<_> = found.messages.iter().map(|(number, _)| *number).collect();
                    let _given = self.inbox.give(&entity, numbers);
                    entity.machine.lock().step(self.now(), input)
                }
                _ => entity.machine.lock().step(self.now(), input),
            };
            match self.perform_of_entity(&entity, effects) {
                Some(then) => next = then,
                None => return self.settled.notify_waiters(),
            }
            tokio::task::consume_budget().await;
        }
    }

    /// Does what an entity asks for; nothing where the executor shuts down.
    async fn answer_entity(self: &Arc<Self>, entity: &Arc<Resident<Entity>>, next: entity::Next) -> Option<entity::Input> {
        Some(match next {
            entity::Next::Work => entity::Input::Work,
            entity::Next::Load => Box::pin(self.load_entity(entity)).await,
            entity::Next::Operate(mut work) => {
                let (id, values) = (entity.id.clone(), self.store.payloads().values());
                let operate = move || {
                    let worked = work.run(&id, values);
                    (work, worked)
                };
                let (work, worked) = self.host.blocking(operate).await?;
                entity::Input::Worked(work, worked)
            }
            entity::Next::Commit(batch) => match self.write(*batch, &entity.id, false).await {
                Ok(applied) => entity::Input::Applied(applied),
                Err(refused) => entity::Input::Refused(refused.error),
            },
        })
    }

    fn perform_of_entity(self: &Arc<Self>, entity: &Arc<Resident<Entity>>, effects: entity::Effects) -> Option<entity::Next> {
        self.dispose(effects.retired, Drops::Later);
        for (reply, answer) in effects.replies {
            let _ = reply.send(answer);
        }
        if effects.wrote_messages {
            self.fetch_later();
        }
        if let Some(lock) = effects.looked_at {
            self.check_holder(entity, lock);
        }
        if effects.gone {
            self.residents.entities.remove(entity);
        }
        effects.refused.into_iter().for_each(|(message, error)| message.refuse(error));
        for message in effects.sent {
            if self.inbox.take_back(entity, message.inbox) {
                self.fetch_later();
            } else {
                self.tell_entity(&entity.id, message);
            }
        }
        if effects.rests && self.residents.has_many_entities() {
            self.tell_resident(entity, entity::Input::Evict);
        }
        effects.next
    }
}

/// Batches.
impl Shard {
    /// Applies a batch until it is applied or refused for good, or at once where somebody can be told.
    async fn write(self: &Arc<Self>, batch: Batch, id: &str, gives_up: bool) -> Result<Applied, Box<Refused>> {
        match self.written(self.send_batch(batch).await) {
            Ok(applied) => Ok(applied),
            // Boxed, because every commit that is under way would keep a place for it.
            Err(refused) => Box::pin(self.write_again(refused, id, gives_up)).await,
        }
    }

    async fn write_again(self: &Arc<Self>, mut refused: Box<Refused>, id: &str, gives_up: bool) -> Result<Applied, Box<Refused>> {
        let mut tries = Backoff::default();
        loop {
            match refused.error.class() {
                ErrorClass::Passing if !gives_up => {}
                ErrorClass::Fatal => {
                    self.give_up(&refused.error);
                    return Err(refused);
                }
                ErrorClass::Passing | ErrorClass::Permanent => return Err(refused),
            }
            if tries.is_news() {
                tracing::error!(instance = id, error = %refused.error, "failed to write a turn; retrying");
            }
            self.host.time.sleep(tries.pause()).await;
            match self.apply_once(refused.batch).await {
                Ok(applied) => return Ok(applied),
                Err(again) => refused = again,
            }
        }
    }
}
