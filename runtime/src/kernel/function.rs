//! What the attributes emit: a marker type per annotated function, and how its values are recorded.

use std::fmt::Display;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::barrier;
use crate::kernel::error::Error;
use crate::kernel::failure::{Failure, FailureKind, causes_of};
use crate::kernel::limits::Throttle;
use crate::kernel::payload::{Payload, checked};
use crate::kernel::retry::Retry;

/// An annotated function, as the engine sees it. Implemented by `#[activity]` and `#[orchestrator]` on a hidden type.
pub trait Function: Send + Sync + 'static {
    /// The name it is registered under.
    const NAME: &'static str;
    /// Where it is written.
    const SITE: Site;
    /// The version of an orchestrator.
    const VERSION: u32 = 1;
    /// A hash of its source; tells builds apart whose orchestrators differ.
    const SHAPE: u64 = 0;
    /// Its arguments as a tuple.
    type Input: Send + 'static;
    /// Its declared return type.
    type Output: Send + 'static;
    /// How that return type is recorded.
    type Kind: Returned<Self::Output>;

    /// How its arguments are written and read.
    fn codec() -> Codec<Self::Input>;
    /// The body.
    fn call(input: Self::Input) -> impl Future<Output = Self::Output> + Send;
    /// The arguments of the attribute.
    fn options() -> Options {
        Options::new()
    }
    /// How much of it may be done.
    fn throttle() -> Throttle {
        Throttle::new()
    }

    /// The recorded form of the arguments.
    fn encode(input: &Self::Input) -> Result<Payload, Failure> {
        (Self::codec().encode)(input)
    }

    /// The arguments from their recorded form.
    fn decode(payload: &Payload) -> Result<Self::Input, Failure> {
        (Self::codec().decode)(payload)
    }
}

/// Both directions of the arguments. One value, so that an argument that cannot be stored is one error.
pub struct Codec<I> {
    /// To their recorded form.
    pub encode: fn(&I) -> Result<Payload, Failure>,
    /// From it.
    pub decode: fn(&Payload) -> Result<I, Failure>,
}

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What an attribute says of a function beyond its signature.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) retry: Retry,
    pub(crate) retry_if: Option<Predicate>,
    pub(crate) limits: Limits,
}

/// How long an attempt of an activity may take, in all and without a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
}

impl Options {
    /// One attempt, no timeout.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry: Retry::none(), retry_if: None, limits: Limits { timeout: None, heartbeat: None } }
    }

    /// When to try again.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Which errors of the function to try again.
    #[must_use]
    pub fn retry_if<F, T, E>(mut self, predicate: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        F: Function<Output = Result<T, E>>,
        E: DeserializeOwned,
    {
        self.retry_if = Some(Predicate(Some(Arc::new(move |failure| {
            let error = failure.payload().filter(|_| failure.kind() == FailureKind::Application);
            error.is_none_or(|error| error.decode().map_or(true, |error: E| predicate(&error)))
        }))));
        self
    }

    /// Whether another attempt may mend the failure.
    pub(crate) fn retries(&self, failure: &Failure) -> bool {
        failure.is_retryable() && self.retry_if.as_ref().is_none_or(|predicate| predicate.holds(failure))
    }

    /// How long one attempt may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// How long one attempt may be without a heartbeat.
    #[must_use]
    pub const fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.limits.heartbeat = Some(timeout);
        self
    }
}

/// A question about an error, asked of its recorded form.
#[derive(Clone)]
pub(crate) struct Predicate(Option<Arc<Holds>>);

type Holds = dyn Fn(&Failure) -> bool + Send + Sync;

impl Drop for Predicate {
    fn drop(&mut self) {
        barrier::dispose("a `retry_if` predicate", self.0.take());
    }
}

impl Predicate {
    /// Whether it is true of a failure. One that panics is not, so that the failure is final.
    fn holds(&self, failure: &Failure) -> bool {
        barrier::run(|| self.0.as_ref().is_some_and(|predicate| predicate(failure))).unwrap_or_else(|_| {
            tracing::error!("a `retry_if` predicate panicked; the call is not retried; the panic hook has printed the message");
            false
        })
    }
}

impl std::fmt::Debug for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Predicate")
    }
}

