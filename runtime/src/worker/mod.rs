//! Runs turns and activities on a store it owns.
//!
//! Data goes one way: a message reaches an [`Instance`], which runs a turn and sends a batch to the store;
//! when that is durable the turn's actions go to the [`Pool`], the [`Clock`] and other instances,
//! and come back as messages.

mod backlog;
mod calls;
pub(crate) mod clock;
mod commit;
pub(crate) mod entities;
mod entity;
pub(crate) mod instance;
mod lanes;
mod letter;
mod loading;
mod message;
mod parking;
pub(crate) mod pool;
pub(crate) mod request;
mod retention;
pub(crate) mod time;
pub(crate) mod watchers;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::activity::States;
use crate::engine::event::{CallId, Event, Parent, Turn};
use crate::engine::execution::{Action, Execution, GivenUp, Progress};
use crate::error::{ErrorKind, RuntimeError};
use crate::failure::{Failure, FailureKind};
use crate::function::Recorded;
use crate::instance_id;
use crate::registry::{Registration, Registry};
use crate::store::kept::{Kept, is_unreadable};
use crate::store::{self, Batch, Epoch, Lookup, NewInstance, Role, State, StoreResult, Timestamp};
use crate::trace::TraceContext;
use backlog::Backlog;
use clock::Clock;
use entities::{Entities, new_entity};
use instance::Instance;
use message::{Ack, Message};
pub(crate) use parking::wrong_state;
use pool::{Job, Perform, Pool};
use request::Request;
use retention::Ended;
pub use retention::Retention;
use time::Time;
use watchers::Watchers;

/// What a worker is told when it is made.
pub(crate) struct Settings {
    pub(crate) max_concurrent_activities: usize,
    pub(crate) max_loaded_instances: usize,
    pub(crate) verify: bool,
    pub(crate) retention: Option<Retention>,
    pub(crate) cancel_grace: Duration,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) perform: Perform,
}

/// The one worker of a store.
pub(crate) struct Worker {
    store: Kept,
    epoch: Epoch,
    registry: Registry,
    handle: Handle,
    time: Arc<dyn Time>,
    pool: Arc<Pool>,
    clock: Arc<Clock>,
    backlog: Arc<Backlog>,
    instances: Mutex<HashMap<Arc<str>, Arc<Instance>>>,
    waiters: Mutex<HashMap<Arc<str>, Vec<oneshot::Sender<Recorded>>>>,
    /// Instances that were resting with nothing under way, the longest first.
    idle: Mutex<VecDeque<Weak<Instance>>>,
    max_loaded: usize,
    verify: bool,
    /// The highest inbox number that was handed out.
    scanned: AtomicI64,
    scanning: tokio::sync::Mutex<()>,
    /// Inbox numbers above `scanned` that a turn has taken: a scan that read them before must not hand them out again.
    taken: Mutex<BTreeSet<i64>>,
    stopped: AtomicBool,
    /// Those who wait for the first turn of an instance.
    starts: Mutex<HashMap<Arc<str>, Vec<oneshot::Sender<()>>>>,
    ended: Option<Arc<Ended>>,
    entities: Entities,
    watchers: Arc<Watchers>,
}

impl Worker {
    /// Claims the store and takes up everything unfinished in it.
    pub(crate) async fn start(
        store: Kept,
        standby: bool,
        registry: Registry,
        states: States,
        settings: Settings,
    ) -> StoreResult<Arc<Self>> {
        let epoch = store.claim(standby, registry.registered()).await?;
        let handle = Handle::current();
        let activities = registry.activities().copied().collect::<Vec<_>>().into_iter();
        let worker = Arc::new(Self {
            pool: Arc::new(Pool::new(handle.clone(), &settings, activities, states)),
            clock: Arc::new(Clock::new(settings.time.clone())),
            time: settings.time,
            backlog: Arc::default(),
            max_loaded: settings.max_loaded_instances,
            verify: settings.verify,
            store,
            epoch,
            registry,
            handle,
            instances: Mutex::default(),
            waiters: Mutex::default(),
            idle: Mutex::default(),
            scanned: AtomicI64::new(0),
            scanning: tokio::sync::Mutex::default(),
            taken: Mutex::default(),
            stopped: AtomicBool::new(false),
            starts: Mutex::default(),
            ended: settings.retention.map(|retention| Arc::new(Ended::new(retention))),
            entities: Entities::default(),
            watchers: Arc::default(),
        });
        let weak = Arc::downgrade(&worker);
        let rung = move || {
            if let Some(worker) = weak.upgrade() {
                let scanner = worker.clone();
                worker.spawn(async move { scanner.scan().await });
            }
        };
        worker.store.listen(Role::Worker, Arc::new(rung))?;
        worker.clock.set_stored(worker.store.next_wake().await?);
        worker.scan().await;
        worker.spawn(keep_time(Arc::downgrade(&worker), worker.clock.clone()));
        worker.spawn(pool::keep_pace(Arc::downgrade(&worker), worker.pool.clone()));
        worker.spawn(backlog::keep_filled(Arc::downgrade(&worker), worker.backlog.clone()));
        if let Some(ended) = worker.ended.clone() {
            worker.spawn(retention::retain(Arc::downgrade(&worker), ended));
        }
        Ok(worker)
    }

