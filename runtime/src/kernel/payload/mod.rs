//! Values as they are kept in the history: JSON text.

mod encode;
mod walk;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::kernel::payload::walk::{canonical, nesting_above, unordered};
pub(crate) use encode::checked;
#[cfg(feature = "schedules")]
pub(crate) use encode::on_its_own;
use encode::{MAX_DEPTH, too_deep};

/// A value as it is recorded: one JSON document, kept as text until somebody needs it typed.
///
/// ```
/// let payload = dacapo::Payload::encode(&vec![1, 2, 3]).unwrap();
/// assert_eq!(payload.as_str(), "[1,2,3]");
/// assert_eq!(payload.decode::<Vec<u8>>().unwrap(), [1, 2, 3]);
/// ```
///
/// # How types are recorded
///
/// A value comes back as it went in, or encoding it fails with an error that names the place in the value.
///
/// | Rust type | JSON | What to know |
/// |---|---|---|
/// | `i8` to `i128`, `u8` to `u128` | number | exact, but JavaScript rounds above 2^53 |
/// | `f32`, `f64` | number | exact, with the sign of `-0.0`; **NaN and infinity are refused** |
/// | `bool` | `true`, `false` | |
/// | `char`, `String` | string | every character, `\0` too |
/// | `()`, a unit struct | `null` | |
/// | `Option<T>` | `null`, or as `T` | **`Some` of what is `null` itself is refused**: `Some(None)`, `Some(())`, `Some(Value::Null)`. The attributes refuse `Option<Option<T>>` and `Option<()>` in signatures; use an `enum` that names the cases |
/// | tuples, arrays, `Vec`, sets | array | the order of a `HashSet` differs between processes |
/// | `HashMap`, `BTreeMap` | object | keys are strings, numbers, `bool`, `char` or unit variants; **others are refused**. Key order does not matter when values are compared |
/// | a struct | object | fields that JSON has and the struct lacks are ignored; an `Option` that JSON lacks is `None` |
/// | a newtype struct, `Box`, `Arc`, `Cow` | as what it holds | |
/// | a tuple struct | array | |
/// | an enum | `"Unit"`, `{"Newtype":..}`, `{"Tuple":[..]}`, `{"Struct":{..}}` | with `#[serde(untagged)]` the first variant that fits is read back |
/// | `Duration`, `SystemTime` | object of seconds and nanoseconds | |
/// | `Vec<u8>`, bytes | array of numbers | encode large ones yourself, for example as Base64 |
/// | `serde_json::Value` | as it is | of equal keys it keeps the last one |
/// | `Payload`, `serde_json::value::RawValue` | as it is | the text is kept to the letter |
///
/// At most 100 levels of `[` and `{` are allowed, counted on the value that a caller passes. A linked list is as deep as it is long; record a
/// list of nodes that refer to each other by index. The check takes place while the value is serialized, also inside types of other crates.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// Writes a value as JSON. An error says what is wrong, and where in the value.
    pub(crate) fn written<T: Serialize + ?Sized>(value: &T) -> Result<Self, String> {
        checked(value, |value| serde_json::value::to_raw_value(value))
            .map(Self::plain)
            .map_err(|why| format!("cannot encode a `{}` as JSON: {why}", std::any::type_name::<T>()))
    }

    /// Why a recorded value cannot be decoded, if it is nested too deeply. What wraps a caller's value, as the object of several arguments
    /// does, is not counted.
    pub(crate) fn depth_error(&self) -> Option<String> {
        const WRAPPERS: usize = 4;
        let depth = nesting_above(MAX_DEPTH + WRAPPERS, self.as_str())?;
        Some(format!("it is nested {depth} levels deep, but at most {MAX_DEPTH} levels of `[` and `{{` are allowed"))
    }

    /// Takes JSON text as it is, however deep it is nested.
    pub(crate) fn from_text(text: String) -> serde_json::Result<Self> {
        RawValue::from_string(text).map(Self::plain)
    }

    /// Why a caller's text is refused, if it is nested too deeply.
    pub(crate) fn too_deep(&self) -> Option<String> {
        nesting_above(MAX_DEPTH, self.as_str()).map(too_deep)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether the value can be read here. In a history that was read without the codec it was written with, it cannot.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.is_sealed()
    }

    /// JSON `null`, the recorded form of `()`.
    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// A value. One that begins as an envelope does gets a space after its brace, by which it is told from one.
    fn plain(text: Box<RawValue>) -> Self {
        match text.get().strip_prefix('{').filter(|_| text.get().starts_with(SEALED)) {
            Some(rest) => Self(RawValue::from_string(format!("{{ {rest}")).expect("a space changes nothing")),
            None => Self(text),
        }
    }

    /// The envelope that stands for a value in a store.
    pub(crate) fn sealed(envelope: &Envelope) -> Self {
        let text = serde_json::value::to_raw_value(&Sealed { envelope: Cow::Borrowed(envelope) });
        Self(text.expect("an envelope consists of strings and numbers"))
    }

    /// Whether it is an envelope.
    pub(crate) fn is_sealed(&self) -> bool {
        self.as_str().starts_with(SEALED)
    }

    /// The envelope, if it is one.
    pub(crate) fn envelope(&self) -> Option<Envelope> {
        let sealed: Sealed<'_> = serde_json::from_str(self.as_str()).ok().filter(|_| self.is_sealed())?;
        Some(sealed.envelope.into_owned())
    }

    /// How the recorded arguments of a call compare with those of a call that is made now.
    pub(crate) fn likeness(&self, now: &Self) -> Likeness {
        if self == now {
            return Likeness::Same;
        }
        match (self.envelope(), now.is_sealed()) {
            (Some(Envelope::OutOfLine { length, .. }), false) if length == now.as_str().len() as u64 => Likeness::Undecided,
            (None, false) if unordered(self.as_str()) == unordered(now.as_str()) => Likeness::Reordered,
            _ => Likeness::Different,
        }
    }

    /// Length and digest of the value, which stand for it where it is not at hand.
    fn identity(&self) -> Option<(u64, String)> {
        match self.envelope() {
            Some(Envelope::OutOfLine { length, digest, .. }) => Some((length, digest)),
            Some(Envelope::Content(_)) => None,
            None => Some((self.as_str().len() as u64, digest(self.as_str()))),
        }
    }
}

