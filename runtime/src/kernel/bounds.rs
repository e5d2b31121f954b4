//! How long texts and small values may be that callers give beside their payloads. Payloads have [`Payloads::limit`](crate::Payloads::limit).

use std::collections::BTreeMap;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::payload::{Excerpt, Payload};

/// A custom status or the details of a heartbeat, in bytes of JSON.
const SHOWN: usize = 64 << 10;

/// The reason of a suspension, a resumption, a termination or a rewind, in bytes.
const REASON: usize = 8 << 10;

const TAG_NAME: usize = 128;
const TAG_VALUE: usize = 1 << 10;
const TAGS: usize = 64;

/// Encodes a value that is shown while a run goes on.
pub(crate) fn encode_shown<T: serde::Serialize + ?Sized>(what: &str, value: &T) -> Result<Payload, Failure> {
    let payload = Payload::encode(value).map_err(|failure| failure.context(format!("cannot record {what}")))?;
    let length = payload.as_str().len();
    if length > SHOWN {
        let message = format!("{what} is {length} bytes of JSON, but at most {SHOWN} are allowed; keep a summary in it");
        return Err(Failure::new(FailureKind::Codec, message));
    }
    Ok(payload)
}

pub(crate) fn check_reason(reason: &str) -> Result<(), RuntimeError> {
    let length = reason.len();
    if length > REASON {
        return Err(invalid(format!("the reason is {length} bytes long, but at most {REASON} are allowed; shorten it")));
    }
    Ok(())
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), RuntimeError> {
    let count = tags.len();
    if count > TAGS {
        return Err(invalid(format!("{count} tags were given, but at most {TAGS} are allowed; put the rest into the input")));
    }
    let is_unsound = |text: &str, limit: usize| text.len() > limit || text.chars().any(char::is_control);
    let is_invalid = |name: &str, value: &str| name.is_empty() || is_unsound(name, TAG_NAME) || is_unsound(value, TAG_VALUE);
    match tags.iter().find(|(name, value)| is_invalid(name, value)) {
        None => Ok(()),
        Some((name, value)) => Err(invalid(format!(
            "invalid tag {} = {}: a name must have 1 to {TAG_NAME} bytes and a value at most {TAG_VALUE}, without control characters",
            Excerpt(name),
            Excerpt(value)
        ))),
    }
}

fn invalid(message: String) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, message)
}