/// A value that can be kept in the history.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the history",
    label = "needs `Serialize`, `DeserializeOwned`, `Send` and `'static`",
    note = "arguments and results of durable functions are recorded as JSON, so that a restarted process can go on with them",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]`, and own what it holds: `String` for `&str`, `Vec<T>` for `&[T]`"
)]
pub trait Storable: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Storable for T {}

/// `Storable`, in the form that an expansion names: without supertraits, a type that is not is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the history",
    label = "needs `Serialize`, `DeserializeOwned`, `Send` and `'static`",
    note = "arguments and results of durable functions are recorded as JSON, so that a restarted process can go on with them",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]`, and own what it holds: `String` for `&str`, `Vec<T>` for `&[T]`"
)]
pub trait Stored: Sized {
    /// Named where only the check is wanted.
    const CHECKED: () = ();
    /// Writes the value as an argument.
    fn store(&self, key: &'static str, encoder: &mut Encoder);
    /// Reads an argument.
    fn load(key: &'static str, decoder: &mut Decoder<'_>) -> Result<Self, Failure>;
}

#[diagnostic::do_not_recommend]
impl<T: Storable> Stored for T {
    fn store(&self, key: &'static str, encoder: &mut Encoder) {
        encoder.field(key, self);
    }

    fn load(key: &'static str, decoder: &mut Decoder<'_>) -> Result<Self, Failure> {
        decoder.field(key)
    }
}

/// An error type that a durable function can declare, in the form that an expansion names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a durable function",
    label = "needs `Serialize`, `DeserializeOwned`, `Display` and `From<dacapo::Failure>`",
    note = "an error is recorded as JSON; a panic, a timeout or a cancellation is a `dacapo::Failure`, which enters it through `From`",
    note = "give `{Self}` what is missing of these, or return `dacapo::Result<T>`, which takes any error by `?`"
)]
pub trait StoredError {
    /// Named where the check is wanted.
    const CHECKED: () = ();
}

#[diagnostic::do_not_recommend]
impl<E: Storable + Display + From<Failure>> StoredError for E {}

/// How a return type is recorded: `Ok` as a result, `Err` as a failure, anything else as a result.
///
/// Implemented for three [`Kind`]s, chosen by the compiler from the type itself, so that an alias of `Result` counts as one.
pub trait Returned<O>: Send + Sync + 'static {
    /// The value of a success.
    type Ok;
    /// What a client gets: the declared `Result`, or `Result<O, Failure>` where the function declares none.
    type Result;

    /// What goes into the history.
    fn record(output: O) -> Recorded;
    /// The declared return value, or the failure for which it has no place.
    fn restore(recorded: Recorded) -> Result<O, Failure>;
    /// What a client gets.
    fn result(recorded: Recorded) -> Self::Result;
    /// Whether the value is an error.
    fn is_failure(output: &O) -> bool;
    /// The success or the failure, engine's or own.
    fn checked(recorded: Recorded) -> Result<Self::Ok, Failure>;
}

/// The recorded outcome of a call.
pub type Recorded = Result<Payload, Failure>;

/// Chooses an implementation of [`Returned`]; see [`Probe`].
pub struct Kind<const IS_RESULT: bool, const IS_STD_ERROR: bool>;

/// What a [`Kind`] says of a return type before anything is asked of it.
pub trait Sides<O> {
    /// The value of a success.
    type Ok;
    /// The declared error; one that is never refused where none is declared.
    type Err;
}

impl<O> Sides<O> for Kind<false, false> {
    type Ok = O;
    type Err = Error;
}

impl<T, E, const IS_STD_ERROR: bool> Sides<Result<T, E>> for Kind<true, IS_STD_ERROR> {
    type Ok = T;
    type Err = E;
}

impl<O: Storable> Returned<O> for Kind<false, false> {
    type Ok = O;
    type Result = Result<O, Failure>;

    fn record(output: O) -> Recorded {
        Payload::encode(&output)
    }

    fn restore(recorded: Recorded) -> Result<O, Failure> {
        recorded?.decode()
    }

    fn result(recorded: Recorded) -> Self::Result {
        Self::restore(recorded)
    }

    fn is_failure(_output: &O) -> bool {
        false
    }

    fn checked(recorded: Recorded) -> Result<O, Failure> {
        Self::restore(recorded)
    }
}

macro_rules! returned_result {
    ($is_std_error:literal, $($bound:path)?, $causes:expr) => {
        impl<T, E> Returned<Result<T, E>> for Kind<true, $is_std_error>
        where
            T: Storable,
            E: Storable + Display + From<Failure> $(+ $bound)?,
        {
            type Ok = T;
            type Result = Result<T, E>;

            fn record(output: Result<T, E>) -> Recorded {
                let causes: fn(&E) -> Vec<String> = $causes;
                match output {
                    Ok(value) => Payload::encode(&value),
                    Err(error) => {
                        let inner = as_error(&error).and_then(Error::failure);
                        Err(Failure::application(&error, causes(&error), inner.map_or(&[], Failure::calls)))
                    }
                }
            }

            fn restore(recorded: Recorded) -> Result<Result<T, E>, Failure> {
                Ok(<Self as Returned<Result<T, E>>>::result(recorded))
            }

            fn result(recorded: Recorded) -> Result<T, E> {
                <Self as Returned<Result<T, E>>>::checked(recorded).map_err(own_error)
            }

            fn is_failure(output: &Result<T, E>) -> bool {
                output.is_err()
            }

            fn checked(recorded: Recorded) -> Result<T, Failure> {
                recorded?.decode()
            }
        }
    };
}

returned_result!(true, std::error::Error, |error| causes_of(error));
returned_result!(false, , |error| {
    as_error(error).map_or_else(Vec::new, |error| error.causes().to_vec())
});

/// The error, if it is the library's own.
fn as_error<E: 'static>(error: &E) -> Option<&Error> {
    (error as &dyn std::any::Any).downcast_ref()
}

/// The error a function returned, from its recorded form; an engine's failure by its `From`.
fn own_error<E: DeserializeOwned + From<Failure>>(failure: Failure) -> E {
    match failure.payload() {
        Some(payload) if failure.kind() == FailureKind::Application => {
            payload.decode().unwrap_or_else(|codec: Failure| E::from(codec.context(failure.to_string())))
        }
        _ => E::from(failure),
    }
}

/// Asks the compiler about a concrete type: an inherent constant that applies wins over a trait's.
pub struct Probe<T>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    /// The type is a `Result`.
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Probe`] for every other type. Must be in scope where the probe is asked.
pub trait NotResult {
    /// The type is not a `Result`.
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Probe<T> {}

/// Asks the compiler whether a `Result`'s error is a `std::error::Error`.
pub struct ErrorProbe<T>(PhantomData<T>);

impl<T, E: std::error::Error> ErrorProbe<Result<T, E>> {
    /// The error has sources.
    pub const IS_STD_ERROR: bool = true;
}

/// The answer of [`ErrorProbe`] for every other type. Must be in scope where the probe is asked.
pub trait NotStdError {
    /// The error has no sources.
    const IS_STD_ERROR: bool = false;
}

impl<T> NotStdError for ErrorProbe<T> {}

/// Encodes the arguments of a function: none as `null`, one bare, several as an object keyed by parameter name.
pub struct Encoder {
    text: Vec<u8>,
    keyed: bool,
    failed: Option<Failure>,
}

impl Encoder {
    /// For `parameters` arguments.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        let keyed = parameters > 1;
        Self { text: if keyed { b"{".to_vec() } else { Vec::new() }, keyed, failed: None }
    }

