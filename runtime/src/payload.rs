//! Values as they are kept in the history: JSON text.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::{Failure, FailureKind};

/// A value as it is recorded: one JSON document, kept as text until somebody needs it typed.
///
/// ```
/// let payload = dacapo::Payload::encode(&vec![1, 2, 3]).unwrap();
/// assert_eq!(payload.as_str(), "[1,2,3]");
/// assert_eq!(payload.decode::<Vec<u8>>().unwrap(), [1, 2, 3]);
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// Encodes a value as JSON.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure when the value has no JSON form, such as a map whose keys are not strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, Failure> {
        serde_json::value::to_raw_value(value).map(Self).map_err(|error| {
            let type_name = std::any::type_name::<T>();
            Failure::new(FailureKind::Codec, format!("a `{type_name}` could not be stored as JSON: {error}"))
        })
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure that shows the beginning of the text when it does not fit `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(self.as_str()).map_err(|error| {
            let type_name = std::any::type_name::<T>();
            let text = Excerpt(self.as_str());
            Failure::new(FailureKind::Codec, format!("recorded JSON does not fit `{type_name}`: {error}; the text is {text}"))
        })
    }

    /// Takes JSON text as it is.
    ///
    /// # Errors
    /// A [`FailureKind::Codec`] failure when the text is not one JSON document.
    pub fn from_json(text: String) -> Result<Self, Failure> {
        RawValue::from_string(text)
            .map(Self)
            .map_err(|error| Failure::new(FailureKind::Codec, format!("the text is not JSON: {error}")))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// JSON `null`, the recorded form of `()`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

/// The same document: the order of an object's keys says nothing, and a hash map has another one in every process.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        is_same(self.as_str(), other.as_str())
    }
}

fn is_same(one: &str, other: &str) -> bool {
    fn both<'a, T: Deserialize<'a>>(one: &'a str, other: &'a str) -> Option<(T, T)> {
        Some((serde_json::from_str(one).ok()?, serde_json::from_str(other).ok()?))
    }
    if one == other || one.len() != other.len() {
        return one == other;
    }
    if let Some((one, other)) = both::<BTreeMap<String, &RawValue>>(one, other) {
        let same = |((key, value), (other_key, other)): ((&String, &&RawValue), (&String, &&RawValue))| {
            key == other_key && is_same(value.get(), other.get())
        };
        return one.len() == other.len() && one.iter().zip(&other).all(same);
    }
    both::<Vec<&RawValue>>(one, other).is_some_and(|(one, other)| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one.get(), other.get()))
    })
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows at most 120 characters, so that an error never carries a whole payload.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(120) {
            Some((end, _)) => write!(f, "`{}…`", &self.0[..end]),
            None => write!(f, "`{}`", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn the_order_of_keys_says_nothing_and_everything_else_does() {
        let payload = |text: &str| Payload::from_json(text.to_owned()).expect("it is JSON");
        let one = payload(r#"{"a":[1,{"x":1,"y":2}],"b":18446744073709551616}"#);
        assert_eq!(one, payload(r#"{"b":18446744073709551616,"a":[1,{"y":2,"x":1}]}"#));
        assert_ne!(one, payload(r#"{"b":18446744073709551617,"a":[1,{"y":2,"x":1}]}"#));
        assert_ne!(one, payload(r#"{"b":18446744073709551616,"a":[1,{"y":1,"x":2}]}"#));
        assert_ne!(payload("[1,2]"), payload("[2,1]"));
        assert_ne!(payload("\"ab\""), payload("\"ba\""));
    }
}
