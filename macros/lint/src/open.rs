//! Opening the arguments of macros, which a visitor cannot see into.
//!
//! A macro is known by its last path segment. What it holds is kept as pieces in source order: the expressions that
//! can be looked at and replaced, and every other token as it was written, so that nothing is lost on the way back.

mod grammar;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, Macro, Pat};

/// What [`open`] found inside a macro call.
#[derive(Debug, Clone)]
pub enum Opened {
    /// A macro whose arguments were parsed: edit them through [`Arguments::expressions_mut`], then
    /// [`Arguments::to_tokens`] gives the new argument tokens.
    Known(Arguments),
    /// A macro that cannot be opened.
    Unknown {
        /// The token of the first `.await` inside, if there is one.
        awaits: Option<Span>,
    },
}

/// The grammar of a known macro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list of expressions: `vec!`, `dbg!`, `json!`, and macros with nothing to open, such as `concat!`.
    Plain,
    /// A format string and its arguments, perhaps after other expressions: `format!`, `assert!`, `bail!`.
    Format,
    /// A `tracing` or `log` event: fields, a format string, its arguments.
    Log,
    /// An expression and a pattern: `matches!`.
    Matches,
    /// `join!` and `try_join!`: every expression is a future.
    Join,
    /// `select!`: arms of `pattern = future => expression`.
    Select,
}

/// The arguments of a known macro.
#[derive(Debug, Clone)]
pub struct Arguments {
    kind: Kind,
    pieces: Vec<Piece>,
}

/// A part of a macro's arguments.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Tokens(TokenStream),
    Expression(Box<Expr>),
    Future(Box<Expr>),
    Pattern(Box<Pat>),
    Group(proc_macro2::Delimiter, Span, Vec<Self>),
}

/// Opens the arguments of `mac`.
pub fn open(mac: &Macro) -> Opened {
    let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    grammar::parse(&name, mac).map_or_else(|| Opened::Unknown { awaits: first_await(mac.tokens.clone()) }, Opened::Known)
}

impl Arguments {
    /// The grammar the arguments follow.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every expression, futures included, in source order.
    pub fn expressions(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        each(&self.pieces, &mut |piece| {
            if let Piece::Expression(expr) | Piece::Future(expr) = piece {
                found.push(&**expr);
            }
        });
        found
    }

    /// Every expression, futures included, in source order, for rewriting.
    pub fn expressions_mut(&mut self) -> Vec<&mut Expr> {
        let mut found = Vec::new();
        each_mut(&mut self.pieces, true, &mut found);
        found
    }

    /// The futures of `join!`, `try_join!` and `select!`: what the macro itself awaits.
    pub fn futures(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        each(&self.pieces, &mut |piece| {
            if let Piece::Future(expr) = piece {
                found.push(&**expr);
            }
        });
        found
    }

    /// [`Arguments::futures`], for rewriting.
    pub fn futures_mut(&mut self) -> Vec<&mut Expr> {
        let mut found = Vec::new();
        each_mut(&mut self.pieces, false, &mut found);
        found
    }