    /// The next argument.
    pub fn field<T: Storable>(&mut self, name: &'static str, value: &T) {
        if self.keyed {
            let comma = if self.text.len() > 1 { "," } else { "" };
            self.text.extend_from_slice(format!("{comma}\"{name}\":").as_bytes());
        }
        if let Err(why) = checked(value, |value| serde_json::to_writer(&mut self.text, value)) {
            let message = format!("cannot encode the argument `{name}` as JSON: {why}");
            self.failed.get_or_insert(Failure::new(FailureKind::Codec, message));
        }
    }

    /// The recorded form.
    pub fn finish(mut self) -> Result<Payload, Failure> {
        if let Some(failure) = self.failed {
            return Err(failure);
        }
        match (self.keyed, self.text.is_empty()) {
            (true, _) => self.text.push(b'}'),
            (false, true) => return Ok(Payload::null()),
            (false, false) => {}
        }
        let text = String::from_utf8(self.text).map_err(|error| Failure::new(FailureKind::Codec, error.to_string()))?;
        Payload::stored(text)
    }
}

/// Decodes the arguments of a function.
pub struct Decoder<'p> {
    payload: &'p Payload,
    fields: Option<std::collections::HashMap<String, Payload>>,
}

impl<'p> Decoder<'p> {
    /// For `parameters` arguments.
    pub fn new(payload: &'p Payload, parameters: usize) -> Result<Self, Failure> {
        let fields = if parameters > 1 { Some(payload.parse()?) } else { None };
        Ok(Self { payload, fields })
    }

    /// The next argument. One that the recorded object lacks is read from `null`, so that an `Option` can be added later.
    pub fn field<T: Storable>(&mut self, name: &'static str) -> Result<T, Failure> {
        let Some(fields) = &mut self.fields else {
            return self.payload.decode();
        };
        match fields.remove(name) {
            Some(value) => value.decode(),
            None => Payload::null().decode().map_err(|_: Failure| {
                Failure::new(FailureKind::Codec, format!("the recorded input has no `{name}`, and its type is not an `Option`"))
            }),
        }
    }
}
