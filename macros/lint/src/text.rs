//! Tokens as a user would write them, for messages.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The source text of `node`, on one line.
pub(crate) fn text(node: &impl ToTokens) -> String {
    let mut out = String::new();
    write(node.to_token_stream(), &mut out);
    out
}

/// [`text`], or `…` where it is too long to read in a message.
pub(crate) fn short(node: &impl ToTokens) -> String {
    let whole = text(node);
    if whole.chars().count() > 60 { "…".to_owned() } else { whole }
}

fn write(tokens: TokenStream, out: &mut String) {
    let mut before: Option<TokenTree> = None;
    let mut state = State { operand: true, prefix: false, bars: false, path: false };
    for token in tokens {
        if before.as_ref().is_some_and(|before| state.spaced(before, &token)) {
            out.push(' ');
        }
        state.pass(before.as_ref(), &token);
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                out.push_str(open);
                write(group.stream(), out);
                out.push_str(close);
            }
            other => out.push_str(&other.to_string()),
        }
        before = Some(token);
    }
}

/// Where the writer stands in an expression.
struct State {
    /// An operand comes next.
    operand: bool,
    /// The last token is an operator in front of its operand.
    prefix: bool,
    /// Between the bars of a closure.
    bars: bool,
    /// The last token ends a `::`.
    path: bool,
}

impl State {
    fn pass(&mut self, before: Option<&TokenTree>, token: &TokenTree) {
        let TokenTree::Punct(punct) = token else {
            (self.operand, self.prefix, self.path) = (false, false, false);
            return;
        };
        let mark = punct.as_char();
        let closes = mark == '|' && self.bars;
        self.prefix = self.operand && matches!(mark, '&' | '*' | '-' | '!' | '|') && !closes;
        if mark == '|' {
            self.bars = self.prefix && punct.spacing() == Spacing::Alone;
        }
        self.path = mark == ':' && matches!(before, Some(TokenTree::Punct(first)) if first.as_char() == ':');
        self.operand = !matches!(mark, '?' | '>' | '.');
    }

    /// Whether a space stands between the last token and the next.
    fn spaced(&self, before: &TokenTree, token: &TokenTree) -> bool {
        if self.prefix || self.path {
            return false;
        }
        match (before, token) {
            (TokenTree::Punct(first), TokenTree::Punct(_)) if first.spacing() == Spacing::Joint => false,
            (TokenTree::Punct(first), _) if matches!(first.as_char(), '.' | '<' | '\'') => false,
            (TokenTree::Ident(_), TokenTree::Punct(punct)) if punct.as_char() == '!' => punct.spacing() == Spacing::Joint,
            (_, TokenTree::Punct(punct)) if punct.as_char() == '|' => !self.bars,
            (_, TokenTree::Punct(punct)) => !matches!(punct.as_char(), '.' | ',' | ';' | '?' | ':' | '<' | '>'),
            (TokenTree::Ident(name), TokenTree::Group(group)) => {
                group.delimiter() == Delimiter::Brace
                    || matches!(name.to_string().as_str(), "in" | "if" | "match" | "return" | "move")
            }
            (TokenTree::Punct(punct), TokenTree::Group(_)) => !matches!(punct.as_char(), '>' | '?' | '!'),
            (TokenTree::Punct(punct), TokenTree::Ident(_)) => punct.as_char() != '!',
            (TokenTree::Group(_), TokenTree::Group(_)) => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use syn::parse_str;

    #[test]
    fn text_reads_as_it_was_written() {
        for source in [
            "process(item)",
            "price(*id, 3)",
            "f(&a, &mut b)",
            "|(a, b)| f(a, b)",
            "a.b(|x| x + 1).c",
            "stream::iter(items)",
            "f(-1, !done)?",
            "vec![a, b]",
            "a != b",
            "x as u8",
            "Vec::<u8>::new()",
            "0..items.len()",
            "a[0]",
            "&items[1..]",
        ] {
            let expr: syn::Expr = parse_str(source).expect("an expression");
            assert_eq!(text(&expr), source);
        }
    }
}