    /// The expressions that take work: all but literals, variables, fields, references to them, and the format string.
    ///
    /// Leaving one of these out may leave out an effect.
    pub fn computed_mut(&mut self) -> Vec<Computed<'_>> {
        let formatted = !matches!(self.kind, Kind::Format | Kind::Log);
        let mut computed = Computing { found: Vec::new(), formatted };
        computed.pieces(&mut self.pieces);
        computed.found
    }

    /// The names a format string captures: `total` in `format!("{total:>8}")`.
    pub fn captures(&self) -> Vec<String> {
        if !matches!(self.kind, Kind::Format | Kind::Log) {
            return Vec::new();
        }
        self.literals().iter().flat_map(|(text, _)| captured(text)).collect()
    }

    /// The full argument tokens.
    pub fn to_tokens(&self) -> TokenStream {
        tokens_of(&self.pieces)
    }

    /// The string literals that stand as arguments, with their spans.
    pub(crate) fn literals(&self) -> Vec<(String, Span)> {
        self.expressions()
            .into_iter()
            .filter_map(|expr| match expr {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some((text.value(), text.span())),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

/// An expression of [`Arguments::computed_mut`].
#[derive(Debug)]
pub struct Computed<'a> {
    /// The expression.
    pub expr: &'a mut Expr,
    /// Whether the macro takes it by value, like `parent: span.id()`. All others it refers to.
    pub by_value: bool,
}

struct Computing<'a> {
    found: Vec<Computed<'a>>,
    /// Whether the format string stands before, or there is none.
    formatted: bool,
}

impl<'a> Computing<'a> {
    fn pieces(&mut self, pieces: &'a mut [Piece]) {
        let mut before = String::new();
        for piece in pieces {
            match piece {
                Piece::Expression(expr) => {
                    let positional = matches!(before.as_str(), "" | "," | ";");
                    // A macro can make the format string.
                    let formats = positional && !self.formatted && (is_text(expr) || matches!(**expr, Expr::Macro(_)));
                    self.formatted |= formats;
                    if !formats && !is_there(expr) {
                        self.found.push(Computed { expr, by_value: before == ":" });
                    }
                }
                Piece::Group(_, _, inner) => self.pieces(inner),
                Piece::Tokens(tokens) => before = tokens.to_string(),
                Piece::Future(_) | Piece::Pattern(_) => {}
            }
        }
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Str(_), .. }))
}

/// Whether the value of `expr` takes no work.
fn is_there(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Field(field) => is_there(&field.base),
        Expr::Reference(borrow) => borrow.mutability.is_none() && is_there(&borrow.expr),
        Expr::Paren(expr) => is_there(&expr.expr),
        _ => false,
    }
}

fn each<'a>(pieces: &'a [Piece], visit: &mut impl FnMut(&'a Piece)) {
    for piece in pieces {
        match piece {
            Piece::Group(_, _, inner) => each(inner, visit),
            other => visit(other),
        }
    }
}

fn each_mut<'a>(pieces: &'a mut [Piece], all: bool, found: &mut Vec<&'a mut Expr>) {
    for piece in pieces {
        match piece {
            Piece::Group(_, _, inner) => each_mut(inner, all, found),
            Piece::Future(expr) => found.push(expr),
            Piece::Expression(expr) if all => found.push(expr),
            _ => {}
        }
    }
}

fn tokens_of(pieces: &[Piece]) -> TokenStream {
    let mut tokens = TokenStream::new();
    for piece in pieces {
        match piece {
            Piece::Tokens(other) => tokens.extend(other.clone()),
            Piece::Expression(expr) | Piece::Future(expr) => expr.to_tokens(&mut tokens),
            Piece::Pattern(pattern) => pattern.to_tokens(&mut tokens),
            Piece::Group(delimiter, span, inner) => {
                let mut group = Group::new(*delimiter, tokens_of(inner));
                group.set_span(*span);
                tokens.extend([TokenTree::Group(group)]);
            }
        }
    }
    tokens
}

/// The first `await` that follows a dot, at any depth.
pub(crate) fn first_await(tokens: TokenStream) -> Option<Span> {
    let mut after_dot = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                if let Some(span) = first_await(group.stream()) {
                    return Some(span);
                }
                after_dot = false;
            }
            TokenTree::Ident(name) => {
                if after_dot && name == "await" {
                    return Some(name.span());
                }
                after_dot = false;
            }
            TokenTree::Punct(punct) => after_dot = punct.as_char() == '.',
            TokenTree::Literal(_) => after_dot = false,
        }
    }
    None
}

/// The identifiers captured by a format string: argument names, and names used as width or precision.
fn captured(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (name, spec) in placeholders(text) {
        let parts = spec.split(['.', '>', '<', '^', '+', '#', '0']);
        let widths = parts.filter_map(|part| part.strip_suffix('$'));
        let all = std::iter::once(name.trim()).chain(widths);
        names.extend(all.filter(|name| is_name(name)).map(str::to_owned));
    }
    names
}

/// The `{argument:spec}` parts of a format string.
pub(crate) fn placeholders(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start + 1..];
        if let Some(escaped) = rest.strip_prefix('{') {
            rest = escaped;
            continue;
        }
        let Some(end) = rest.find('}') else { break };
        found.push(rest[..end].split_once(':').unwrap_or((&rest[..end], "")));
        rest = &rest[end + 1..];
    }
    found
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
