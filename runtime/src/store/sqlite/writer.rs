//! The group commit: all batches that wait are applied in one transaction with one fsync, and then answered.

use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::lock::{Held, Lock, Order};
use crate::store::sqlite::apply::commit;
use crate::store::sqlite::files::Files;
use crate::store::sqlite::request::{Request, writer_died};
use crate::store::sqlite::{failed, query, schema};
use crate::store::trouble::{Backoff, classify};
use crate::store::{Applied, ErrorClass, StoreResult};

/// The one connection that writes, and the batches that wait for it.
///
/// A batch that comes alone is written where it is sent, as long as that is quick: a chain then pays for the disk and for
/// nothing else. Batches that come together wait for the thread, which writes all of them in one transaction.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Lock<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Lock<Queue>,
    /// The thread waits for it.
    changed: Condvar,
    /// Locked only by whoever has set `busy`; gone when the store is closed.
    connection: Lock<Option<Connection>>,
    files: Arc<Files>,
    /// The most bytes SQLite keeps in a row.
    row_limit: usize,
    /// Called after a commit that other processes may wait for.
    wrote: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    /// Whether somebody uses the connection.
    busy: bool,
    closed: bool,
    /// Why nothing is written any more.
    ended: Option<RuntimeError>,
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
    pub(super) fn spawn(
        connection: Connection,
        files: Arc<Files>,
        wrote: impl Fn() + Send + Sync + 'static,
    ) -> StoreResult<Self> {
        let row_limit = connection.limit(Limit::SQLITE_LIMIT_LENGTH).ok().and_then(|limit| usize::try_from(limit).ok());
        let shared = Arc::new(Shared {
            queue: Lock::default(),
            changed: Condvar::new(),
            connection: Lock::new(Order::Writer, Some(connection)),
            files,
            row_limit: row_limit.unwrap_or(usize::MAX),
            wrote: Box::new(wrote),
        });
        let run = {
            let shared = shared.clone();
            move || {
                let ended = Ended(&shared);
                shared.run();
                std::mem::forget(ended);
            }
        };
        let thread = std::thread::Builder::new().name("dacapo-writer".into()).spawn(run);
        let thread = thread.map_err(|error| {
            RuntimeError::new(ErrorKind::Store, "the writer thread of the store could not be started").caused_by(&error)
        })?;
        Ok(Self { shared, thread: Lock::leaf(Some(thread)) })
    }

    pub(super) fn send(&self, request: Request) {
        if let Err(error) = request.check_size(self.shared.row_limit) {
            return request.refuse(error);
        }
        let mut queue = self.shared.queue();
        let ended = queue.ended.clone();
        if let Some(error) =
            ended.or_else(|| queue.closed.then(|| RuntimeError::new(ErrorKind::ShuttingDown, "the store is closed")))
        {
            drop(queue);
            return request.refuse(error);
        }
        if queue.is_free() && is_small(&request) && may_wait() {
            queue.busy = true;
            drop(queue);
            return self.shared.write(vec![request], Duration::ZERO);
        }
        queue.waiting.push(request);
        self.shared.notify(&queue);
    }

    /// Refuses what waits and what is still to come.
    pub(super) fn give_up(&self, error: &RuntimeError) {
        self.shared.give_up(error);
    }

    /// Lets the thread write what waits, and waits for its end. Fails when something could not be written because writing has ended.
    pub(super) fn close(&self) -> StoreResult<()> {
        self.shared.queue().closed = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
        self.shared.queue().ended.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Answers everybody when the thread ends by a panic.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.give_up(&writer_died());
    }
}

/// Whether this thread may be kept for the time of a quick commit: not the only one of an executor.
fn may_wait() -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread)
}

