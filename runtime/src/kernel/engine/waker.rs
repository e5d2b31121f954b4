//! The waker an orchestration is polled with. It tells a wake of our own from one out of nowhere.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

thread_local! {
    /// The token of the execution whose poll or delivery runs on this thread, 0 for none.
    static ACTIVE: Cell<u64> = const { Cell::new(0) };
}

/// What the waker of one loaded execution has seen.
pub(crate) struct RootWaker {
    token: u64,
    woken: AtomicBool,
    foreign: AtomicBool,
    closed: AtomicBool,
    alarm: Box<dyn Fn() + Send + Sync>,
}

impl RootWaker {
    /// `alarm` is called at the first foreign wake, so that the next turn comes at once and reports it.
    pub(crate) fn new(alarm: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            token: NEXT.fetch_add(1, Ordering::Relaxed),
            woken: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            alarm,
        })
    }

    /// Tells one loaded execution from every other of this process.
    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    /// Runs `work` as a poll or a delivery of this execution.
    pub(crate) fn inside<R>(&self, work: impl FnOnce() -> R) -> R {
        let _outer = Outer(ACTIVE.replace(self.token));
        work()
    }

    /// Whether it was woken since the last call.
    pub(crate) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }

    /// Whether something outside a poll or a delivery has ever woken it.
    pub(crate) fn was_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// Ignores wakes from now on: the execution is unloaded.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// What was active before, and is again when this is dropped.
struct Outer(u64);

impl Drop for Outer {
    fn drop(&mut self) {
        ACTIVE.set(self.0);
    }
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if ACTIVE.get() == self.token {
            self.woken.store(true, Ordering::Relaxed);
        } else if !self.closed.load(Ordering::Acquire) && !self.foreign.swap(true, Ordering::AcqRel) {
            (self.alarm)();
        }
    }
}
