//! The connections for reading: a fixed number, opened with the store.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::lock::Lock;
use crate::store::StoreResult;
use crate::store::sqlite::files::Files;
use crate::store::sqlite::{blocking, failed, schema};
use crate::store::trouble::Backoff;

/// How many there are unless the settings say otherwise.
pub(super) const READERS: usize = 4;

/// How many there may be.
pub(super) const MOST_READERS: usize = 64;

/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Readers {
    files: Arc<Files>,
    idle: Arc<Lock<Vec<Connection>>>,
    /// One for each connection; waiting reads get theirs in the order in which they came.
    places: Arc<Semaphore>,
    count: u32,
}

/// Why a read failed: SQLite's word, or ours on what it found.
pub(super) enum ReadError {
    Sqlite(rusqlite::Error),
    Content(RuntimeError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<RuntimeError> for ReadError {
    fn from(error: RuntimeError) -> Self {
        Self::Content(error)
    }
}

impl Readers {
    /// Opens all of them, so that no read fails later because no file descriptor is left.
    pub(super) fn open(files: Arc<Files>, count: usize) -> StoreResult<Self> {
        let idle = (0..count).map(|_| schema::open_reader(files.database())).collect::<StoreResult<_>>()?;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self { files, idle: Arc::new(Lock::leaf(idle)), places: Arc::new(Semaphore::new(count as usize)), count })
    }

    /// Reads on the pool for blocking work. What looks damaged is read again, on a connection with nothing in its cache: SQLite reports a
    /// read that failed with `EIO` as damage.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> StoreResult<T> {
        let place = self.place().await?;
        let (files, idle) = (self.files.clone(), self.idle.clone());
        blocking(move || {
            let _place = place;
            files.check()?;
            let connection = idle.lock().pop();
            let mut connection = match connection {
                Some(connection) => connection,
                // A query panicked with one, or the store was closed.
                None => schema::open_reader(files.database())?,
            };
            let mut backoff = Backoff::default();
            let result = loop {
                match query(&connection) {
                    Err(ReadError::Sqlite(error)) if backoff.doubts_damage(&error) => {
                        std::thread::sleep(backoff.pause());
                        if let Ok(fresh) = schema::open_reader(files.database()) {
                            connection = fresh;
                        }
                    }
                    result => break result,
                }
            };
            idle.lock().push(connection);
            result.map_err(|error| match error {
                ReadError::Sqlite(error) => failed("read", files.database(), &error),
                ReadError::Content(error) => error,
            })
        })
        .await
    }

    async fn place(&self) -> StoreResult<OwnedSemaphorePermit> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let place = tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let message = format!(
                "all {} connections that read `{}` were busy for {} seconds; try again, or raise their number with \
                 `Builder::readers` or `?readers=` in the URL",
                self.count,
                self.files.database().display(),
                PATIENCE.as_secs()
            );
            RuntimeError::new(ErrorKind::Store, message)
        })
    }

    /// Closes all, as soon as nobody reads.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(self.count).await;
        let idle = std::mem::take(&mut *self.idle.lock());
        let close = move || {
            drop(idle);
            Ok(())
        };
        let _ = blocking(close).await;
        drop(all);
    }
}
