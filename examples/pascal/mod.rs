//! JSON as .NET has it, for the programs that keep its records: members are written in PascalCase and read in any letter case.

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::{Map, Value};

/// Implements `Serialize` and `Deserialize` for structs that derive them with
/// `#[serde(rename_all = "PascalCase", remote = "Self")]`.
macro_rules! records {
    ($($record:ty),+ $(,)?) => {$(
        impl serde::Serialize for $record {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$record>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $record {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$record>::deserialize($crate::pascal::AnyCase(deserializer))
            }
        }
    )+};
}

pub(crate) use records;

/// Matches the members of a struct without regard to the case of their letters.
pub(crate) struct AnyCase<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AnyCase<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let members = Map::<String, Value>::deserialize(self.0)?.into_iter().map(|(member, value)| {
            let field = fields.iter().find(|field| field.eq_ignore_ascii_case(&member));
            (field.map_or(member, ToString::to_string), value)
        });
        visitor.visit_map(MapDeserializer::<_, serde_json::Error>::new(members)).map_err(D::Error::custom)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