/// Whether a batch costs little enough to be written where it is sent.
fn is_small(request: &Request) -> bool {
    request.children.len() <= SMALL.1 && request.len() <= SMALL.0
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

impl Shared {
    fn queue(&self) -> Held<'_, Queue> {
        self.queue.lock()
    }

    fn give_up(&self, error: &RuntimeError) {
        let mut queue = self.queue();
        queue.ended.get_or_insert_with(|| error.clone());
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        waiting.into_iter().for_each(|request| request.refuse(error.clone()));
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
                queue = queue.wait(&self.changed);
            }
            queue.busy = true;
            let requests = std::mem::take(&mut queue.waiting);
            let (checkpoint, closed) = (queue.pages >= CHECKPOINT, queue.closed);
            drop(queue);
            if !requests.is_empty() {
                self.write(requests, schema::BUSY_TIMEOUT);
            } else if closed {
                // Closing the connection folds the log into the database.
                drop(self.connection.lock().take());
                return;
            } else if checkpoint {
                if let Some(connection) = &*self.connection.lock() {
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

    /// Writes in one transaction and answers. The caller has set `busy`. A process that writes is waited for with `patience`; without
    /// any, the thread takes over.
    fn write(&self, requests: Vec<Request>, patience: Duration) {
        let begun = Instant::now();
        let len: usize = requests.iter().map(Request::len).sum();
        let outside = requests.iter().any(|request| request.batch.epoch.is_none());
        let creates = requests.iter().any(|request| request.created.is_some() || !request.children.is_empty());
        let updates = requests.iter().any(|request| request.batch.update.is_some());
        // The end of the turns, of the instances, of their ids and of the busy ones.
        let pages = 1 + len / 4096 + if creates { 3 } else { 0 } + if updates { 2 } else { 0 };
        let committed = match self.commit_surely(&requests, patience) {
            // One that fails for good would take the others with it, which are innocent.
            Err(error) if classify(&error).1 == ErrorClass::Permanent && requests.len() > 1 => {
                let alone = requests.iter().map(std::slice::from_ref);
                Ok(alone.map(|request| self.commit_alone(request, patience)).collect())
            }
            committed => committed,
        };
        let is_occupied = committed
            .as_ref()
            .is_err_and(|error| matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseCorrupt)));
        let mut queue = self.queue();
        queue.busy = false;
        if is_occupied && patience.is_zero() {
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
        let wrote = committed.is_ok();
        let results = committed.unwrap_or_else(|error| {
            let failure = failed("write to", self.files.database(), &error);
            requests.iter().map(|_| Err(failure.clone())).collect()
        });
        // What went into a file that is gone is not durable.
        let results = match self.files.check() {
            Ok(()) => results,
            Err(lost) => {
                self.give_up(&lost);
                requests.iter().map(|_| Err(lost.clone())).collect()
            }
        };
        requests.into_iter().zip(results).for_each(|(request, result)| request.answer(result));
        if outside && wrote {
            (self.wrote)();
        }
    }

    /// As [`commit`](Self::commit), again where the database looks damaged, unless there is no patience.
    fn commit_surely(&self, requests: &[Request], patience: Duration) -> rusqlite::Result<Vec<StoreResult<Applied>>> {
        let mut backoff = Backoff::default();
        loop {
            match self.commit(requests, patience) {
                Err(error) if !patience.is_zero() && backoff.doubts_damage(&error) => std::thread::sleep(backoff.pause()),
                committed => return committed,
            }
        }
    }

    /// One transaction for all requests; what became of each.
    fn commit(&self, requests: &[Request], patience: Duration) -> rusqlite::Result<Vec<StoreResult<Applied>>> {
        let mut results = Vec::with_capacity(requests.len());
        match &*self.connection.lock() {
            Some(connection) => commit(connection, patience, requests, &mut results).inspect_err(|_| {
                // SQLite may have rolled back by itself; a second rollback then fails, and that is fine.
                let _ = connection.execute_batch("ROLLBACK");
            })?,
            None => return Err(rusqlite::Error::InvalidQuery),
        }
        Ok(results)
    }

    fn commit_alone(&self, request: &[Request], patience: Duration) -> StoreResult<Applied> {
        let mut results = self.commit(request, patience).map_err(|error| failed("write to", self.files.database(), &error))?;
        results.pop().unwrap_or_else(|| Err(writer_died()))
    }
}
