//! Which values can be recorded, and how arguments are.

use std::collections::HashMap;
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::{Payload, checked};

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
    fields: Option<HashMap<String, Payload>>,
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
