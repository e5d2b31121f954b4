//! A batch on its way to the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::{Applied, Batch, ErrorClass, NewInstance, Refused, Reply, StoreResult};

/// A batch whose turns are already text, so that the writer thread only writes.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) created: Option<String>,
    pub(super) children: Vec<String>,
    pub(super) appended: Option<String>,
    pub(super) posted: Vec<String>,
    reply: Answer,
}

/// What a row has beside its text, at most.
const ROW: usize = 256;

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
            reply: Answer(Some(reply)),
        }
    }

    /// The lengths of what it writes.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        let texts = self.created.iter().chain(&self.children).chain(&self.appended).chain(&self.posted);
        texts.map(String::len).chain(self.batch.out_of_line.iter().map(|value| value.content.len()))
    }

    /// The length of all it writes.
    pub(super) fn len(&self) -> usize {
        self.lengths().sum()
    }

    /// Refuses what SQLite cannot keep in one row of at most `limit` bytes.
    pub(super) fn check_size(&self, limit: usize) -> StoreResult<()> {
        let Some(length) = self.lengths().max().filter(|length| length + ROW > limit) else { return Ok(()) };
        let message = format!(
            "a turn of {length} bytes is too large, because SQLite keeps at most {limit} bytes in a row; do less in one turn, as with \
             `dacapo::fan_out(..).limit(..)`, store large values out of line with `Payloads::out_of_line_above`, or pass on where they are \
             instead of the values themselves"
        );
        Err(RuntimeError::new(ErrorKind::TooLarge, message))
    }

    /// Answers.
    pub(super) fn answer(self, result: StoreResult<Applied>) {
        match result {
            Ok(applied) => self.reply.give(Ok(applied)),
            Err(error) => self.refuse(error),
        }
    }

    /// Answers with an error, and with the batch as it came.
    pub(super) fn refuse(self, error: RuntimeError) {
        let Self { mut batch, created, children, appended, reply, .. } = self;
        let news = batch.create.iter_mut().chain(&mut batch.children).map(|new| &mut new.turn);
        let turns = news.zip(created.into_iter().chain(children));
        let appends = batch.append.iter_mut().map(|append| &mut append.turn).zip(appended);
        for (turn, text) in turns.chain(appends) {
            turn.events = serde_json::from_str(&text).expect("what was encoded here decodes here");
        }
        reply.give(Err(Box::new(Refused { error, batch })));
    }
}

/// The answer to a batch. It is given once, whatever happens.
struct Answer(Option<Reply>);

impl Answer {
    /// Whoever is answered runs on the thread of the store, which must survive it.
    fn give(mut self, result: Result<Applied, Box<Refused>>) {
        let Some(reply) = self.0.take() else { return };
        if catch_unwind(AssertUnwindSafe(|| reply(result))).is_err() {
            tracing::error!("a callback panicked on an answer of the store");
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            let refused = Refused { error: writer_died(), batch: Batch::default() };
            Self(Some(reply)).give(Err(Box::new(refused)));
        }
    }
}

/// What is said when the thread that writes has ended.
pub(super) fn writer_died() -> RuntimeError {
    let message =
        "the thread that writes to the database has panicked; start the process again, and please report what it wrote to stderr";
    RuntimeError::new(ErrorKind::Store, message).with_class(ErrorClass::Fatal)
}

/// The text of an event or a list of events.
pub(super) fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("events consist of strings, numbers and JSON text")
}
