//! Encodes values as JSON, and refuses those that would be read back as something else or nest too deeply.
//!
//! serde_json writes NaN as `null` and follows a value however deep it is, so each value goes through
//! [`CheckedSerializer`] on its way there.

use std::cell::RefCell;
use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

use crate::kernel::payload::walk::nesting_above;

/// How many levels of `[` and `{` a value may have.
pub(crate) const MAX_DEPTH: usize = 100;

/// How many calls of `serialize` may be under way, wrappers without brackets included. They take stack, too.
const MAX_CALLS: usize = 4 * MAX_DEPTH;

/// How serde_json marks text that is written as it is.
const RAW: &str = "$serde_json::private::RawValue";
const NUMBER: &str = "$serde_json::private::Number";

/// The name of a newtype around a value of a caller, whose levels are counted on their own.
const OWN: &str = "dacapo:own";

/// Serializes a caller's value that is part of a value of the library's.
#[cfg(feature = "schedules")]
pub(crate) fn on_its_own<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(OWN, value)
}

/// Gives `write` a value that serializes only what can be read back. An error says what is wrong, and where in the value.
pub(crate) fn checked<T: Serialize + ?Sized, R>(
    value: &T,
    write: impl FnOnce(&Value<'_, '_, T>) -> serde_json::Result<R>,
) -> Result<R, String> {
    let path = RefCell::default();
    let at = At { path: &path, depth: 0, calls: 0, is_some: false, is_raw: false };
    write(&Value { value, at }).map_err(|error| {
        let path: String = path.borrow().iter().rev().map(String::as_str).collect();
        let path = path.strip_prefix('.').unwrap_or(&path);
        if path.is_empty() { error.to_string() } else { format!("`{path}`: {error}") }
    })
}

/// Why a value that nests too deeply is refused.
pub(crate) fn too_deep(depth: usize) -> String {
    format!(
        "the value is nested {depth} levels deep, but at most {MAX_DEPTH} levels of `[` and `{{` are allowed; \
         flatten it, for example into a list of nodes that refer to each other by index"
    )
}

/// A place in a value.
#[derive(Clone, Copy)]
struct At<'p> {
    /// The steps to the place where an error was found, the innermost first.
    path: &'p RefCell<Vec<String>>,
    depth: usize,
    calls: usize,
    /// Whether it is what a `Some` holds.
    is_some: bool,
    /// Whether text here is JSON already.
    is_raw: bool,
}

impl At<'_> {
    /// The place inside of so many brackets.
    fn inside<E: ser::Error>(self, brackets: usize) -> Result<Self, E> {
        let depth = self.depth + brackets;
        if depth > MAX_DEPTH {
            return Err(E::custom(format!(
                "the value is nested more than {MAX_DEPTH} levels of `[` and `{{` deep; \
                 flatten it, for example into a list of nodes that refer to each other by index"
            )));
        }
        Ok(Self { depth, is_some: false, ..self })
    }

    /// The place of what a call of `serialize` holds.
    fn called<E: ser::Error>(self) -> Result<Self, E> {
        if self.calls == MAX_CALLS {
            return Err(E::custom(format!("the value has more than {MAX_CALLS} nested wrappers; flatten it")));
        }
        Ok(Self { calls: self.calls + 1, ..self })
    }

    /// Notes the step that led to an error.
    fn step<T, E>(self, result: Result<T, E>, step: impl FnOnce() -> String) -> Result<T, E> {
        result.inspect_err(|_| self.path.borrow_mut().push(step()))
    }

    /// A value that is recorded as `null`.
    fn null<E: ser::Error>(self, value: &str) -> Result<(), E> {
        if self.is_some {
            return Err(E::custom(format!(
                "`Some({value})` is recorded as `null` and would be read back as `None`; use an enum that names the cases"
            )));
        }
        Ok(())
    }

    fn raw<E: ser::Error>(self, text: &str) -> Result<(), E> {
        if text == "null" {
            return self.null(text);
        }
        match nesting_above(MAX_DEPTH - self.depth, text) {
            Some(depth) => Err(E::custom(too_deep(self.depth + depth))),
            None => Ok(()),
        }
    }

    fn float<E: ser::Error>(value: f64) -> Result<(), E> {
        if value.is_finite() {
            return Ok(());
        }
        let name = if value.is_nan() { "NaN" } else { "infinity" };
        let sign = if value == f64::NEG_INFINITY { "-" } else { "" };
        Err(E::custom(format!("{sign}{name} has no JSON form; use an `Option` with `None`, or an enum that names the cases")))
    }
}

