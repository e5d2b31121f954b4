//! The group-commit writer: one thread owns the connection, takes every batch that waits, applies them in one
//! transaction with one fsync, and answers all of them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::{ErrorKind, RuntimeError};
use crate::store::sqlite::{failed, query, turn_key};
use crate::store::{
    Applied, Batch, Epoch, Event, InstanceKey, NewInstance, Refused, Reply, State, StoreResult, already_exists, fenced,
    out_of_order,
};

/// A batch whose turns are already text, so that the writer thread only writes.
pub(super) struct Request {
    batch: Batch,
    created: Option<String>,
    children: Vec<String>,
    appended: Option<String>,
    posted: Vec<String>,
    reply: Reply,
}

impl Request {
    /// Encodes on the caller's thread. The events go into text here; the batch keeps the rest.
    pub(super) fn new(mut batch: Batch, reply: Reply) -> Self {
        let mut text = |new: &mut NewInstance| encode(&std::mem::take(&mut new.turn.events));
        Self {
            created: batch.create.as_mut().map(&mut text),
            children: batch.children.iter_mut().map(text).collect(),
            appended: batch.append.as_mut().map(|append| encode(&std::mem::take(&mut append.turn.events))),
            posted: batch.post.iter().map(|(_, event)| encode(event)).collect(),
            batch,
            reply,
        }
    }

    /// Answers with an error, and with the batch as it came.
    pub(super) fn refuse(self, error: RuntimeError) {
        let Self { mut batch, created, children, appended, reply, .. } = self;
        let news = batch.create.iter_mut().chain(&mut batch.children).map(|new| &mut new.turn);
        let turns = news.zip(created.into_iter().chain(children));
        let appends = batch.append.iter_mut().map(|append| &mut append.turn).zip(appended);
        for (turn, text) in turns.chain(appends) {
            turn.events = decode(&text).expect("what was encoded here decodes here");
        }
        reply(Err(Box::new(Refused { error, batch })));
    }
}

fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("events consist of strings, numbers and JSON text")
}

/// The batches that wait for the writer.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    /// Whether something waits, to be looked at without the lock.
    filled: AtomicBool,
    arrived: Condvar,
}

#[derive(Default)]
struct QueueState {
    waiting: Vec<Request>,
    /// Whether the writer sleeps and has to be woken.
    asleep: bool,
    closed: bool,
}

/// How long the writer looks for the next batch before it goes to sleep. To be put to sleep and woken costs about as much, and
/// a chain pays for it at every step.
const ALERT: Duration = Duration::from_micros(50);

