//! A batch on its way to the writer.

use crate::error::{ErrorKind, RuntimeError};
use crate::store::{Batch, Event, NewInstance, Refused, Reply, StoreResult};

/// A batch whose turns are already text, so that the writer thread only writes.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) created: Option<String>,
    pub(super) children: Vec<String>,
    pub(super) appended: Option<String>,
    pub(super) posted: Vec<String>,
    pub(super) reply: Reply,
}

impl Request {
    /// Encodes on the caller's thread. The events go into text here; the batch keeps the rest.
    pub(super) fn new(mut batch: Batch, reply: Reply) -> Self {
        let mut text = |new: &mut NewInstance| encode(&std::mem::take(&mut new.turn.events));
        Self {
            created: batch.create.as_mut().map(&mut text),
            children: batch.children.iter_mut().map(text).collect(),
            appended: batch.append.as_mut().map(|append| encode(&std::mem::take(&mut append.turn.events))),
            posted: batch.post.iter().map(|(_, event)| encode(event)).collect(),
            batch,
            reply,
        }
    }

    /// The length of its text.
    pub(super) fn len(&self) -> usize {
        let texts = self.created.iter().chain(&self.children).chain(&self.appended).chain(&self.posted);
        texts.map(String::len).chain(self.batch.beside.iter().map(|beside| beside.content.len())).sum()
    }

    /// Answers with an error, and with the batch as it came.
    pub(super) fn refuse(self, error: RuntimeError) {
        let Self { mut batch, created, children, appended, reply, .. } = self;
        let news = batch.create.iter_mut().chain(&mut batch.children).map(|new| &mut new.turn);
        let turns = news.zip(created.into_iter().chain(children));
        let appends = batch.append.iter_mut().map(|append| &mut append.turn).zip(appended);
        for (turn, text) in turns.chain(appends) {
            turn.events = decode(&text).expect("what was encoded here decodes here");
        }
        reply(Err(Box::new(Refused { error, batch })));
    }
}

/// The text of an event or a list of events.
pub(super) fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("events consist of strings, numbers and JSON text")
}

/// The events of a stored turn.
pub(super) fn decode(text: &str) -> StoreResult<Vec<Event>> {
    serde_json::from_str(text).map_err(|error| {
        RuntimeError::new(ErrorKind::Store, "a turn in the database is not a list of events this build knows").caused_by(&error)
    })
}
