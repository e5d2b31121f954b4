//! Refused paths in tokens that cannot be parsed.

use super::Walk;
use crate::names::Segments;
use crate::open::first_await;
use crate::refused::refused;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

impl Walk<'_> {
    /// Looks for refused paths in tokens that are no known grammar.
    pub(crate) fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<(String, Span)> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.scanned(&path, false);
                        path.clear();
                    }
                    path.push((ident.to_string(), ident.span()));
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => colons += 1,
                TokenTree::Group(group) => {
                    self.scanned(&path, group.delimiter() == Delimiter::Parenthesis && colons == 0);
                    path.clear();
                    colons = 0;
                    self.scan(group.stream());
                }
                _ => {
                    self.scanned(&path, false);
                    path.clear();
                    colons = 0;
                }
            }
        }
        self.scanned(&path, false);
    }

    fn scanned(&mut self, path: &[(String, Span)], called: bool) {
        let Some((_, span)) = path.last() else { return };
        let written: Segments = path.iter().map(|(name, _)| name.clone()).collect();
        if written.len() == 1 && (!called || self.scope.local(&written[0]).is_some()) {
            return;
        }
        let resolved = self.scope.resolve(&written);
        if let Some(line) = refused(&resolved) {
            self.hit(line.rule, written.join("::"), line.instead, *span);
        } else {
            self.mention(resolved, *span);
        }
    }

    /// A macro of the body becomes part of it, and cannot be opened.
    pub(super) fn macro_definition(&mut self, item: &syn::ItemMacro) {
        if let (Some(name), Some(awaits)) = (&item.ident, first_await(item.mac.tokens.clone())) {
            self.hit("unchecked_macro", format!("{name}!"), "write an `#[orchestrator(inline)]` function", awaits);
        }
    }

    /// A refused path in the arguments of a macro that cannot be opened.
    pub(super) fn unopened(&mut self, name: &str, tokens: TokenStream) {
        let before = self.hits.len();
        self.scan(tokens);
        for hit in &mut self.hits[before..] {
            hit.text = format!("{name} with {}", hit.text);
            hit.rule = "unchecked_macro";
        }
    }
}
