//! The group commit: all batches that wait are applied in one transaction with one fsync, and then answered.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use crate::error::{ErrorKind, RuntimeError};
use crate::store::sqlite::{failed, purge, query, schema, turn_key};
use crate::store::{
    Applied, Batch, Beside, Epoch, Event, Heartbeat, InstanceKey, NewInstance, Owner, Refused, Reply, State, StoreResult,
    already_exists, fenced, out_of_order,
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

/// The one connection that writes, and the batches that wait for it.
///
/// A batch that comes alone is written where it is sent, as long as that is quick: a chain then pays for the disk and for
/// nothing else. Batches that come together wait for the thread, which writes all of them in one transaction.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// The thread waits for it.
    changed: Condvar,
    /// Locked only by whoever has set `busy`; gone when the store is closed.
    connection: Mutex<Option<Connection>>,
    path: PathBuf,
    /// Called after a commit that other processes may wait for.
    wrote: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    /// Whether somebody uses the connection.
    busy: bool,
    closed: bool,
    /// How many batches in a row came alone.
    alone: u32,
    /// How long a small commit takes, smoothed; unknown before the first.
    pace: Option<Duration>,
    /// About how many pages the log has grown since the last checkpoint.
    pages: usize,
}

/// Where a commit takes longer than this, as on a disk that turns or one behind a network, no caller waits for it.
const QUICK: Duration = Duration::from_micros(300);
/// Of a batch that is written where it is sent: the most text, and the most new instances.
const SMALL: (usize, usize) = (16 << 10, 16);
/// After so many batches that came alone the next one is expected to.
const ALONE: u32 = 8;
/// How many pages the log grows before the thread folds it into the database, after it has answered.
const CHECKPOINT: usize = 2_000;

impl Writer {
    /// Starts the thread. `wrote` is called after a commit that other processes may wait for.
    pub(super) fn spawn(connection: Connection, path: PathBuf, wrote: impl Fn() + Send + Sync + 'static) -> StoreResult<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            connection: Mutex::new(Some(connection)),
            path,
            wrote: Box::new(wrote),
        });
        let run = {
            let shared = shared.clone();
            move || shared.run()
        };
        let thread = std::thread::Builder::new().name("dacapo-writer".into()).spawn(run);
        let thread = thread.map_err(|error| {
            RuntimeError::new(ErrorKind::Store, "the writer thread of the store could not be started").caused_by(&error)
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn send(&self, request: Request) {
        let mut queue = self.shared.queue();
        if queue.closed {
            drop(queue);
            return request.refuse(RuntimeError::new(ErrorKind::ShuttingDown, "the store is closed"));
        }
        if queue.is_free() && request.is_small() && may_wait() {
            queue.busy = true;
            drop(queue);
            return self.shared.write(vec![request], Patience::None);
        }
        queue.waiting.push(request);
        self.shared.notify(&queue);
    }

    /// Lets the thread write what waits, and waits for its end.
    pub(super) fn close(&self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
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

/// Whether this thread may be kept for the time of a quick commit: not the only one of an executor.
fn may_wait() -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread)
}

/// How long to wait for another process that writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Not at all: the thread takes over.
    None,
    Long,
}

impl Queue {
    /// Whether a batch would be written alone, and quickly.
    fn is_free(&self) -> bool {
        let is_quick = self.pace.is_some_and(|pace| pace < QUICK);
        is_quick && self.alone >= ALONE && !self.busy && self.waiting.is_empty() && self.pages < CHECKPOINT
    }

    /// Whether the thread has something to do.
    fn calls(&self) -> bool {
        !self.busy && (!self.waiting.is_empty() || self.pages >= CHECKPOINT || self.closed)
    }
}

impl Request {
    /// The length of its text.
    fn len(&self) -> usize {
        let texts = self.created.iter().chain(&self.children).chain(&self.appended).chain(&self.posted);
        texts.map(String::len).chain(self.batch.beside.iter().map(|beside| beside.content.len())).sum()
    }

    fn is_small(&self) -> bool {
        self.children.len() <= SMALL.1 && self.len() <= SMALL.0
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, queue: &Queue) {
        if queue.calls() {
            self.changed.notify_one();
        }
    }

