//! What a store would keep of the one instance of a test.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::batch::{Append, Applied, Batch};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::error::RuntimeError;
use crate::kernel::machine::instance::{Found, Loaded};
use crate::kernel::stored::{Instance, InstanceKey, State, Stored, StoredMessage};

/// The key of the instance.
pub(super) const KEY: InstanceKey = 7;

#[derive(Default)]
pub(super) struct Kept {
    pub(super) stored: Option<Stored>,
    /// What waits for the instance, with its numbers.
    pub(super) inbox: Vec<(i64, Event)>,
    last_number: i64,
    /// The ids that others have.
    pub(super) taken: BTreeSet<String>,
    last_child: InstanceKey,
    /// Why a load gives the instance, and says that it cannot be replayed.
    pub(super) unreadable: Option<RuntimeError>,
}

impl Kept {
    pub(super) fn stored(&self) -> &Stored {
        self.stored.as_ref().expect("it was created")
    }

    pub(super) fn state(&self) -> &State {
        &self.stored().instance.state
    }

    /// All events of the history.
    pub(super) fn history(&self) -> Vec<&Event> {
        self.stored().history.iter().flat_map(|turn| &turn.events).collect()
    }

    /// Puts a message into the inbox.
    pub(super) fn post(&mut self, event: Event) -> i64 {
        self.last_number += 1;
        self.inbox.push((self.last_number, event));
        self.last_number
    }

    /// Adds a turn, as a client would.
    pub(super) fn append(&mut self, turn: Turn) {
        self.stored.as_mut().expect("it was created").history.push(turn);
    }

    pub(super) fn discard(&mut self, number: i64) {
        let before = self.inbox.len();
        self.inbox.retain(|(kept, _)| *kept != number);
        assert_eq!(self.inbox.len() + 1, before, "the message {number} was taken before, or was never there");
    }

    pub(super) fn load(&self) -> Loaded {
        let messages = self.inbox.iter().map(|(number, event)| StoredMessage {
            number: *number,
            instance: KEY,
            id: "run".to_owned(),
            event: Ok(event.clone()),
        });
        let (stored, messages) = (self.stored().clone(), messages.collect());
        Loaded::Found(Box::new(Found { stored, messages, unreadable: self.unreadable.clone() }))
    }

    pub(super) fn apply(&mut self, batch: Batch) -> Applied {
        let mut applied = Applied { purged: batch.purge.len(), ..Applied::default() };
        if let Some(new) = batch.create {
            let instance = Instance {
                key: KEY,
                id: new.id,
                name: new.name,
                parent: new.parent,
                created_at: new.created_at,
                updated_at: new.turn.at,
                state: new.state,
                tags: new.tags,
            };
            self.stored = Some(Stored { instance, history: vec![new.turn], heartbeats: BTreeMap::new(), unreadable: None });
            applied.created = Some(KEY);
        }
        for child in batch.children {
            let is_free = self.taken.insert(child.id);
            self.last_child += i64::from(is_free);
            applied.children.push(is_free.then_some(100 + self.last_child));
        }
        for number in batch.consume {
            self.discard(number);
        }
        for (key, event) in batch.post {
            assert_eq!(key, KEY, "a message is for the instance that posts it");
            self.post(event);
        }
        let Some(stored) = &mut self.stored else { return applied };
        if let Some(Append { number, turn, .. }) = batch.append {
            assert_eq!(usize::try_from(number), Ok(stored.history.len() + 1), "a history is dense");
            if let Some(name) = batch.continues {
                stored.history.clear();
                stored.instance.name = name;
            }
            stored.history.push(turn);
        }
        if let Some(update) = batch.update {
            stored.instance.state = update.state;
        }
        for heartbeat in batch.heartbeats {
            match heartbeat.details {
                Some(details) => drop(stored.heartbeats.insert(heartbeat.call, details)),
                None => drop(stored.heartbeats.remove(&heartbeat.call)),
            }
        }
        applied
    }
}
