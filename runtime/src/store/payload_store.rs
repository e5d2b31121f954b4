//! A store as the rest of the library sees it: values go in and come out as they are, whatever stands for them in the store.
//!
//! Invariant: only envelopes begin as an envelope does, see `Payload`. So no value of a user is ever taken for one.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::barrier;
use crate::kernel::engine::event::{Part, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::payload::{Envelope, Payload};
use crate::store::guarded::GuardedStore;
use crate::store::payloads::value;
use crate::store::{
    Batch, End, ErrorClass, Instance, InstanceKey, Lookup, Messages, OutOfLine, Owner, Payloads, Query, Refused, Reply, Store,
    StoreResult, Stored, StoredMessage,
};

/// A store and how values are kept in it. What deals with values is said here; the rest is the store's.
#[derive(Clone)]
pub(crate) struct PayloadStore {
    store: Arc<dyn Store>,
    payloads: Payloads,
    /// Whether the store is the user's own.
    is_foreign: bool,
}

impl Deref for PayloadStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// What is read of the arguments of calls that are stored out of line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Their digests, by which a replay compares them.
    Digests,
    /// Themselves, or the digest of one that is missing: what a replay needs that has found other digests.
    IfThere,
    /// Themselves.
    All,
}

/// What stands in the place of a text that somebody looks at and that cannot be decoded here.
const UNREADABLE: &str = "encrypted, not readable here";

/// How a text begins that a codec has written.
const SEALED: &str = "dacapo:sealed:";

impl PayloadStore {
    pub(crate) fn new(store: Arc<dyn Store>, payloads: Payloads) -> Self {
        Self { store, payloads, is_foreign: false }
    }

    /// A store of the user's, behind the barrier.
    pub(crate) fn of_a_user(store: Arc<dyn Store>, payloads: Payloads) -> Self {
        Self { store: Arc::new(GuardedStore(store)), payloads, is_foreign: true }
    }

    /// Whether to ask it runs code of the user's.
    pub(crate) fn runs_user_code(&self) -> bool {
        self.is_foreign || self.payloads.is_encrypted()
    }

    /// The same store with other settings.
    pub(crate) fn with(&self, payloads: Payloads) -> Self {
        Self { store: self.store.clone(), payloads, ..*self }
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        &self.payloads
    }

    /// As [`Store::apply`].
    pub(crate) fn apply(&self, mut batch: Batch, reply: Reply) {
        let mut out_of_line = std::mem::take(&mut batch.out_of_line);
        let sealed = barrier::run(|| each(&mut batch, &mut |part, owner| self.seal(part, owner, &mut out_of_line)));
        batch.out_of_line = out_of_line;
        match sealed {
            Ok(()) => self.store.apply(batch, reply),
            Err(panic) => {
                let message = format!("the codec panicked while it encoded a value, so nothing was written: {}", panic.message());
                reply(Err(Box::new(Refused { error: RuntimeError::new(ErrorKind::Unreadable, message), batch })));
            }
        }
    }

    /// Puts an envelope in the place of a value, where one is needed. A batch that was refused has its envelopes already.
    fn seal(&self, part: Part<'_>, owner: Option<Owner>, out_of_line: &mut Vec<OutOfLine>) {
        let has_codec = self.payloads.codec.is_some();
        let payload = match part {
            Part::Text(text) => {
                if has_codec && !text.starts_with(SEALED) {
                    *text = format!("{SEALED}{}", self.payloads.text(text));
                }
                return;
            }
            Part::CallInput(payload) | Part::Value(payload) => payload,
        };
        if payload.is_sealed() {
            return;
        }
        let owner = owner.filter(|_| self.payloads.is_large(payload));
        let envelope = match owner {
            Some(owner) => {
                let key = new_key();
                let (envelope, content) = self.payloads.out_of_line(key, payload);
                out_of_line.push(OutOfLine { owner, key, content });
                envelope
            }
            None if has_codec => self.payloads.inline(payload),
            None => return,
        };
        *payload = Payload::sealed(&envelope);
    }