    /// The thread: writes all that waits, again and again, until the store is closed.
    fn run(&self) {
        let mut queue = self.queue();
        loop {
            while !queue.calls() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.busy = true;
            let requests = std::mem::take(&mut queue.waiting);
            let (checkpoint, closed) = (queue.pages >= CHECKPOINT, queue.closed);
            drop(queue);
            if !requests.is_empty() {
                self.write(requests, Patience::Long);
            } else if closed {
                // Closing the connection folds the log into the database.
                drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take());
                return;
            } else if checkpoint {
                if let Some(connection) = &*self.connection.lock().unwrap_or_else(PoisonError::into_inner) {
                    // A reader may hold it up; the next one then does more.
                    let _ = connection.query_row(query::CHECKPOINT, [], |_| Ok(()));
                }
                let mut queue = self.queue();
                queue.busy = false;
                queue.pages = 0;
            }
            queue = self.queue();
        }
    }

    /// Writes in one transaction and answers. The caller has set `busy`.
    fn write(&self, requests: Vec<Request>, patience: Patience) {
        let begun = Instant::now();
        let len: usize = requests.iter().map(Request::len).sum();
        let outside = requests.iter().any(|request| request.batch.epoch.is_none());
        let creates = requests.iter().any(|request| request.created.is_some() || !request.children.is_empty());
        let updates = requests.iter().any(|request| request.batch.update.is_some());
        // The end of the turns, of the instances, of their ids and of the busy ones.
        let pages = 1 + len / 4096 + if creates { 3 } else { 0 } + if updates { 2 } else { 0 };
        let mut results = Vec::with_capacity(requests.len());
        let committed = match &*self.connection.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(connection) => commit(connection, patience, &requests, &mut results).inspect_err(|_| {
                // SQLite may have rolled back by itself; a second rollback then fails, and that is fine.
                let _ = connection.execute_batch("ROLLBACK");
            }),
            None => Err(rusqlite::Error::InvalidQuery),
        };
        let is_occupied = committed.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        let mut queue = self.queue();
        queue.busy = false;
        if is_occupied && patience == Patience::None {
            queue.waiting.extend(requests);
            return self.notify(&queue);
        }
        queue.alone = if requests.len() == 1 && queue.waiting.is_empty() { queue.alone.saturating_add(1) } else { 0 };
        queue.pages += pages;
        if len <= SMALL.0 {
            // One hiccup is no pace.
            let took = begun.elapsed().min(4 * QUICK);
            queue.pace = Some(queue.pace.map_or(took, |pace| (7 * pace + took) / 8));
        }
        self.notify(&queue);
        drop(queue);
        if let Err(error) = &committed {
            let failure = failed("write to", &self.path, error);
            results = requests.iter().map(|_| Err(failure.clone())).collect();
        }
        for (request, result) in requests.into_iter().zip(results) {
            match result {
                Ok(applied) => (request.reply)(Ok(applied)),
                Err(error) => request.refuse(error),
            }
        }
        if outside && committed.is_ok() {
            (self.wrote)();
        }
    }
}

/// The row of the table `claim`.
struct Claim {
    epoch: Epoch,
    purged: InstanceKey,
    /// Whether a value was ever kept beside a history.
    has_payloads: bool,
}

/// One transaction for all requests. A refused one has written nothing; an error concerns all of them.
fn commit(
    connection: &Connection,
    patience: Patience,
    requests: &[Request],
    results: &mut Vec<StoreResult<Applied>>,
) -> rusqlite::Result<()> {
    connection.busy_timeout(if patience == Patience::Long { schema::BUSY_TIMEOUT } else { Duration::ZERO })?;
    connection.prepare_cached(query::BEGIN)?.execute([])?;
    let mut claim = connection.prepare_cached(query::CLAIM)?;
    let mut claim =
        claim.query_row([], |row| Ok(Claim { epoch: Epoch(row.get(0)?), purged: row.get(1)?, has_payloads: row.get(2)? }))?;
    for request in requests {
        results.push(apply(connection, request, &mut claim)?);
    }
    connection.prepare_cached(query::COMMIT)?.execute([])?;
    Ok(())
}

