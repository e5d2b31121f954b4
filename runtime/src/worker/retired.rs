//! What holds values of the user's and is no longer needed. It is dropped in tasks of the executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::worker::shard::Shard;

/// What is about to be dropped.
#[derive(Default)]
pub(crate) struct Retired {
    count: AtomicUsize,
    none: Notify,
}

impl Retired {
    /// Waits until all of it has been dropped.
    pub(super) async fn dropped(&self) {
        loop {
            let none = self.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            none.await;
        }
    }
}

/// One that is about to be dropped.
struct Counted(Arc<Retired>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl Shard {
    /// Drops something in a task of the executor. Its own barrier keeps panics in.
    pub(super) fn retire<T: Send + 'static>(&self, retired: T) {
        self.retired.count.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(self.retired.clone());
        self.host.spawn(async move {
            drop(retired);
            drop(counted);
        });
    }
}