    /// Opens what stands in the place of a value. One that is stored out of line stays an envelope; its key is the answer.
    fn open(&self, payload: &mut Payload) -> StoreResult<Option<i64>> {
        match payload.envelope() {
            None => Ok(None),
            Some(Envelope::Content(content)) => {
                *payload = value(self.payloads.secret_of(&content)?)?;
                Ok(None)
            }
            Some(Envelope::OutOfLine { key, length, digest }) => {
                let digest = self.payloads.text_of(&digest)?;
                *payload = Payload::sealed(&Envelope::OutOfLine { key, length, digest });
                Ok(Some(key))
            }
        }
    }

    /// The same for a value without which others can be read.
    fn open_or_leave(&self, payload: &mut Payload) {
        if let Err(error) = self.open(payload) {
            tracing::error!(%error, "failed to decode a stored value; showing it encoded");
        }
    }

    /// Opens all values of turns, those out of line too. The answer is the key of one that is not there.
    async fn open_turns(&self, turns: &mut [Turn], arguments: Arguments) -> StoreResult<Option<i64>> {
        let mut wanted = Vec::new();
        let mut opened = Ok(());
        let mut open = |part: Part<'_>| {
            let is_call = matches!(part, Part::CallInput(_));
            let key = match part {
                Part::Text(text) => {
                    let plain = text.strip_prefix(SEALED).and_then(|encoded| self.payloads.secret_of(encoded).ok());
                    *text = plain.unwrap_or_else(|| std::mem::take(text));
                    return;
                }
                Part::CallInput(payload) | Part::Value(payload) => self.open(payload),
            };
            match key {
                Ok(key) => wanted.extend(key.filter(|_| !is_call || arguments != Arguments::Digests).map(|key| (key, is_call))),
                Err(error) if opened.is_ok() => opened = Err(error),
                Err(_) => {}
            }
        };
        turns.iter_mut().flat_map(|turn| &mut turn.events).for_each(|event| event.visit(&mut open));
        opened?;
        if wanted.is_empty() {
            return Ok(None);
        }
        let contents = self.store.out_of_line(wanted.iter().map(|(key, _)| *key).collect()).await?;
        let mut values = BTreeMap::new();
        for (key, is_call) in wanted {
            match contents.get(&key) {
                Some(content) => drop(values.insert(key, self.payloads.unpacked(content.clone())?)),
                None if is_call && arguments == Arguments::IfThere => {}
                None => return Ok(Some(key)),
            }
        }
        let mut fill = |part: Part<'_>| {
            if let Some(payload) = part.into_value()
                && let Some(Envelope::OutOfLine { key, .. }) = payload.envelope()
                && let Some(value) = values.get(&key)
            {
                *payload = value.clone();
            }
        };
        turns.iter_mut().flat_map(|turn| &mut turn.events).for_each(|event| event.visit(&mut fill));
        Ok(None)
    }

    /// Reads turns and opens their values, again when one was deleted in between, as those of an entity are when its state changes. With
    /// what is read comes why a value cannot be decoded, if one cannot.
    async fn read<'a, T>(
        &'a self,
        read: impl Fn() -> BoxFuture<'a, StoreResult<Option<T>>>,
        turns: impl Fn(&mut T) -> &mut [Turn],
        arguments: Arguments,
    ) -> StoreResult<Option<(T, Option<Unread>)>> {
        let mut missed = None;
        loop {
            let Some(mut found) = read().await? else { return Ok(None) };
            match self.open_turns(turns(&mut found), arguments).await {
                Ok(None) => return Ok(Some((found, None))),
                Ok(missing) if missing == missed => return Ok(Some((found, Some(Unread::Missing)))),
                Ok(missing) => missed = missing,
                Err(error) if error.class() == ErrorClass::Permanent => return Ok(Some((found, Some(Unread::Undecoded(error))))),
                Err(error) => return Err(error),
            }
        }
    }

    /// An instance without a history where only that cannot be had.
    async fn load_or_find(&self, which: Lookup) -> StoreResult<Option<Stored>> {
        match self.store.load(which.clone()).await {
            Err(error) if error.class() == ErrorClass::Permanent => {
                let found = self.store.find(which).await.map_err(|_| error.clone())?;
                let unreadable = Some(error);
                Ok(found.map(|instance| Stored { instance, history: Vec::new(), heartbeats: BTreeMap::new(), unreadable }))
            }
            loaded => loaded,
        }
    }

    async fn read_instance(&self, which: Lookup, arguments: Arguments) -> StoreResult<Option<(Stored, Option<RuntimeError>)>> {
        let read = || self.load_or_find(which.clone()).boxed();
        let Some((mut stored, unread)) = self.read(read, |stored| &mut stored.history, arguments).await? else {
            return Ok(None);
        };
        if let Some(Unread::Missing) = unread {
            stored.unreadable.get_or_insert_with(missing);
        }
        let unreadable = stored.unreadable.clone().or(unread.map(Unread::into_error));
        let status = stored.instance.state.custom_status.as_mut();
        status.into_iter().chain(stored.heartbeats.values_mut()).for_each(|payload| self.open_or_leave(payload));
        Ok(Some((stored, unreadable)))
    }

    async fn read_turn(&self, instance: InstanceKey, end: End) -> StoreResult<Option<(Turn, Option<RuntimeError>)>> {
        let read = self.read(|| self.store.turn(instance, end), std::slice::from_mut, Arguments::Digests).await?;
        Ok(read.map(|(turn, unread)| (turn, unread.map(Unread::into_error))))
    }

    /// As [`Store::load`], with all values.
    pub(crate) async fn load(&self, which: Lookup) -> StoreResult<Option<Stored>> {
        self.read_instance(which, Arguments::All).await?.map(all_readable).transpose()
    }

    /// The same, for somebody who looks: a value that cannot be decoded here stays the envelope it is in.
    pub(crate) async fn load_to_show(&self, which: Lookup) -> StoreResult<Option<Stored>> {
        let mut found = self.read_instance(which, Arguments::All).await?.map(|(stored, _)| stored);
        found.iter_mut().for_each(|stored| say_unreadable(&mut stored.history));
        Ok(found)
    }

    /// As [`Store::load`], with the values that a replay needs. With it comes why it cannot be replayed, if a value cannot be decoded.
    pub(crate) async fn load_to_replay(
        &self,
        which: Lookup,
        arguments: Arguments,
    ) -> StoreResult<Option<(Stored, Option<RuntimeError>)>> {
        self.read_instance(which, arguments).await
    }

    /// As [`Store::turn`], without the arguments of calls.
    pub(crate) async fn turn(&self, instance: InstanceKey, end: End) -> StoreResult<Option<Turn>> {
        self.read_turn(instance, end).await?.map(all_readable).transpose()
    }

    /// The same, for somebody who looks: a value that cannot be decoded here stays the envelope it is in, and a turn that cannot be read is
    /// left out.
    pub(crate) async fn turn_to_show(&self, instance: InstanceKey, end: End) -> StoreResult<Option<Turn>> {
        match self.read_turn(instance, end).await {
            Err(error) if error.class() == ErrorClass::Permanent => Ok(None),
            read => {
                let mut found = read?.map(|(turn, _)| turn);
                found.iter_mut().for_each(|turn| say_unreadable(std::slice::from_mut(turn)));
                Ok(found)
            }
        }
    }

    /// As [`Store::turn`], with envelopes in the place of values.
    pub(crate) async fn closed_turn(&self, instance: InstanceKey, end: End) -> StoreResult<Option<Turn>> {
        self.store.turn(instance, end).await
    }

    /// As [`Store::journal`].
    pub(crate) fn journal(&self) -> Option<std::path::PathBuf> {
        self.store.journal()
    }

    /// As [`Store::find`].
    pub(crate) async fn find(&self, which: Lookup) -> StoreResult<Option<Instance>> {
        let mut found = self.store.find(which).await?;
        found.iter_mut().filter_map(|found| found.state.custom_status.as_mut()).for_each(|status| self.open_or_leave(status));
        Ok(found)
    }

    /// As [`Store::query`].
    pub(crate) async fn query(&self, query: Query) -> StoreResult<Vec<Instance>> {
        let mut found = self.store.query(query).await?;
        found.iter_mut().filter_map(|found| found.state.custom_status.as_mut()).for_each(|status| self.open_or_leave(status));
        Ok(found)
    }

    /// As [`Store::messages`], with their values.
    pub(crate) async fn messages(&self, which: Messages) -> StoreResult<Vec<StoredMessage>> {
        let mut messages = self.store.messages(which).await?;
        for StoredMessage { event, .. } in &mut messages {
            let mut opened = Ok(());
            let mut open = |part: Part<'_>| {
                if let Some(Err(error)) = part.into_value().map(|payload| self.open(payload))
                    && opened.is_ok()
                {
                    opened = Err(error);
                }
            };
            event.iter_mut().for_each(|event| event.visit(&mut open));
            if let Err(error) = opened {
                *event = Err(error);
            }
        }
        Ok(messages)
    }
}

