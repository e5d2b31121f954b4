//! Money in integer cents.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

/// An amount of money. In JSON it is a number with two decimals, such as 19.98.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cents(pub(crate) i64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, cents) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?.to_string();
        let (whole, decimals) = number.split_once('.').unwrap_or((&number, ""));
        let cents = if decimals.len() <= 2 { format!("{whole}{decimals:0<2}").parse().ok() } else { None };
        cents.map(Self).ok_or_else(|| D::Error::custom(format!("`{number}` is not an amount with at most two decimals")))
    }
}
