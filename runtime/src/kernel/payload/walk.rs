//! Walks JSON text without recursion, in time linear in its length.
//!
//! Invariant: the text is one valid document, as that of every `Payload` is. Any other gives some answer, and never a panic.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::fmt::Write as _;
use std::ops::Range;

/// Writes a JSON text with the keys of every object sorted. Digests are computed from this form.
pub(super) fn canonical(text: &str) -> String {
    let document = Document::new(text);
    let mut to = String::with_capacity(text.len());
    let mut open = Vec::new();
    let mut next = Some(0..text.len());
    loop {
        if let Some(value) = next.take() {
            if let Some(begun) = document.begin(&value) {
                to.push(begun.bracket());
                open.push(begun);
            } else {
                to.push_str(&text[value]);
                end(&mut to, &open);
            }
        }
        match open.last_mut() {
            None => return to,
            Some(Open::Array(at)) => next = document.next(at),
            Some(Open::Object(members)) => {
                next = members.next().map(|(key, value)| {
                    let _ = write!(to, "{}:{key}:", key.len());
                    value
                });
            }
        }
        if next.is_none() {
            to.push(if matches!(open.pop(), Some(Open::Array(_))) { ']' } else { '}' });
            end(&mut to, &open);
        }
    }
}

/// A digest of a JSON text in which neither the order of an object's keys nor that of an array's values counts.
pub(super) fn unordered(text: &str) -> Digest {
    let document = Document::new(text);
    // What is known of the values of each array and object that is open.
    let mut open: Vec<(Open<'_>, Vec<Digest>)> = Vec::new();
    let mut next = Some(0..text.len());
    loop {
        let mut ended = None;
        if let Some(value) = next.take() {
            match document.begin(&value) {
                Some(begun) => open.push((begun, Vec::new())),
                None => ended = Some(digest(text[value].as_bytes())),
            }
        } else if let Some((closed, mut values)) = open.pop() {
            let bracket = closed.bracket();
            if bracket == '[' {
                values.sort_unstable();
            }
            ended = Some(digest(&[&[bracket as u8], values.concat().as_slice()].concat()));
        }
        let Some((parent, values)) = open.last_mut() else { return ended.unwrap_or_default() };
        values.extend(ended);
        next = match parent {
            Open::Array(at) => document.next(at),
            Open::Object(members) => members.next().map(|(key, value)| {
                values.push(digest(key.as_bytes()));
                value
            }),
        };
    }
}

/// Stands for a value among others.
pub(super) type Digest = [u8; 16];

fn digest(bytes: &[u8]) -> Digest {
    *uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, bytes).as_bytes()
}

fn end(to: &mut String, open: &[Open<'_>]) {
    if !open.is_empty() {
        to.push(',');
    }
}

/// How many levels of `[` and `{` a text has, where there may be more than `limit`.
pub(crate) fn nesting_above(limit: usize, text: &str) -> Option<usize> {
    if text.len() <= 2 * limit {
        return None;
    }
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    (deepest > limit).then_some(deepest)
}

/// An array or object whose values are being visited.
enum Open<'t> {
    /// Where the rest of its values begins.
    Array(usize),
    /// The rest of its values, in the order of their keys. Of equal keys the last one counts.
    Object(IntoIter<Cow<'t, str>, Range<usize>>),
}

impl Open<'_> {
    fn bracket(&self) -> char {
        match self {
            Self::Array(_) => '[',
            Self::Object(_) => '{',
        }
    }
}

/// A text whose values can be skipped without reading them again.
struct Document<'t> {
    text: &'t str,
    /// The beginning and the end of every array and object, in the order of their beginnings.
    spans: Vec<(usize, usize)>,
}

impl<'t> Document<'t> {
    fn new(text: &'t str) -> Self {
        let mut spans = Vec::new();
        let mut open = Vec::new();
        let mut at = 0;
        while let Some(&byte) = text.as_bytes().get(at) {
            match byte {
                b'[' | b'{' => {
                    open.push(spans.len());
                    spans.push((at, text.len()));
                }
                b']' | b'}' => {
                    if let Some(index) = open.pop() {
                        spans[index].1 = at + 1;
                    }
                }
                _ => {}
            }
            at = if byte == b'"' { string_end(text, at) } else { at + 1 };
        }
        Self { text, spans }
    }

    /// The array or object at the beginning of `value`. An object with a key that is not Unicode is taken as it is written.
    fn begin(&self, value: &Range<usize>) -> Option<Open<'t>> {
        let mut at = value.start + 1;
        match self.text.as_bytes().get(value.start)? {
            b'[' => Some(Open::Array(at)),
            b'{' => {
                let mut members = BTreeMap::new();
                while let Some(key) = self.next(&mut at) {
                    members.insert(unescaped(&self.text[key])?, self.next(&mut at)?);
                }
                Some(Open::Object(members.into_iter()))
            }
            _ => None,
        }
    }

    /// The next key or value of an array or object, from where the last one ended.
    fn next(&self, at: &mut usize) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        let start = *at + bytes.get(*at..)?.iter().position(|byte| !b" \t\r\n,:".contains(byte))?;
        let end = match bytes[start] {
            b']' | b'}' => return None,
            b'"' => string_end(self.text, start),
            b'[' | b'{' => {
                let index = self.spans.binary_search_by_key(&start, |(start, _)| *start).ok()?;
                self.spans[index].1
            }
            _ => bytes[start..].iter().position(|byte| b" \t\r\n,]}".contains(byte)).map_or(bytes.len(), |length| start + length),
        };
        *at = end;
        Some(start..end)
    }
}

/// Where the string that begins at `start` ends, its quotes included.
fn string_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))) {
        at += length + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// What a string says, if that is Unicode.
fn unescaped(string: &str) -> Option<Cow<'_, str>> {
    let plain = string.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') { serde_json::from_str(string).ok() } else { Some(Cow::Borrowed(plain)) }
}

#[cfg(test)]
mod tests;
