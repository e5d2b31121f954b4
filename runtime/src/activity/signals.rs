//! What passes between a running attempt and its worker: that it is cancelled, and that it is alive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::activity::Sink;
use crate::kernel::payload::Payload;
use crate::lock::{Held, Lock};
use crate::store::{CallId, InstanceKey};
use crate::time::Time;

/// How often the details of one attempt are written at most.
const THROTTLE: Duration = Duration::from_secs(1);

/// The signals of one attempt.
pub(crate) struct Signals {
    sink: Weak<dyn Sink>,
    executor: Handle,
    time: Arc<dyn Time>,
    instance: InstanceKey,
    call: CallId,
    cancelled: AtomicBool,
    told: Notify,
    applied: Notify,
    /// Whether the attempt wants to be told before it is dropped.
    listens: AtomicBool,
    beat: Lock<Beat>,
}

struct Beat {
    /// By a clock that nobody sets.
    last: Duration,
    details: Option<Payload>,
    /// Whether `details` is newer than what was sent to the store.
    unsent: bool,
    /// Whether somebody sends them already.
    sending: bool,
    /// Whether a batch with them is on its way.
    applying: bool,
    /// Whether something was sent.
    sent: bool,
    /// Whether the attempt has ended: nothing is sent from then on.
    ended: bool,
    /// Whether nobody waits for the call any more, so that nothing it has said is kept.
    hushed: bool,
}

impl Signals {
    pub(crate) fn new(
        sink: &Arc<dyn Sink>,
        executor: Handle,
        time: Arc<dyn Time>,
        instance: InstanceKey,
        call: CallId,
    ) -> Arc<Self> {
        let beat = Beat {
            last: time.uptime(),
            details: None,
            unsent: false,
            sending: false,
            applying: false,
            sent: false,
            ended: false,
            hushed: false,
        };
        Arc::new(Self {
            sink: Arc::downgrade(sink),
            executor,
            time,
            instance,
            call,
            cancelled: AtomicBool::new(false),
            told: Notify::new(),
            applied: Notify::new(),
            listens: AtomicBool::new(false),
            beat: Lock::leaf(beat),
        })
    }

    fn beat(&self) -> Held<'_, Beat> {
        self.beat.lock()
    }

    /// Tells the attempt that nobody waits for it any more; whether it wants time to clean up.
    pub(crate) fn cancel(&self) -> bool {
        self.cancelled.store(true, Ordering::SeqCst);
        self.told.notify_waiters();
        self.listens.load(Ordering::SeqCst)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// The attempt wants to be told.
    pub(super) fn listen(&self) {
        self.listens.store(true, Ordering::SeqCst);
    }

    pub(super) async fn cancelled(&self) {
        let told = self.told.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        if !self.is_cancelled() {
            told.await;
        }
    }

    /// The attempt is alive. What it says is sent to the store, but not more often than the throttle lets it.
    pub(super) fn heartbeat(self: &Arc<Self>, details: Payload) {
        let mut beat = self.beat();
        beat.last = self.time.uptime();
        beat.details = Some(details);
        beat.unsent = true;
        if std::mem::replace(&mut beat.sending, true) {
            return;
        }
        drop(beat);
        let this = self.clone();
        self.executor.spawn(async move {
            while this.send() {
                this.time.sleep(THROTTLE).await;
            }
        });
    }

    /// Sends what is new; `false` when there is nothing.
    fn send(&self) -> bool {
        let mut beat = self.beat();
        let sink = self.sink.upgrade().filter(|_| beat.unsent && !beat.ended);
        let (Some(sink), Some(details)) = (sink, beat.details.clone()) else {
            beat.sending = false;
            return false;
        };
        (beat.unsent, beat.applying, beat.sent) = (false, true, true);
        drop(beat);
        sink.heartbeat(self.instance, self.call, Some(details));
        let hushed = {
            let mut beat = self.beat();
            beat.applying = false;
            beat.hushed
        };
        if hushed {
            // The batch that deletes what was said may have been applied before the one above.
            sink.heartbeat(self.instance, self.call, None);
        }
        self.applied.notify_waiters();
        true
    }

    /// Sends nothing from now on, because the call is given up. Whether something has been sent.
    pub(crate) fn hush(&self) -> bool {
        let mut beat = self.beat();
        (beat.ended, beat.hushed) = (true, true);
        beat.sent
    }

    /// The attempt has ended; what it said last. What ends the call is applied after all that the attempt has said.
    pub(crate) async fn end(&self) -> Option<Payload> {
        loop {
            let applied = self.applied.notified();
            tokio::pin!(applied);
            applied.as_mut().enable();
            {
                let mut beat = self.beat();
                beat.ended = true;
                if !beat.applying {
                    let details = beat.details.take();
                    return details.filter(|_| !beat.hushed);
                }
            }
            applied.await;
        }
    }

    /// Waits until there was no heartbeat for `limit`.
    pub(crate) async fn silent_for(&self, limit: Duration) {
        let begun = self.time.uptime();
        loop {
            let due = self.beat().last.max(begun) + limit;
            let left = due.saturating_sub(self.time.uptime());
            if left.is_zero() {
                return;
            }
            self.time.sleep(left).await;
        }
    }
}
