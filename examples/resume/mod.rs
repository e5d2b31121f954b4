//! What the programs share that go on where they stopped: the same line finds the run that it has started, and says so.

use std::fmt::Display;

use dacapo::{Client, Error, Status};
use serde::de::DeserializeOwned;

/// `text` as a part of an instance id, and no other text's: `:` stands for `/`, and what cannot be there, or means this, is escaped.
pub(crate) fn part_of_id(text: impl Display) -> String {
    let escaped = |c: char| match c {
        '/' => ":".to_owned(),
        '%' | ':' | '\\' | '#' | '?' => format!("%{:02X}", u32::from(c)),
        // Those too that change the direction of text.
        c if c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            format!("%{:02X}", u32::from(c))
        }
        c => c.to_string(),
    };
    text.to_string().chars().map(escaped).collect()
}

/// The most characters that an instance id has.
const LONGEST: usize = 256;

/// `text` as an instance id. Of one that is too long, the end becomes the hash of all, after a `%-` that no [`part_of_id`] has in it.
pub(crate) fn id(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    let hash = format!("%-{}", hash(&text));
    text.chars().take(LONGEST - hash.len()).chain(hash.chars()).collect()
}

/// FNV-1a, 128 bits, in hexadecimal digits.
pub(crate) fn hash(text: &str) -> String {
    let add = |hash: u128, byte| (hash ^ u128::from(byte)).wrapping_mul(0x0000000001000000000000000000013b);
    format!("{:032x}", text.bytes().fold(0x6c62272e07bb014262b821756295c58d, add))
}

/// Says what a start of `id` finds: nothing, a run to go on with, or one that has ended. A run of another input is refused.
pub(crate) async fn check<I: DeserializeOwned + PartialEq>(client: &Client, id: &str, input: &I) -> dacapo::Result<()> {
    let status = match client.status(id).await {
        Err(error) if error.is_not_found() => return Ok(()),
        found => found?,
    };
    if status.input().and_then(|input| input.decode().ok()).as_ref() != Some(input) {
        let input = status.input().map_or("another input", |input| input.as_str());
        return Err(Error::msg(format!("`{id}` was started with {input}; give another --id")));
    }
    match status.runtime_status() {
        Status::Completed => println!("`{id}` is complete already; to do it anew, give another --id"),
        Status::Failed | Status::Terminated => {}
        _ => println!("going on with `{id}`"),
    }
    Ok(())
}

/// Says which run has failed and why, and the way out: it stays failed under its id.
pub(crate) fn failed(id: &str) -> impl FnOnce(Error) -> Error {
    move |error| {
        let why = error.causes().iter().fold(error.to_string(), |why, cause| format!("{why}: {cause}"));
        Error::msg(format!("`{id}` has failed: {why}; when that is mended, give another --id to start again"))
    }
}