/// A value at its place.
pub(crate) struct Value<'p, 'v, T: ?Sized> {
    value: &'v T,
    at: At<'p>,
}

impl<T: Serialize + ?Sized> Serialize for Value<'_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(CheckedSerializer { inner, at: self.at.called()? })
    }
}

/// A serializer that takes only what can be read back.
struct CheckedSerializer<'p, S> {
    inner: S,
    at: At<'p>,
}

/// The parts of a sequence, a map, a struct or a variant with several.
struct Parts<'p, C> {
    inner: C,
    at: At<'p>,
    index: usize,
}

macro_rules! plain {
    ($($method:ident($type:ty),)*) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<'p, S: Serializer> Serializer for CheckedSerializer<'p, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'p, S::SerializeSeq>;
    type SerializeTuple = Parts<'p, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'p, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'p, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'p, S::SerializeMap>;
    type SerializeStruct = Parts<'p, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'p, S::SerializeStructVariant>;

    plain! {
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char),
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        At::float(value.into())?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        At::float(value)?;
        self.inner.serialize_f64(value)
    }

    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        if self.at.is_raw {
            self.at.raw(value)?;
        }
        self.inner.serialize_str(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        self.at.inside(1)?;
        self.inner.serialize_bytes(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.at.null("None")?;
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Value { value, at: At { is_some: true, ..self.at } })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.at.null("()")?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.at.null(name)?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let at = if name == OWN { At { depth: 0, ..self.at } } else { self.at };
        self.inner.serialize_newtype_struct(name, &Value { value, at })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let at = self.at.inside(1)?;
        at.step(self.inner.serialize_newtype_variant(name, index, variant, &Value { value, at }), || format!(".{variant}"))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let at = self.at.inside(1)?;
        Ok(Parts { inner: self.inner.serialize_seq(len)?, at, index: 0 })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let at = self.at.inside(1)?;
        Ok(Parts { inner: self.inner.serialize_tuple(len)?, at, index: 0 })
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        let at = self.at.inside(1)?;
        Ok(Parts { inner: self.inner.serialize_tuple_struct(name, len)?, at, index: 0 })
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let at = self.at.inside(2)?;
        Ok(Parts { inner: self.inner.serialize_tuple_variant(name, index, variant, len)?, at, index: 0 })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let at = self.at.inside(1)?;
        Ok(Parts { inner: self.inner.serialize_map(len)?, at, index: 0 })
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        let at = match name {
            RAW => At { is_raw: true, ..self.at },
            NUMBER => self.at,
            _ => self.at.inside(1)?,
        };
        Ok(Parts { inner: self.inner.serialize_struct(name, len)?, at, index: 0 })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let at = self.at.inside(2)?;
        Ok(Parts { inner: self.inner.serialize_struct_variant(name, index, variant, len)?, at, index: 0 })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! listed {
    ($($trait:ident::$method:ident,)*) => {
        $(impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let index = self.index;
                self.index += 1;
                let at = self.at;
                at.step(self.inner.$method(&Value { value, at }), || format!("[{index}]"))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

listed! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! named {
    ($($trait:ident,)*) => {
        $(impl<C: ser::$trait> ser::$trait for Parts<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                let at = self.at;
                let step = || if at.is_raw { String::new() } else { format!(".{key}") };
                at.step(self.inner.serialize_field(key, &Value { value, at }), step)
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

named! { SerializeStruct, SerializeStructVariant, }

impl<C: ser::SerializeMap> ser::SerializeMap for Parts<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let at = self.at;
        at.step(self.inner.serialize_value(&Value { value, at }), || "[…]".to_owned())
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(&mut self, key: &K, value: &V) -> Result<(), C::Error> {
        let at = self.at;
        let step = || serde_json::to_string(key).map_or_else(|_| "[…]".to_owned(), |key| format!("[{key}]"));
        at.step(self.inner.serialize_entry(key, &Value { value, at }), step)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