/// The same document: the order of an object's keys says nothing, and a hash map has another one in every process.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        if self.is_sealed() || other.is_sealed() {
            return self.as_str() == other.as_str() || self.identity().is_some_and(|own| other.identity() == Some(own));
        }
        is_same(self.as_str(), other.as_str())
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || one.len() == other.len() && one.starts_with(['{', '[']) && canonical(one) == canonical(other)
}

impl Eq for Payload {}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// They are equal.
    Same,
    /// They are equal but for the order of the values in their arrays, as those of a set are that came from another process.
    Reordered,
    /// One of them is not at hand, and its digest is another one.
    Undecided,
    Different,
}

/// How the text of every envelope begins.
const SEALED: &str = r#"{"dacapo:sealed":"#;

#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    #[serde(rename = "dacapo:sealed")]
    envelope: Cow<'a, Envelope>,
}

/// What stands for a value in a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Envelope {
    /// The value as the codec has written it, in hexadecimal digits.
    Content(String),
    /// The value is stored out of line, under this key.
    #[serde(rename = "beside")]
    OutOfLine {
        key: i64,
        /// The length of its JSON text in bytes.
        length: u64,
        digest: String,
    },
}

/// The digest of a JSON text. The order of an object's keys does not count.
///
/// Stores hold digests, so the digest of a text is the same in all versions.
pub(crate) fn digest(text: &str) -> String {
    let text = if text.contains('{') { Cow::Owned(canonical(text)) } else { Cow::Borrowed(text) };
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string()
}

/// The length only: what is printed for debugging ends in logs.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_str().len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether reports and logs quote values, which they do not where a codec keeps them secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Shown,
    Hidden,
}

impl Values {
    pub(crate) fn are_hidden(self) -> bool {
        matches!(self, Self::Hidden)
    }

    /// The beginning of a value, if it may be shown.
    pub(crate) fn excerpt(self, value: &Payload) -> String {
        self.told(Excerpt(value.as_str()))
    }

    /// A text that may quote values, if they may be shown.
    pub(crate) fn told(self, text: impl fmt::Display) -> String {
        match self {
            Self::Shown => text.to_string(),
            Self::Hidden => "a value that is encrypted and not shown here".to_owned(),
        }
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
    use super::{Envelope, Likeness, Payload};

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

    #[test]
    fn values_in_another_order_are_reordered_and_others_different() {
        let payload = |text: &str| Payload::from_json(text.to_owned()).expect("it is JSON");
        let recorded = payload(r#"{"a":["x","y",["z"]],"b":1}"#);
        assert_eq!(recorded.likeness(&payload(r#"{"b":1,"a":["x","y",["z"]]}"#)), Likeness::Same);
        assert_eq!(recorded.likeness(&payload(r#"{"b":1,"a":[["z"],"y","x"]}"#)), Likeness::Reordered);
        assert_eq!(recorded.likeness(&payload(r#"{"b":1,"a":["x","x",["z"]]}"#)), Likeness::Different);
        let out_of_line =
            |text: &str| Payload::sealed(&Envelope::OutOfLine { key: 1, length: text.len() as u64, digest: super::digest(text) });
        assert_eq!(out_of_line("[1,2]").likeness(&payload("[1,2]")), Likeness::Same);
        assert_eq!(out_of_line("[1,2]").likeness(&payload("[2,1]")), Likeness::Undecided);
        assert_eq!(out_of_line("[1,2]").likeness(&payload("[1,2,3]")), Likeness::Different);
    }

    #[test]
    fn a_digest_stands_for_a_value_whatever_the_order_of_its_keys() {
        let digest = super::digest;
        assert_eq!(digest(r#"{"a":[1,{"x":1,"y":2}],"b":2}"#), digest(r#"{"b":2,"a":[1,{"y":2,"x":1}]}"#));
        assert_ne!(digest(r#"{"a":[1,{"x":1,"y":2}],"b":2}"#), digest(r#"{"a":[1,{"x":2,"y":1}],"b":2}"#));
        assert_ne!(digest("[1,2]"), digest("[2,1]"));
    }
}