/// Why a history is not as it was recorded.
enum Unread {
    /// A value that is kept out of line is not in the store.
    Missing,
    Undecoded(RuntimeError),
}

impl Unread {
    fn into_error(self) -> RuntimeError {
        match self {
            Self::Missing => missing(),
            Self::Undecoded(error) => error,
        }
    }
}

fn missing() -> RuntimeError {
    let message = "a large value that the history refers to is missing from the store; restore the store from a backup";
    RuntimeError::new(ErrorKind::Unreadable, message)
}

/// Puts words in the place of texts that could not be decoded, for somebody who looks.
fn say_unreadable(turns: &mut [Turn]) {
    let mut say = |part: Part<'_>| {
        if let Part::Text(text) = part
            && text.starts_with(SEALED)
        {
            UNREADABLE.clone_into(text);
        }
    };
    turns.iter_mut().flat_map(|turn| &mut turn.events).for_each(|event| event.visit(&mut say));
}

fn all_readable<T>((read, unreadable): (T, Option<RuntimeError>)) -> StoreResult<T> {
    unreadable.map_or(Ok(read), Err)
}

/// Shows all values of a batch, each with the history that can refer to it if it is stored out of line.
fn each(batch: &mut Batch, visit: &mut dyn FnMut(Part<'_>, Option<Owner>)) {
    let created = batch.create.iter_mut().map(|new| (new, Owner::Created));
    let children = batch.children.iter_mut().enumerate().map(|(index, new)| (new, Owner::Child(index)));
    for (new, owner) in created.chain(children) {
        new.turn.events.iter_mut().for_each(|event| event.visit(&mut |part| visit(part, Some(owner))));
        new.state.custom_status.iter_mut().for_each(|status| visit(Part::Value(status), None));
    }
    let appended = batch.append.iter_mut().flat_map(|append| &mut append.turn.events);
    appended.for_each(|event| event.visit(&mut |part| visit(part, Some(Owner::Appended))));
    let posted = batch.post.iter_mut().map(|(_, event)| event);
    let messages = posted.chain(batch.tell.iter_mut().map(|(_, event)| event));
    messages.for_each(|event| event.visit(&mut |part| visit(part, None)));
    let status = batch.update.iter_mut().filter_map(|update| update.state.custom_status.as_mut());
    let details = batch.heartbeats.iter_mut().filter_map(|heartbeat| heartbeat.details.as_mut());
    status.chain(details).for_each(|payload| visit(Part::Value(payload), None));
}

/// A key of which there is no other: 63 random bits.
fn new_key() -> i64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
    (high << 32 ^ low).cast_signed() & i64::MAX
}
