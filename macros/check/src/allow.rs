//! Comments that silence a rule on a line: `// dacapo: allow(clock) the value is only logged`.

use dacapo_lint::{RULES, rule_named};
use proc_macro2::{Span, TokenStream, TokenTree};
use std::ops::Range;

/// A comment as it was understood.
#[derive(Debug)]
pub(crate) struct Allow {
    pub(crate) rule: &'static str,
    /// The line it is about, from 1.
    pub(crate) line: usize,
    /// The bytes of the comment.
    pub(crate) range: Range<usize>,
}

/// What is wrong with a comment.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) what: String,
    pub(crate) instead: String,
    /// The bytes of the comment.
    pub(crate) range: Range<usize>,
}

/// Every such comment of a file.
pub(crate) fn read(text: &str) -> (Vec<Allow>, Vec<Mistake>) {
    let (mut allows, mut mistakes) = (Vec::new(), Vec::new());
    if !text.contains("dacapo:") {
        return (allows, mistakes);
    }
    let tokens = Tokens::of(text);
    let mut start = 0;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if let Some(comment) = tokens.comment_in(line, start)
            && let Some(said) = said(&text[comment.clone()])
        {
            let alone = text[start..comment.start].trim().is_empty();
            let about = if alone { tokens.line_after(comment.end) } else { Some(at + 1) };
            match understood(said) {
                Ok(rules) => allows.extend(rules.into_iter().map(|rule| Allow {
                    rule,
                    line: about.unwrap_or(at + 1),
                    range: comment.clone(),
                })),
                Err((what, instead)) => mistakes.push(Mistake { what, instead, range: comment }),
            }
        }
        start += line.len();
    }
    (allows, mistakes)
}

/// What stands after `// dacapo: allow`.
fn said(comment: &str) -> Option<&str> {
    let text = comment.trim_start_matches('/').trim_start().strip_prefix("dacapo:")?;
    let rest = text.trim_start().strip_prefix("allow")?;
    let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_');
    ends.then(|| rest.trim())
}

/// The rules of `(rule) reason`.
fn understood(said: &str) -> Result<Vec<&'static str>, (String, String)> {
    let form = || "write `// dacapo: allow(rule) reason`".to_owned();
    let Some((names, reason)) = said.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        return Err(("this `allow` names no rule".to_owned(), form()));
    };
    let mut rules = Vec::new();
    for name in names.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(("this `allow` names no rule".to_owned(), form()));
        }
        let Some(rule) = rule_named(name) else {
            let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
            return Err((format!("there is no rule `{name}`"), format!("the rules are {}", known.join(", "))));
        };
        rules.push(rule.name);
    }
    let reason = reason.trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '-' | '–' | '—' | '.' | ','));
    if reason.is_empty() {
        let instead = format!("write `// dacapo: allow({names}) ..` and say why a replay survives it");
        return Err(("this `allow` has no reason".to_owned(), instead));
    }
    Ok(rules)
}

/// The tokens of a file, between which comments stand.
struct Tokens {
    /// Bytes and first line, in order.
    places: Vec<(Range<usize>, usize)>,
}

impl Tokens {
    fn of(text: &str) -> Self {
        let mut tokens = Self { places: Vec::new() };
        if let Ok(stream) = text.parse::<TokenStream>() {
            tokens.add(stream);
        }
        tokens
    }

    fn add(&mut self, stream: TokenStream) {
        for token in stream {
            match token {
                TokenTree::Group(group) => {
                    self.place(group.span_open());
                    self.add(group.stream());
                    self.place(group.span_close());
                }
                other => self.place(other.span()),
            }
        }
    }

    fn place(&mut self, span: Span) {
        self.places.push((span.byte_range(), span.start().line));
    }

    /// The comment of a line that begins at byte `start`.
    fn comment_in(&self, line: &str, start: usize) -> Option<Range<usize>> {
        let slashes = line.match_indices("//").map(|(at, _)| start + at);
        let mut outside = slashes.filter(|at| {
            let before = self.places.partition_point(|(place, _)| place.start <= *at);
            before == 0 || self.places[before - 1].0.end <= *at
        });
        let begin = outside.next()?;
        Some(begin..start + line.trim_end().len())
    }

    /// The line of the first token after a byte.
    fn line_after(&self, byte: usize) -> Option<usize> {
        let after = self.places.partition_point(|(place, _)| place.start < byte);
        self.places.get(after).map(|(_, line)| *line)
    }
}
