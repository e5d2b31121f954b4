//! What other processes have asked for, and what could not be delivered at once.
//!
//! Invariant: a message is in the hands of one machine at most. It stays in the store until the commit that takes it into a history.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::kernel::instance_id;
use crate::kernel::machine::entity;
use crate::kernel::machine::entity::message::EntityMessage;
use crate::kernel::machine::instance;
use crate::kernel::machine::message::Message;
use crate::kernel::stored::StoreResult;
use crate::lock::{Held, Lock, Order};
use crate::store::trouble::Backoff;
use crate::store::{ErrorClass, Messages, StoredMessage};
use crate::worker::residents::Resident;
use crate::worker::shard::Shard;

/// So many messages are read at once.
const PAGE: usize = 1_000;

pub(crate) struct Inbox {
    /// What was handed out. Locked while a message is given to a machine, so that one that reads the store and one that is brought the
    /// message do not both get it.
    handed: Lock<Handed>,
    bell: Arc<Bell>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { handed: Lock::new(Order::Inbox, Handed::default()), bell: Arc::default() }
    }
}

/// Tells that something may be in the inbox.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Notify,
    /// Whether there may be new instances, too.
    starts: AtomicBool,
}

impl Bell {
    /// Another process has written something.
    pub(crate) fn ring(&self) {
        self.starts.store(true, Ordering::Release);
        self.rung.notify_one();
    }
}

/// Messages that are in the hands of machines.
#[derive(Default)]
pub(in crate::worker) struct Handed {
    numbers: HashMap<i64, Hand>,
    /// How many looks at the store have begun.
    looks: u64,
}

struct Hand {
    /// The machine that has it.
    owner: usize,
    /// During which look it was given.
    look: u64,
}

impl Handed {
    fn give(&mut self, number: i64, owner: usize) {
        self.numbers.insert(number, Hand { owner, look: self.looks });
    }
}

fn owner<M>(resident: &Arc<Resident<M>>) -> usize {
    Arc::as_ptr(resident).addr()
}

impl Inbox {
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Gives what a machine has read to it, as long as the answer is held.
    pub(in crate::worker) fn give<M>(
        &self,
        resident: &Arc<Resident<M>>,
        numbers: impl IntoIterator<Item = i64>,
    ) -> Held<'_, Handed> {
        let mut handed = self.handed.lock();
        numbers.into_iter().for_each(|number| handed.give(number, owner(resident)));
        handed
    }

    /// A machine has left with a message in its hands: it is handed out again. Whether one was.
    pub(in crate::worker) fn take_back<M>(&self, resident: &Arc<Resident<M>>, number: Option<i64>) -> bool {
        let Some(number) = number else { return false };
        let mut handed = self.handed.lock();
        if handed.numbers.get(&number).is_some_and(|hand| hand.owner == owner(resident)) {
            handed.numbers.remove(&number);
        }
        true
    }
}

impl Shard {
    /// Takes up what was just put into the inbox, and new instances.
    pub(crate) fn scan_later(&self) {
        self.inbox.bell.ring();
    }

    /// Takes up what was just put into the inbox.
    pub(crate) fn fetch_later(&self) {
        self.inbox.bell.rung.notify_one();
    }

    /// Hands out what is in the inbox and was not handed out yet. One look at a time.
    pub(in crate::worker) async fn take_messages(self: &Arc<Self>) -> StoreResult<()> {
        let look = {
            let mut handed = self.inbox.handed.lock();
            handed.looks += 1;
            handed.looks
        };
        let there: HashSet<_> = self.store.waiting().await?.into_iter().collect();
        let mut unknown: Vec<_> = {
            let handed = self.inbox.handed.lock();
            there.iter().copied().filter(|number| !handed.numbers.contains_key(number)).collect()
        };
        unknown.sort_unstable();
        for page in unknown.chunks(PAGE) {
            for message in self.store.messages(Messages::Numbered(page.to_vec())).await? {
                self.hand_out(message);
            }
        }
        // What is not there any more was taken into a history, or deleted.
        self.inbox.handed.lock().numbers.retain(|number, hand| hand.look >= look || there.contains(number));
        Ok(())
    }

    fn hand_out(self: &Arc<Self>, message: StoredMessage) {
        let StoredMessage { number, instance, id, event } = message;
        let id: Arc<str> = id.into();
        let mut handed = self.inbox.handed.lock();
        if handed.numbers.contains_key(&number) || self.check_running().is_err() {
            return;
        }
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                handed.give(number, 0);
                drop(handed);
                // Whoever it is for is parked when it is loaded.
                tracing::error!(instance = %id, %error, "failed to read a message; it stays in the inbox");
                return self.wake(&id);
            }
        };
        if instance_id::is_entity(&id) {
            let (entity, is_new) = self.entity(&id);
            handed.give(number, owner(&entity));
            let message = EntityMessage::of(event, Some(number));
            let effects = entity.machine.lock().step(self.now(), entity::Input::Deliver(message));
            drop(handed);
            self.follow_entity(&entity, effects, is_new);
        } else {
            let message = Message { inbox: Some(number), posted_for: Some(instance), ..Message::of(event) };
            let (instance, is_new) = self.instance(&id);
            handed.give(number, owner(&instance));
            let effects = self.step(&instance, instance::Input::Deliver(message));
            drop(handed);
            self.follow(&instance, effects, is_new);
        }
    }
}

/// Looks into the inbox whenever something may be there, until the worker stops.
pub(crate) async fn keep_looking(shard: Weak<Shard>, bell: Arc<Bell>) {
    let mut backoff = Backoff::default();
    loop {
        bell.rung.notified().await;
        let Some(shard) = shard.upgrade().filter(|shard| shard.check_running().is_ok()) else { return };
        if bell.starts.swap(false, Ordering::AcqRel) {
            shard.backlog.add_new();
        }
        match shard.take_messages().await {
            Ok(()) => backoff = Backoff::default(),
            Err(error) if error.class() == ErrorClass::Fatal => return shard.give_up(&error),
            Err(error) => {
                if backoff.is_news() {
                    tracing::warn!(%error, "failed to read the inbox; retrying");
                }
                shard.host.time.sleep(backoff.pause()).await;
                bell.rung.notify_one();
            }
        }
    }
}
