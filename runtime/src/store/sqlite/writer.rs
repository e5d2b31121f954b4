//! The group commit: all batches that wait are applied in one transaction with one fsync, and then answered.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::error::{ErrorKind, RuntimeError};
use crate::store::StoreResult;
use crate::store::sqlite::apply::commit;
use crate::store::sqlite::request::Request;
use crate::store::sqlite::{failed, query, schema};

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
        if queue.is_free() && is_small(&request) && may_wait() {
            queue.busy = true;
            drop(queue);
            return self.shared.write(vec![request], Duration::ZERO);
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
                self.write(requests, schema::BUSY_TIMEOUT);
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
