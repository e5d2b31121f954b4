//! Those who want to hear when a turn of an instance has been written.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::lock::{Held, Lock};

/// Who watches what. As long as nobody does, a commit pays for a look at a number.
#[derive(Default)]
pub(crate) struct Watchers {
    watched: Lock<Watched>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Watched {
    by_id: HashMap<String, watch::Sender<()>>,
    stopped: bool,
}

impl Watchers {
    fn watched(&self) -> Held<'_, Watched> {
        self.watched.lock()
    }

    /// Hears from now on of every commit of an instance.
    pub(crate) fn watch(self: &Arc<Self>, id: &str) -> Watching {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut watched = self.watched();
        let changed = match watched.stopped {
            // Whose sender is gone at once.
            true => watch::Sender::default().subscribe(),
            false => watched.by_id.entry(id.to_owned()).or_default().subscribe(),
        };
        Watching { watchers: self.clone(), id: id.to_owned(), changed }
    }

    /// Something of an instance is durable.
    pub(crate) fn tell(&self, id: &str) {
        if self.count.load(Ordering::SeqCst) > 0
            && let Some(watched) = self.watched().by_id.get(id)
        {
            watched.send_replace(());
        }
    }

    /// Nothing more will be told.
    pub(crate) fn stop(&self) {
        let mut watched = self.watched();
        watched.stopped = true;
        watched.by_id.clear();
    }
}

/// One who watches, until it is dropped.
pub(crate) struct Watching {
    watchers: Arc<Watchers>,
    id: String,
    changed: watch::Receiver<()>,
}

impl Watching {
    /// Waits for a commit since the last call. `false` when there will be none.
    pub(crate) async fn changed(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watchers.count.fetch_sub(1, Ordering::SeqCst);
        let by_id = &mut self.watchers.watched().by_id;
        // This one is counted still.
        if by_id.get(&self.id).is_some_and(|watched| watched.receiver_count() <= 1) {
            by_id.remove(&self.id);
        }
    }
}
