//! Where tokens stand, and how to make inserted ones stand there.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// The spans of the first and the last token.
pub(crate) type Ends = (Span, Span);

pub(crate) fn ends(tokens: impl ToTokens) -> Ends {
    let mut tokens = tokens.to_token_stream().into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    let last = tokens.last().map_or(first, |token| token.span());
    (first, last)
}

/// The same tokens at `span`.
pub(crate) fn respan(tokens: impl ToTokens, span: Span) -> TokenStream {
    let at = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), respan(group.stream(), span)));
        }
        token.set_span(span);
        token
    };
    tokens.to_token_stream().into_iter().map(at).collect()
}
