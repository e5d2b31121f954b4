//! What a failed activity or orchestration leaves in the history.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::payload::Payload;

/// A structured, recorded failure: what kind, which type, the message, its causes, and the error value itself.
///
/// An activity's own error comes back as its own type; a failure of the engine (a panic, a timeout, a value that
/// cannot be decoded) enters that type through `From<Failure>`.
///
/// ```
/// #[derive(Debug)]
/// enum PayError { Declined, Engine(dacapo::Failure) }
///
/// impl From<dacapo::Failure> for PayError {
///     fn from(failure: dacapo::Failure) -> Self { Self::Engine(failure) }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    kind: FailureKind,
    #[serde(rename = "type", default, skip_serializing_if = "String::is_empty")]
    type_name: String,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// What went wrong, in the engine's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The function returned an error of its own.
    Application,
    /// The function panicked.
    Panic,
    /// An attempt took longer than its timeout.
    Timeout,
    /// The call was cancelled before it finished.
    Cancelled,
    /// The orchestration was terminated from outside.
    Terminated,
    /// A value could not be encoded or decoded.
    Codec,
    /// No function of that name is registered in this process.
    NotRegistered,
    /// An orchestrator did something that replay forbids.
    Forbidden,
    /// The runtime could not reach the orchestration or its store.
    Runtime,
}

impl Failure {
    /// A failure of the given kind. Retryable, except where trying again cannot help
    /// ([`Codec`](FailureKind::Codec), [`NotRegistered`](FailureKind::NotRegistered), [`Forbidden`](FailureKind::Forbidden)).
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let retryable = !matches!(kind, FailureKind::Codec | FailureKind::NotRegistered | FailureKind::Forbidden);
        Self { kind, type_name: String::new(), message: message.into(), causes: Vec::new(), retryable, payload: None }
    }

    /// The failure of a function that returned `error`.
    pub(crate) fn application<E: fmt::Display + Serialize>(error: &E, causes: Vec<String>) -> Self {
        let mut failure = Self::new(FailureKind::Application, error.to_string());
        failure.type_name = std::any::type_name::<E>().to_owned();
        failure.causes = causes;
        match Payload::encode(error) {
            Ok(payload) => failure.payload = Some(payload),
            Err(codec) => failure.causes.push(codec.message),
        }
        failure
    }

    /// The failure of a function that panicked with `payload`, as `catch_unwind` gives it.
    pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Self::new(FailureKind::Panic, message)
    }

    /// Marks the failure as one that trying again cannot mend.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.retryable = false;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The Rust type of the error, empty for a failure of the engine.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// What the error said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The messages of the error's sources, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Whether a retry policy may try again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The error value as it was recorded, for an [`Application`](FailureKind::Application) failure.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The same failure, one level further up: `message` becomes its message, today's message its first cause.
    #[must_use]
    pub(crate) fn context(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }
}

/// The messages of an error's sources, outermost first.
pub(crate) fn causes_of(error: &dyn StdError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FailureKind::Panic => write!(f, "panicked: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl StdError for Failure {}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}
