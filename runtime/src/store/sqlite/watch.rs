//! File notifications: one watcher for all stores of this process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::lock::{Held, Lock, Order};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

pub(super) type Listener = Arc<dyn Fn() + Send + Sync>;

/// Gone when nothing is listened for.
static WATCHER: Lock<Option<RecommendedWatcher>> = Lock::new(Order::Watcher, None);

/// Who is told of which file.
///
/// Invariant: the thread that notifies waits for this lock and for no other, and nobody asks the watcher for anything while holding it.
static LISTENERS: LazyLock<Lock<Listeners>> = LazyLock::new(Lock::default);

#[derive(Default)]
struct Listeners {
    by_path: HashMap<PathBuf, Vec<(u64, Listener)>>,
    /// Watched still, for nobody.
    stale: Vec<PathBuf>,
    last: u64,
}

/// Calls a listener as long as it is there.
pub(super) struct Watching {
    path: PathBuf,
    number: u64,
}

/// Calls `listener` when the file at `path` is written, renamed or removed, or its names or permissions change.
pub(super) fn watch(path: &Path, listener: Listener) -> notify::Result<Watching> {
    let mut watcher = WATCHER.lock();
    let watcher = match &mut *watcher {
        Some(watcher) => watcher,
        none => none.insert(notify::recommended_watcher(heard)?),
    };
    let stale = std::mem::take(&mut listeners().stale);
    for path in stale {
        // One that was removed is watched no longer.
        let _ = watcher.unwatch(&path);
    }
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    let mut listeners = listeners();
    listeners.last += 1;
    let number = listeners.last;
    listeners.by_path.entry(path.to_owned()).or_default().push((number, listener));
    listeners.stale.retain(|stale| stale != path);
    Ok(Watching { path: path.to_owned(), number })
}

fn heard(event: notify::Result<Event>) {
    let Ok(event) = event else { return };
    let told: Vec<_> = {
        let listeners = listeners();
        if event.need_rescan() {
            listeners.by_path.values().flatten().map(|(_, listener)| listener.clone()).collect()
        } else if event.kind.is_modify() || event.kind.is_remove() {
            let of_paths = event.paths.iter().filter_map(|path| listeners.by_path.get(path));
            of_paths.flatten().map(|(_, listener)| listener.clone()).collect()
        } else {
            return;
        }
    };
    told.iter().for_each(|listener| listener());
}

/// It may be dropped on the thread that notifies, which must not wait for itself: the next who watches takes the watch back.
impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = listeners();
        if let Some(of_path) = all.by_path.get_mut(&self.path) {
            of_path.retain(|(number, _)| *number != self.number);
            if of_path.is_empty() {
                all.by_path.remove(&self.path);
                all.stale.push(self.path.clone());
            }
        }
        drop(all);
        // Whoever has it locked is about to listen.
        let Some(mut watcher) = WATCHER.try_lock() else { return };
        let mut all = listeners();
        if all.by_path.is_empty() {
            all.stale.clear();
            drop(all);
            *watcher = None;
        }
    }
}

fn listeners() -> Held<'static, Listeners> {
    LISTENERS.lock()
}
