//! What a failed activity or orchestration leaves in the history.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::asked_wait::{self, AskedWait};
use crate::kernel::cut::{CAUSE, MESSAGE, cut, cut_causes};
use crate::kernel::payload::{Excerpt, Payload};

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
    #[serde(rename = "type", default, skip_serializing_if = "str::is_empty")]
    type_name: Box<str>,
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<FailedCall>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "asked_wait::serialize")]
    retry_after: AskedWait,
}

/// The call of an activity or a sub-orchestration that a failure came out of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedCall {
    /// The function that was called.
    pub name: String,
    /// The instance that called it.
    pub instance: String,
    /// The number of the call there, as the history has it.
    pub call: u64,
    /// The beginning of its recorded arguments.
    pub input: String,
}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} of `{}` in `{}` with {}", self.call, self.name, self.instance, self.input)
    }
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
        Self {
            kind,
            type_name: Box::default(),
            message: cut(message.into(), MESSAGE),
            causes: Vec::new(),
            retryable,
            payload: None,
            calls: Vec::new(),
            retry_after: None,
        }
    }

    /// The failure of a function that returned `error`, which came out of `calls`.
    pub(crate) fn application<E: fmt::Display + Serialize>(error: &E, causes: Vec<String>, calls: &[FailedCall]) -> Self {
        let mut failure = Self::new(FailureKind::Application, error.to_string());
        failure.type_name = public_name(std::any::type_name::<E>()).into();
        failure.causes = cut_causes(causes);
        calls.clone_into(&mut failure.calls);
        let (encoded, wait) = asked_wait::of(|| Payload::written(error));
        failure.retry_after = wait.map(Box::new);
        match encoded {
            Ok(payload) => failure.payload = Some(payload),
            Err(why) => failure.causes.push(cut(why, CAUSE)),
        }
        failure
    }

    /// The failure of a function that panicked with `payload`, as `catch_unwind` gives it.
    pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        if let Some(failure) = payload.downcast_ref::<Self>() {
            return failure.clone();
        }
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

    /// Asks for a wait before the next attempt, as [`Error::retry_after`](crate::Error::retry_after) does, from an error type of your
    /// own. It is enough that the type contains the failure, or an [`Error`](crate::Error), when it is serialized.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dacapo::{Failure, FailureKind};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// enum PayError { Declined, TryLater(Failure) }
    ///
    /// # impl From<Failure> for PayError { fn from(failure: Failure) -> Self { Self::TryLater(failure) } }
    /// fn busy(wait: Duration) -> PayError {
    ///     PayError::TryLater(Failure::new(FailureKind::Application, "too many requests").retry_after(wait))
    /// }
    /// # assert!(matches!(busy(Duration::ZERO), PayError::TryLater(_)));
    /// ```
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(Box::new(wait));
        self
    }

    /// The wait that was asked for before the next attempt.
    #[must_use]
    pub fn asked_wait(&self) -> Option<Duration> {
        self.retry_after.as_deref().copied()
    }

    /// Its value, and all that it says of values.
    pub(crate) fn parts(&mut self) -> (Option<&mut Payload>, impl Iterator<Item = &mut String>) {
        let calls = self.calls.iter_mut().map(|call| &mut call.input);
        (self.payload.as_mut(), std::iter::once(&mut self.message).chain(&mut self.causes).chain(calls))
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

    /// What the error said. At most 16 KiB are kept; a longer message ends with a mark.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The messages of the error's sources, outermost first: at most 16, of 4 KiB each.
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

    /// The calls it came out of: first the one that failed, then the sub-orchestrations it ended, up to the asker.
    #[must_use]
    pub fn calls(&self) -> &[FailedCall] {
        &self.calls
    }

    /// The same failure, seen by the orchestration `instance` that made the call.
    #[must_use]
    pub(crate) fn of_call(mut self, name: &str, instance: &str, call: u64, input: &Payload) -> Self {
        let input = Excerpt(input.as_str()).to_string();
        self.calls.push(FailedCall { name: name.to_owned(), instance: instance.to_owned(), call, input });
        self
    }

    /// Takes over where it came from when `other` is the same error of the same type.
    pub(crate) fn came_from(&mut self, other: &Self) -> bool {
        let is_same_type = public_name(&self.type_name) == public_name(&other.type_name);
        let is_same = self.payload.is_some() && self.payload == other.payload && is_same_type;
        if is_same && self.calls.is_empty() {
            self.calls.clone_from(&other.calls);
        }
        is_same
    }

    /// The same failure, one level further up: `message` becomes its message, today's message its first cause.
    #[must_use]
    pub(crate) fn context(mut self, message: impl Into<String>) -> Self {
        let cause = std::mem::replace(&mut self.message, cut(message.into(), MESSAGE));
        self.causes.insert(0, cause);
        self.causes = cut_causes(self.causes);
        self
    }
}

/// The name of a type as users write it. The library's own types are recorded without the modules they are in, which earlier builds
/// recorded and which change.
fn public_name(type_name: &str) -> &str {
    match type_name.strip_prefix("dacapo::").and_then(|path| path.rsplit("::").next()) {
        Some("Error") => "dacapo::Error",
        Some("Failure") => "dacapo::Failure",
        _ => type_name,
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
            FailureKind::Panic => write!(f, "panicked: {}", self.message)?,
            _ => f.write_str(&self.message)?,
        }
        let call = self.calls.first();
        call.map_or(Ok(()), |FailedCall { name, call, input, .. }| write!(f, " (call {call} of `{name}` with {input})"))
    }
}

impl StdError for Failure {}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another build recorded of the same error.
    fn recorded(type_name: &str) -> Failure {
        let call = serde_json::json!({"name": "pay", "instance": "order-1", "call": 3, "input": "7"});
        let failure = serde_json::json!({
            "kind": "Application", "type": type_name, "message": "declined", "payload": "declined", "calls": [call],
        });
        serde_json::from_str(&failure.to_string()).expect("it is a failure")
    }

    #[test]
    fn an_error_is_known_again_wherever_its_module_was() {
        for (type_name, is_same) in [("dacapo::error::Error", true), ("dacapo::Error", true), ("shop::Error", false)] {
            let mut failure = Failure { calls: Vec::new(), ..recorded("dacapo::kernel::error::Error") };
            assert_eq!(failure.came_from(&recorded(type_name)), is_same, "{type_name}");
            assert_eq!(failure.calls.len(), usize::from(is_same));
        }
        let own = Failure::new(FailureKind::Runtime, "stopped");
        assert_eq!(Failure::application(&own, Vec::new(), &[]).type_name(), "dacapo::Failure");
    }
}