    pub(crate) fn store(&self) -> &Kept {
        &self.store
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn watchers(&self) -> &Arc<Watchers> {
        &self.watchers
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn time(&self) -> &Arc<dyn Time> {
        &self.time
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    fn instances(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Instance>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an instance and runs its first turn; answers when both are durable.
    pub(crate) async fn create(self: &Arc<Self>, mut request: Request) -> StoreResult<()> {
        self.check_running()?;
        let name = &request.name;
        let Some(orchestrator) = self.registry.orchestrator(name).copied() else {
            return Err(RuntimeError::new(ErrorKind::Invalid, self.registry.not_registered(name, 1)));
        };
        request.version = orchestrator.version();
        let (ack, answer) = oneshot::channel();
        let is_later = request.at.is_some_and(|at| at > self.now());
        if is_later || !self.has_room() {
            self.create_stored(request, orchestrator.shape(), ack);
            return answer.await.unwrap_or_else(|_| Err(shutting_down()));
        }
        let id: Arc<str> = request.id.as_str().into();
        // What is to be replaced has ended, but somebody may be looking at it just now.
        while !request.replaces.is_empty() && self.instances().contains_key(&id) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let instance = match self.instances().entry(id.clone()) {
            Entry::Occupied(_) => return Err(store::already_exists(&id)),
            Entry::Vacant(entry) => entry.insert(Instance::created(id.clone(), None)).clone(),
        };
        instance.start(self, self.execution(orchestrator, &id), request, ack);
        answer.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    /// Creates an instance whose first turn runs when it is due and there is room for it.
    fn create_stored(self: &Arc<Self>, request: Request, shape: u64, ack: Ack) {
        let batch = Batch { epoch: Some(self.epoch), ..request.into_batch(shape, self.now()) };
        let due = batch.create.as_ref().and_then(|new| new.state.wake_at);
        let worker = self.clone();
        let reply = move |result: Result<store::Applied, Box<store::Refused>>| {
            let created = result.map(|applied| match due {
                Some(due) => worker.clock.set_stored(Some(due)),
                None => applied.created.into_iter().for_each(|key| worker.backlog.add(key)),
            });
            let _ = ack.send(created.map_err(|refused| refused.error));
        };
        self.store.apply(batch, Box::new(reply));
    }

    /// Delivers a message and answers when it is durable.
    pub(crate) async fn send(self: &Arc<Self>, id: &str, event: Event) -> StoreResult<()> {
        self.check_running()?;
        let (ack, answer) = oneshot::channel();
        self.route(&id.into(), Message { ack: Some(ack), ..Message::of(event) });
        answer.await.unwrap_or_else(|_| Err(shutting_down()))
    }

    /// Delivers a message to an instance, which is loaded if it is not.
    pub(crate) fn route(self: &Arc<Self>, id: &Arc<str>, message: Message) {
        if instance_id::is_entity(id) {
            return self.route_to_entity(id, message);
        }
        let mut message = message;
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return message.refuse(shutting_down());
            }
            let (instance, is_new) = match self.instances().entry(id.clone()) {
                Entry::Occupied(entry) => (entry.get().clone(), false),
                Entry::Vacant(entry) => (entry.insert(Instance::unloaded(id.clone())).clone(), true),
            };
            let delivered = instance.try_deliver(self, message);
            if is_new {
                self.load(instance.clone());
            }
            match delivered {
                None => return,
                Some(back) => message = back,
            }
            self.forget(&instance);
        }
    }

    /// Takes up an instance that has something to do.
    pub(crate) fn wake(self: &Arc<Self>, id: &str) {
        self.route(&id.into(), Message::nudge());
    }

    /// The same from a place where a turn must not run.
    pub(crate) fn route_later(self: &Arc<Self>, id: String, message: Message) {
        let worker = self.clone();
        self.spawn(async move { worker.route(&id.into(), message) });
    }

    /// Takes up sub-orchestrations that were just created.
    pub(crate) fn begin(&self, children: &[Option<store::InstanceKey>]) {
        if let Some(first) = children.iter().flatten().min() {
            self.backlog.add(*first);
        }
    }

    /// Reads an instance and hands it its history.
    pub(crate) fn load(self: &Arc<Self>, instance: Arc<Instance>) {
        let worker = self.clone();
        self.spawn(async move {
            let id = instance.id().to_string();
            let error = match worker.read(&id).await {
                Ok(Some((stored, messages, unreadable))) if !stored.instance.state.status.is_terminal() => {
                    return instance.loaded(&worker, stored, messages, unreadable);
                }
                Ok(Some((stored, messages, _))) => {
                    worker.discard(messages);
                    let status = stored.instance.state.status.as_str().to_lowercase();
                    RuntimeError::new(ErrorKind::Finished, format!("the orchestration `{id}` has {status} already"))
                }
                Ok(None) => not_found(&id),
                Err(error) => {
                    tracing::error!(instance = id, %error, "an instance could not be read; it is tried again");
                    let again = worker.clone();
                    worker.spawn(async move {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        again.route(&id.into(), Message::nudge());
                    });
                    error
                }
            };
            instance.leave(&worker).into_iter().for_each(|message| message.refuse(error.clone()));
            // Whoever took it for one that runs looks again.
            worker.waiters().remove(instance.id());
        });
    }

    /// An instance, what waits for it, and why it cannot be replayed if it cannot.
    async fn read(&self, id: &str) -> StoreResult<Option<(store::Stored, Vec<store::Message>, Option<RuntimeError>)>> {
        let Some((stored, mut unreadable)) = self.store.load_to_replay(Lookup::Id(id.to_owned())).await? else {
            return Ok(None);
        };
        let mut messages = self.store.messages(Some(stored.instance.key), 0).await?;
        if messages.iter_mut().any(|message| is_unreadable(&mut message.event)) {
            let message = "an event that waits for it cannot be decoded; was it encoded with another key?";
            unreadable.get_or_insert_with(|| RuntimeError::new(ErrorKind::Unreadable, message));
        }
        Ok(Some((stored, messages, unreadable)))
    }

    /// Deletes messages that came too late.
    fn discard(&self, messages: Vec<store::Message>) {
        if !messages.is_empty() {
            let consume = messages.into_iter().map(|message| message.number).collect();
            self.store.apply(store::Batch { epoch: Some(self.epoch), consume, ..store::Batch::default() }, Box::new(|_| {}));
        }
    }

    /// The instances of the sub-orchestrations among `actions`, in their order.
    pub(crate) fn children(
        &self,
        parent: &Arc<str>,
        now: Timestamp,
        actions: &[Action],
        trace: Option<&TraceContext>,
    ) -> Vec<NewInstance> {
        let child = |action: &Action| {
            let Action::StartChild { id, name, instance, input, detached } = action else {
                return None;
            };
            let parent = (!detached).then(|| Parent { instance: parent.to_string(), id: *id });
            let registered = self.registry.orchestrator(name);
            let (version, shape) = registered.map_or((1, 0), |registered| (registered.version(), registered.shape()));
            let started = Event::ExecutionStarted {
                name: (*name).to_owned(),
                version,
                input: input.clone(),
                shape,
                parent: parent.clone(),
                continued: None,
                trace: trace.cloned().map(Box::new),
            };
            Some(NewInstance {
                id: instance.clone(),
                name: (*name).to_owned(),
                parent,
                created_at: now,
                turn: Turn { at: now, events: vec![started] },
                state: State::pending(),
                tags: BTreeMap::new(),
            })
        };
        actions.iter().filter_map(child).collect()
    }

    /// Looks whether a sub-orchestration has ended while its caller was not loaded.
    pub(crate) fn check_child(self: &Arc<Self>, parent: &Arc<str>, call: CallId, child: String) {
        let (worker, parent) = (self.clone(), parent.clone());
        self.spawn(async move {
            let found = match worker.store.find(Lookup::Id(child.clone())).await {
                Ok(found) => found,
                Err(error) => return tracing::error!(instance = child, %error, "a sub-orchestration could not be read"),
            };
            let ours = Parent { instance: parent.to_string(), id: call };
            let Some(found) = found.filter(|found| found.parent.as_ref() == Some(&ours)) else {
                return worker.route(&parent, Message::of(instance::id_taken(call, &child)));
            };
            if !found.state.status.is_terminal() {
                return;
            }
            if let Ok(Some(turn)) = worker.store.turn(found.key, store::End::Last).await
                && let Some(outcome) = turn.events.last().and_then(Event::outcome)
            {
                worker.route(&parent, Message::of(Event::for_parent(call, outcome)));
            }
        });
    }

    /// Tells the caller of an orchestration, and everybody who waits, that it has ended.
    pub(crate) fn finished(self: &Arc<Self>, id: &Arc<str>, key: store::InstanceKey, parent: Option<Parent>, outcome: Recorded) {
        if let Some(ended) = &self.ended {
            ended.notify();
        }
        let waiters = self.waiters().remove(id);
        for waiter in waiters.into_iter().flatten() {
            let _ = waiter.send(outcome.clone());
        }
        if let Some(parent) = parent {
            let ended = Some(key);
            self.route_later(parent.instance, Message { ended, ..Message::of(Event::for_parent(parent.id, outcome)) });
        }
    }

    /// Waits for the end of an instance.
    pub(crate) async fn wait(&self, id: &str) -> StoreResult<Recorded> {
        let id: Arc<str> = id.into();
        loop {
            let (waiter, ended) = oneshot::channel();
            self.waiters().entry(id.clone()).or_default().push(waiter);
            let mut wait = Wait { worker: self, id: id.clone(), ended };
            self.check_running()?;
            // An instance leaves the map before its waiters are told, so one that is in it tells this waiter, too.
            let is_loaded = self.instances().contains_key(&id);
            if !is_loaded && let Some(outcome) = outcome_of(&self.store, &id).await? {
                return Ok(outcome);
            }
            if let Ok(outcome) = (&mut wait.ended).await {
                return Ok(outcome);
            }
        }
    }

    /// Waits for the first turn of an instance.
    pub(crate) async fn wait_started(&self, id: &str, look: impl Future<Output = StoreResult<Option<()>>>) -> StoreResult<()> {
        let (waiter, started) = oneshot::channel();
        {
            let mut starts = self.starts();
            let waiters = starts.entry(id.into()).or_default();
            waiters.retain(|waiter| !waiter.is_closed());
            waiters.push(waiter);
        }
        self.check_running()?;
        if look.await?.is_some() {
            return Ok(());
        }
        started.await.map_err(|_| shutting_down())
    }

    fn starts(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<oneshot::Sender<()>>>> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who waits for it that an instance has begun, or will not begin any more.
    pub(crate) fn begun(&self, id: &str) {
        for waiter in self.starts().remove(id).into_iter().flatten() {
            let _ = waiter.send(());
        }
    }

    fn waiters(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<oneshot::Sender<Recorded>>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a cancelled activity may clean up.
    pub(crate) fn cancel_grace(&self) -> Duration {
        self.pool.cancel_grace()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn submit(self: &Arc<Self>, jobs: Vec<Job>) {
        jobs.into_iter().for_each(|job| self.pool.submit(self, job));
    }

    /// An execution without a history.
    pub(crate) fn execution(self: &Arc<Self>, orchestrator: Registration, id: &Arc<str>) -> Execution {
        Execution::new(orchestrator, id.clone(), self.alarm(id)).verified(self.verify)
    }

    /// Runs a turn of an execution.
    pub(crate) fn turn(&self, execution: &mut Execution, now: Timestamp, incoming: Vec<Event>) -> Result<Progress, GivenUp> {
        let mut progress = execution.turn(now, incoming)?;
        if let Some(Event::ExecutionCompleted { result }) = progress.events.last()
            && let Some(excess) = self.store.payloads().excess(format_args!("the result of `{}`", execution.name()), result)
        {
            progress.events.pop();
            progress.events.push(Event::ExecutionFailed { failure: Failure::new(FailureKind::Codec, excess) });
        }
        // A generation that could not be taken up after a restart must not begin.
        let next = progress.next.as_ref().map(|next| (next.orchestrator.name(), next.orchestrator.version()));
        if let Some((name, version)) = next
            && self.registry.version(name, version).is_none()
        {
            let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
            return Err(GivenUp { report: self.not_registered(name, version), incoming });
        }
        Ok(progress)
    }

    /// The report of a run whose orchestrator this process does not have.
    pub(crate) fn not_registered(&self, name: &str, version: u32) -> String {
        let why = self.registry.not_registered(name, version);
        format!("{why}\n  nothing is lost: the run is parked; start a build that has it")
    }

    /// What an execution calls when something outside its turns wakes it.
    fn alarm(self: &Arc<Self>, id: &Arc<str>) -> Box<dyn Fn() + Send + Sync> {
        let (worker, id): (Weak<Self>, _) = (Arc::downgrade(self), id.clone());
        Box::new(move || {
            if let Some(worker) = worker.upgrade() {
                worker.route_later(id.to_string(), Message::nudge());
            }
        })
    }

    /// Takes an instance out of the map, if it is the one that is in it.
    pub(crate) fn forget(&self, instance: &Arc<Instance>) {
        let mut instances = self.instances();
        if instances.get(instance.id()).is_some_and(|there| Arc::ptr_eq(there, instance)) {
            instances.remove(instance.id());
            drop(instances);
            self.backlog.made_room();
        }
    }

    /// Notes that an instance rests and could give way to others.
    pub(crate) fn idle(&self, instance: &Arc<Instance>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() > 2 * self.max_loaded {
            idle.retain(|instance| instance.strong_count() > 0);
        }
        idle.push_back(Arc::downgrade(instance));
        drop(idle);
        self.backlog.made_room();
    }

    /// How many instances are in memory.
    pub(crate) fn loaded(&self) -> usize {
        self.instances().len()
    }

    /// Evicts the longest idle instances while too many are loaded.
    pub(crate) fn trim(self: &Arc<Self>) {
        while self.instances().len() > self.max_loaded {
            let Some(longest) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
            if let Some(longest) = longest.upgrade() {
                longest.evict(self);
            }
        }
    }

    /// Takes up what was just put into the inbox.
    pub(crate) fn scan_later(self: &Arc<Self>) {
        let worker = self.clone();
        self.spawn(async move { worker.scan().await });
    }

    /// Ends what an orchestration still waited for that was terminated while it was set aside.
    pub(crate) fn dismiss_children(self: &Arc<Self>, id: &Arc<str>) {
        let (worker, id) = (self.clone(), id.to_string());
        self.spawn(async move {
            let query = store::Query { parent: Some(id.clone()), limit: u32::MAX as usize, ..store::Query::default() };
            match worker.store.query(query).await {
                Ok(children) => {
                    for child in children.into_iter().filter(|child| !child.state.status.is_terminal()) {
                        let posted_for = Some(child.key);
                        worker.route(&child.id.into(), Message { posted_for, ..Message::of(instance::no_longer_awaited(&id)) });
                    }
                }
                Err(error) => {
                    tracing::error!(instance = id, %error, "the sub-orchestrations of a terminated run could not be read")
                }
            }
        });
    }

    /// Takes up what clients of other processes have asked for.
    pub(crate) async fn scan(self: &Arc<Self>) {
        let _one_at_a_time = self.scanning.lock().await;
        self.backlog.add_unseen();
        self.take_messages().await;
    }

    /// Hands on what is in the inbox and was not handed on yet. One at a time.
    async fn take_messages(self: &Arc<Self>) {
        match self.store.messages(None, self.scanned.load(Ordering::Relaxed)).await {
            Ok(messages) => {
                for mut message in messages {
                    if is_unreadable(&mut message.event) {
                        tracing::error!(instance = message.id, "an event cannot be decoded; it is left in the inbox");
                        self.wake(&message.id);
                        continue;
                    }
                    let posted_for = Some(message.instance);
                    let deliver = Message { inbox: Some(message.number), posted_for, ..Message::of(message.event) };
                    self.route(&message.id.into(), deliver);
                    self.scanned.fetch_max(message.number, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::error!(%error, "requests of other processes could not be read"),
        }
        let scanned = self.scanned.load(Ordering::Relaxed);
        self.taken().retain(|number| *number > scanned);
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes messages of the inbox that a turn delivers.
    pub(crate) fn take(&self, numbers: &[i64]) {
        let scanned = self.scanned.load(Ordering::Relaxed);
        if numbers.iter().any(|number| *number > scanned) {
            self.taken().extend(numbers);
        }
    }

    /// Whether a turn has delivered a message of the inbox already.
    pub(crate) fn has_taken(&self, number: i64) -> bool {
        self.taken().contains(&number)
    }

    /// Wakes what is due.
    fn ring(self: &Arc<Self>, ring: clock::Ring) {
        for id in ring.instances {
            let instance = self.instances().get(&id).cloned();
            if let Some(instance) = instance {
                instance.rung(self);
            }
        }
        if ring.stored {
            self.backlog.add_due();
        }
    }

    fn check_running(&self) -> StoreResult<()> {
        if self.stopped.load(Ordering::Acquire) { Err(shutting_down()) } else { Ok(()) }
    }

    /// Another worker owns the store: nothing this one does counts any more.
    pub(crate) fn fenced(self: &Arc<Self>) {
        self.stop();
    }

    /// Starts nothing more, gives running activities `grace` to end, and unloads everything.
    pub(crate) async fn shut_down(self: &Arc<Self>, grace: Duration) {
        self.pool.close();
        self.pool.drain(grace).await;
        // What ended within the grace is on its way into the history.
        let settled = async {
            while self.instances().values().any(|instance| instance.is_turning())
                || self.entities.all().iter().any(|entity| entity.is_turning())
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), settled).await;
        self.store.close().await;
        self.stop();
    }

    /// Stops at once. What is under way is left for recovery.
    pub(crate) fn stop(self: &Arc<Self>) {
        if self.stopped.swap(true, Ordering::AcqRel) {
            return;
        }
        self.pool.close();
        let instances: Vec<_> = self.instances().values().cloned().collect();
        for instance in instances {
            instance.leave(self).into_iter().for_each(|message| message.refuse(shutting_down()));
        }
        for entity in self.entities.all() {
            entity.leave(self).into_iter().for_each(|message| message.refuse(shutting_down()));
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.waiters().clear();
        self.starts().clear();
        self.watchers.stop();
        if let Some(ended) = &self.ended {
            ended.notify();
        }
        self.clock.stop();
        self.backlog.stop();
    }
}

/// One who waits for the end of an instance, until it is told or gives up.
struct Wait<'w> {
    worker: &'w Worker,
    id: Arc<str>,
    ended: oneshot::Receiver<Recorded>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.ended.close();
        let mut waiters = self.worker.waiters();
        if let Some(waiting) = waiters.get_mut(&self.id) {
            waiting.retain(|waiter| !waiter.is_closed());
            if waiting.is_empty() {
                waiters.remove(&self.id);
            }
        }
    }
}

async fn keep_time(worker: Weak<Worker>, clock: Arc<Clock>) {
    while let Some(ring) = clock.ring().await
        && let Some(worker) = worker.upgrade()
    {
        worker.ring(ring);
    }
}

/// The outcome of an instance that has ended, read from the store.
pub(crate) async fn outcome_of(store: &Kept, id: &str) -> StoreResult<Option<Recorded>> {
    let Some(found) = store.find(Lookup::Id(id.to_owned())).await? else {
        return Err(not_found(id));
    };
    if !found.state.status.is_terminal() {
        return Ok(None);
    }
    let turn = store.turn(found.key, store::End::Last).await?;
    Ok(turn.and_then(|turn| turn.events.last().and_then(Event::outcome)))
}

pub(crate) fn not_found(id: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::NotFound, format!("there is no orchestration with the id `{id}`"))
}

pub(crate) fn shutting_down() -> RuntimeError {
    RuntimeError::new(ErrorKind::ShuttingDown, "the runtime is shut down; open the store again to go on")
}