/// The writer thread and its queue.
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. `wrote` is called after a commit that other processes may wait for.
    pub(super) fn spawn(connection: Connection, path: PathBuf, wrote: impl Fn() + Send + 'static) -> StoreResult<Self> {
        let queue = Arc::new(Queue::default());
        let run = {
            let queue = queue.clone();
            move || run(&queue, connection, &path, wrote)
        };
        let thread = std::thread::Builder::new().name("dacapo-writer".into()).spawn(run);
        let thread = thread.map_err(|error| {
            RuntimeError::new(ErrorKind::Store, "the writer thread of the store could not be started").caused_by(&error)
        })?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn send(&self, request: Request) {
        let mut state = self.queue.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            drop(state);
            return request.refuse(RuntimeError::new(ErrorKind::ShuttingDown, "the store is closed"));
        }
        state.waiting.push(request);
        self.queue.filled.store(true, Ordering::Release);
        let asleep = state.asleep;
        drop(state);
        if asleep {
            self.queue.arrived.notify_one();
        }
    }

    /// Lets the thread write what waits, and waits for its end.
    pub(super) fn close(&self) {
        self.queue.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.queue.arrived.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    /// All that waits, as soon as something does; `None` when nothing will come any more.
    fn take(&self) -> Option<Vec<Request>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !state.waiting.is_empty() {
                self.filled.store(false, Ordering::Relaxed);
                return Some(std::mem::take(&mut state.waiting));
            }
            if state.closed {
                return None;
            }
            state.asleep = true;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
    }

    /// Waits awake for a moment; whether something came.
    fn look(&self) -> bool {
        let start = Instant::now();
        while !self.filled.load(Ordering::Acquire) {
            if start.elapsed() > ALERT {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }
}

fn run(queue: &Queue, connection: Connection, path: &std::path::Path, wrote: impl Fn()) {
    // Looking pays only where there is another core to work meanwhile, and while batches follow each other closely.
    let can_look = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let mut close = false;
    loop {
        let start = Instant::now();
        if can_look && close {
            queue.look();
        }
        let Some(requests) = queue.take() else { return };
        close = start.elapsed() < 2 * ALERT;
        let outside = requests.iter().any(|request| request.batch.epoch.is_none());
        let mut results = Vec::with_capacity(requests.len());
        let committed = commit(&connection, &requests, &mut results);
        if let Err(error) = &committed {
            // SQLite may have rolled back by itself; a second rollback then fails, and that is fine.
            let _ = connection.execute_batch("ROLLBACK");
            let failure = failed("write to", path, error);
            results = requests.iter().map(|_| Err(failure.clone())).collect();
        }
        for (request, result) in requests.into_iter().zip(results) {
            match result {
                Ok(applied) => (request.reply)(Ok(applied)),
                Err(error) => request.refuse(error),
            }
        }
        if outside && committed.is_ok() {
            wrote();
        }
    }
}

/// The row of the table `claim`.
struct Claim {
    epoch: Epoch,
    purged: InstanceKey,
}

/// One transaction for all requests. A refused one has written nothing; an error concerns all of them.
fn commit(connection: &Connection, requests: &[Request], results: &mut Vec<StoreResult<Applied>>) -> rusqlite::Result<()> {
    connection.prepare_cached(query::BEGIN)?.execute([])?;
    let mut claim = connection.prepare_cached(query::CLAIM)?;
    let claim = claim.query_row([], |row| Ok(Claim { epoch: Epoch(row.get(0)?), purged: row.get(1)? }))?;
    for request in requests {
        results.push(apply(connection, request, &claim)?);
    }
    connection.prepare_cached(query::COMMIT)?.execute([])?;
    Ok(())
}

fn apply(connection: &Connection, request: &Request, claim: &Claim) -> rusqlite::Result<StoreResult<Applied>> {
    let batch = &request.batch;
    if batch.epoch.is_some_and(|epoch| epoch != claim.epoch) {
        return Ok(Err(fenced()));
    }
    if let Some(append) = &batch.append {
        let mut before = connection.prepare_cached(query::FOLLOWS)?;
        let keys = params![turn_key(append.instance, append.number.saturating_sub(1)), turn_key(append.instance, append.number)];
        if append.number < 2 || !before.exists(keys)? {
            return Ok(Err(out_of_order(append)));
        }
    }
    for (key, _) in &batch.post {
        if !connection.prepare_cached(query::EXISTS)?.exists([key])? {
            return Ok(Err(RuntimeError::new(ErrorKind::NotFound, format!("there is no instance {key}"))));
        }
    }
    let mut applied = Applied::default();
    if let (Some(new), Some(events)) = (&batch.create, &request.created) {
        applied.created = create(connection, claim, new, events)?;
        if applied.created.is_none() {
            return Ok(Err(already_exists(&new.id)));
        }
    }
    for (new, events) in batch.children.iter().zip(&request.children) {
        applied.children.push(create(connection, claim, new, events)?);
    }
    if let (Some(append), Some(events)) = (&batch.append, &request.appended) {
        let mut number = append.number;
        if let Some(name) = &batch.continues {
            let keys = params![turn_key(append.instance, 0), turn_key(append.instance, u32::MAX)];
            connection.prepare_cached(query::TRUNCATE)?.execute(keys)?;
            connection.prepare_cached(query::RENAME)?.execute(params![append.instance, name])?;
            number = 1;
        }
        insert_turn(connection, append.instance, number, append.turn.at.0, events)?;
    }
    if let Some(update) = &batch.update {
        let State { status, busy, wake_at, custom_status, report } = &update.state;
        connection.prepare_cached(query::UPDATE)?.execute(params![
            update.instance,
            status.as_str(),
            busy,
            wake_at.map(|at| at.0),
            custom_status.as_ref().map(crate::Payload::as_str),
            report
        ])?;
    }
    for ((key, _), event) in batch.post.iter().zip(&request.posted) {
        connection.prepare_cached(query::POST)?.execute(params![key, event])?;
    }
    for number in &batch.consume {
        connection.prepare_cached(query::CONSUME)?.execute([number])?;
    }
    Ok(Ok(applied))
}

/// The key of the new instance, or `None` when its id is taken.
fn create(connection: &Connection, claim: &Claim, new: &NewInstance, events: &str) -> rusqlite::Result<Option<InstanceKey>> {
    let NewInstance { id, name, parent, turn, state } = new;
    let key = connection
        .prepare_cached(query::CREATE)?
        .query_row(
            params![
                id,
                name,
                state.status.as_str(),
                turn.at.0,
                state.busy,
                state.wake_at.map(|at| at.0),
                state.custom_status.as_ref().map(crate::Payload::as_str),
                state.report,
                parent.as_ref().map(|parent| &parent.instance),
                parent.as_ref().map(|parent| i64::try_from(parent.id).unwrap_or(i64::MAX)),
                claim.purged,
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(key) = key {
        insert_turn(connection, key, 1, turn.at.0, events)?;
    }
    Ok(key)
}

fn insert_turn(connection: &Connection, instance: InstanceKey, number: u32, at: i64, events: &str) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(query::APPEND)?;
    insert.execute(params![turn_key(instance, number), at, events]).map(|_| ())
}

/// The events of a stored turn.
pub(super) fn decode(text: &str) -> StoreResult<Vec<Event>> {
    serde_json::from_str(text).map_err(|error| {
        RuntimeError::new(ErrorKind::Store, "a turn in the database is not a list of events this build knows").caused_by(&error)
    })
}
