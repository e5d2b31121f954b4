//! The two error types of the library.
//!
//! [`Error`] is for functions that want no error type of their own: it takes any `std::error::Error` by `?` and is
//! recorded in the history. [`RuntimeError`] is what opening, starting and querying return.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::asked_wait::{self, AskedWait};
use crate::kernel::failure::{Failure, causes_of};

/// `Result` with [`Error`], for activities, orchestrators and `main` functions without an error type of their own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, as it can be recorded and replayed: its message and the messages of its sources.
///
/// `?` converts every `std::error::Error` into it. Like every type with that property it is not a
/// `std::error::Error` itself; it converts into `Box<dyn std::error::Error + Send + Sync>`.
///
/// ```
/// fn port(text: &str) -> dacapo::Result<u16> { Ok(text.parse()?) }
/// assert_eq!(port("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Box<Failure>>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "asked_wait::serialize")]
    retry_after: AskedWait,
}

impl Error {
    /// An error that says `message`.
    #[must_use]
    pub fn msg(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), causes: Vec::new(), failure: None, retry_after: None }
    }

    /// Asks for a wait before the next attempt: it starts no earlier than `wait` after the failure, as a `Retry-After` header asks.
    ///
    /// It applies when an activity or a sub-orchestration fails with this error and its [`Retry`](crate::Retry) policy has an attempt
    /// left. The longer of this wait and the policy's own is used; if the next attempt would start after the policy's `retry_timeout`,
    /// there is none. The wait takes no place in the worker's limits.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dacapo::{Error, Retry, activity};
    ///
    /// #[activity(retry = Retry::exponential(Duration::from_secs(1)).max_attempts(5))]
    /// async fn fetch(url: String) -> dacapo::Result<String> {
    ///     # let (status, retry_after) = (429, Some(30));
    ///     // let response = http.get(url).send().await?; ..
    ///     match (status, retry_after) {
    ///         (429, Some(seconds)) => Err(Error::msg("too many requests").retry_after(Duration::from_secs(seconds))),
    ///         _ => Ok("..".into()),
    ///     }
    /// }
    /// ```
    ///
    /// For an error type of your own, see [`Failure::retry_after`].
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(Box::new(wait));
        self
    }

    /// The messages of the error's sources, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The failure of the engine this error came from, if it came from one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let failure = (&error as &dyn Any).downcast_ref::<Failure>().cloned();
        let causes = match &failure {
            Some(failure) => failure.causes().to_vec(),
            None => causes_of(&error),
        };
        Self { message: error.to_string(), causes, failure: failure.map(Box::new), retry_after: None }
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Opaque(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Opaque(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The message and its causes, one a line: what `main` prints when it returns this error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, "\n  caused by: {cause}"))
    }
}

struct Opaque(Error);

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Opaque {}

/// Why a call to a runtime, a client or a store failed.
///
/// The message says what failed and what to do about it. Programs should not match its text, but the [kind](Self::kind), or use
/// [`is_not_found`](Self::is_not_found) and the like.
#[derive(Clone, PartialEq, Eq)]
pub struct RuntimeError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    class: ErrorClass,
    message: String,
    causes: Vec<String>,
}

/// What kind of error a [`RuntimeError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An instance of that id exists.
    AlreadyExists,
    /// No instance of that id exists.
    NotFound,
    /// The orchestration has already finished.
    Finished,
    /// The orchestration has not finished yet.
    Unfinished,
    /// Another process is the worker of the database, or the file has several hard links, through which one could be.
    Locked,
    /// The database was written by a newer version, or is not a database of this library.
    Incompatible,
    /// The request itself is wrong: a bad id, a bad URL, two functions with one name.
    Invalid,
    /// What is stored cannot be decoded: it was encoded with another key, written by a newer build, or is damaged.
    Unreadable,
    /// A turn is larger than the store can keep.
    TooLarge,
    /// The store failed: a full disk, a lost file, a refused permission.
    Store,
    /// The store does not support the request: for example, a [rewind](crate::Client::rewind) with a store of your own that cannot append
    /// to a history that has ended.
    Unsupported,
    /// Another worker has taken the store over.
    Fenced,
    /// The runtime is shutting down.
    ShuttingDown,
}

impl RuntimeError {
    /// An error of a kind that says `message`: for stores of your own. Its [class](Self::class) follows from the kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, class: kind.into(), message: message.into(), causes: Vec::new() }))
    }

    /// The same error with another class: for stores of your own.
    #[must_use]
    pub fn with_class(mut self, class: ErrorClass) -> Self {
        self.0.class = class;
        self
    }

    pub(crate) fn caused_by(mut self, cause: &dyn StdError) -> Self {
        self.0.causes.push(cause.to_string());
        self.0.causes.extend(causes_of(cause));
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }

    /// Whether an instance of the requested id exists already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.0.kind == ErrorKind::AlreadyExists
    }

    /// Whether no instance of the requested id exists.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// Whether another process works on the database.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.kind == ErrorKind::Locked
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.0.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for RuntimeError {}

/// Whether trying again can help after a [`RuntimeError`](crate::RuntimeError).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The next try may succeed: the disk is full, no file descriptor is left, a read failed, another program writes. A worker tries again.
    Passing,
    /// The same request fails again: a history cannot be read, a turn is too large, an id is taken. A worker parks the orchestration
    /// concerned, or refuses the request.
    Permanent,
    /// No request succeeds any more: the database was removed, another worker has taken it over, the store is closed. A worker stops.
    Fatal,
}

impl From<ErrorKind> for ErrorClass {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Store | ErrorKind::Locked => Self::Passing,
            ErrorKind::Fenced | ErrorKind::ShuttingDown => Self::Fatal,
            ErrorKind::AlreadyExists
            | ErrorKind::NotFound
            | ErrorKind::Finished
            | ErrorKind::Unfinished
            | ErrorKind::Incompatible
            | ErrorKind::Invalid
            | ErrorKind::Unreadable
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported => Self::Permanent,
        }
    }
}
