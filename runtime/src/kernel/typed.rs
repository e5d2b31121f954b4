//! Typed values to payloads and back. What cannot be written or read is a [`FailureKind::Codec`] failure.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::{Excerpt, Payload};

impl Payload {
    /// Encodes a value as JSON.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure when the value has no JSON form it could be read back from, such as NaN, `Some(None)` or a map whose
    /// keys are not strings, and when it is nested more than 100 levels of `[` and `{` deep. The message names the place in the value.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, Failure> {
        Self::written(value).map_err(|why| Failure::new(FailureKind::Codec, why))
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure that shows the beginning of the text when it does not fit `T`, and one that names the depth when it is
    /// nested more than 100 levels deep, as a value that an early version recorded may be.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if let Some(why) = self.depth_error() {
            let type_name = std::any::type_name::<T>();
            return Err(Failure::new(FailureKind::Codec, format!("cannot decode recorded JSON as `{type_name}`: {why}")));
        }
        self.parse()
    }

    /// Decodes the value, however deep it is. `T` keeps what is nested as text.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.is_sealed() {
            let message = "the payload cannot be read here: it was encoded with another key, or is stored out of line";
            return Err(Failure::new(FailureKind::Codec, message));
        }
        serde_json::from_str(self.as_str()).map_err(|error| {
            let type_name = std::any::type_name::<T>();
            let text = Excerpt(self.as_str());
            Failure::new(FailureKind::Codec, format!("recorded JSON does not fit `{type_name}`: {error}; the text is {text}"))
        })
    }

    /// Takes JSON text as it is. A custom store reads values back with `Deserialize` instead, because they may be envelopes.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure when the text is not one JSON document, or is nested more than 100 levels of `[` and `{` deep.
    pub fn from_json(text: String) -> Result<Self, Failure> {
        let payload = Self::stored(text)?;
        match payload.too_deep() {
            Some(why) => Err(Failure::new(FailureKind::Codec, why)),
            None => Ok(payload),
        }
    }

    /// The same for text from a store, which may be nested deeper.
    pub(crate) fn stored(text: String) -> Result<Self, Failure> {
        Self::from_text(text).map_err(|error| Failure::new(FailureKind::Codec, format!("invalid JSON: {error}")))
    }
}