fn apply(connection: &Connection, request: &Request, claim: &mut Claim) -> rusqlite::Result<StoreResult<Applied>> {
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
    if let Err(refusal) = purge::check(connection, batch)? {
        return Ok(Err(refusal));
    }
    for (key, _) in &batch.post {
        if !connection.prepare_cached(query::EXISTS)?.exists([key])? {
            return Ok(Err(RuntimeError::new(ErrorKind::NotFound, format!("there is no instance {key}"))));
        }
    }
    let mut applied = Applied::default();
    for key in &batch.purge {
        purge::purge(connection, *key, claim.has_payloads)?;
        claim.purged = claim.purged.max(*key);
    }
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
            if claim.has_payloads {
                connection.prepare_cached(query::PURGE_PAYLOADS)?.execute([append.instance])?;
            }
            connection.prepare_cached(query::RENAME)?.execute(params![append.instance, name])?;
            number = 1;
        }
        insert_turn(connection, append.instance, number, append.turn.at.0, events)?;
    }
    for Beside { owner, key, content } in &batch.beside {
        let owner = match owner {
            Owner::Created => applied.created,
            Owner::Child(index) => applied.children.get(*index).copied().flatten(),
            Owner::Appended => batch.append.as_ref().map(|append| append.instance),
        };
        if !std::mem::replace(&mut claim.has_payloads, true) {
            connection.prepare_cached(query::KEEPS_PAYLOADS)?.execute([])?;
        }
        // A child that was left out has none.
        if let Some(owner) = owner {
            connection.prepare_cached(query::KEEP_PAYLOAD)?.execute(params![key, owner, content])?;
        }
    }
    if let Some(update) = &batch.update {
        let State { status, busy, wake_at, custom_status, report } = &update.state;
        connection.prepare_cached(query::UPDATE)?.execute(params![
            update.instance,
            status.as_str(),
            busy,
            wake_at.map(|at| at.0),
            custom_status.as_ref().map(crate::Payload::as_str),
            report,
            batch.append.as_ref().map(|append| append.turn.at.0).filter(|_| status.is_terminal()),
        ])?;
    }
    for ((key, _), event) in batch.post.iter().zip(&request.posted) {
        connection.prepare_cached(query::POST)?.execute(params![key, event])?;
    }
    for Heartbeat { instance, call, details } in &batch.heartbeats {
        let call = i64::try_from(*call).unwrap_or(i64::MAX);
        match details {
            Some(details) => connection.prepare_cached(query::BEAT)?.execute(params![instance, call, details.as_str()])?,
            None => connection.prepare_cached(query::STOP_BEAT)?.execute(params![instance, call])?,
        };
    }
    for (id, event) in &batch.tell {
        connection.prepare_cached(query::TELL)?.execute(params![id, encode(event)])?;
    }
    for number in &batch.consume {
        connection.prepare_cached(query::CONSUME)?.execute([number])?;
    }
    Ok(Ok(applied))
}

/// The key of the new instance, or `None` when its id is taken.
fn create(connection: &Connection, claim: &Claim, new: &NewInstance, events: &str) -> rusqlite::Result<Option<InstanceKey>> {
    let NewInstance { id, name, parent, created_at, turn, state, tags } = new;
    let key = connection
        .prepare_cached(query::CREATE)?
        .query_row(
            params![
                id,
                name,
                state.status.as_str(),
                created_at.0,
                state.busy,
                state.wake_at.map(|at| at.0),
                state.custom_status.as_ref().map(crate::Payload::as_str),
                state.report,
                parent.as_ref().map(|parent| &parent.instance),
                parent.as_ref().map(|parent| i64::try_from(parent.id).unwrap_or(i64::MAX)),
                claim.purged,
                Some(turn.at.0).filter(|_| state.status.is_terminal()),
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(key) = key {
        insert_turn(connection, key, 1, turn.at.0, events)?;
        for (name, value) in tags {
            let mut insert = connection.prepare_cached(query::TAG)?;
            insert.execute(params![key, name, value])?;
        }
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
