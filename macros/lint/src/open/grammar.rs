//! The grammars of the known macros. What does not follow its grammar is not opened.

use super::{Arguments, Kind, Piece};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Ident, LitStr, Macro, Pat, Result, Token, token};

type Pieces = Vec<Piece>;

pub(super) fn parse(name: &str, mac: &Macro) -> Option<Arguments> {
    let (kind, grammar): (Kind, fn(ParseStream<'_>) -> Result<Pieces>) = match name {
        "vec" => (Kind::Plain, repeat_or_list),
        "dbg" | "pin" | "stream_select" | "btreeset" | "hashset" | "indexset" | "smallvec" => (Kind::Plain, list),
        "btreemap" | "hashmap" | "indexmap" => (Kind::Plain, pairs),
        "json" => (Kind::Plain, json),
        "concat" | "stringify" | "env" | "option_env" | "include_str" | "include_bytes" | "line" | "column" | "file"
        | "module_path" | "cfg" | "compile_error" => (Kind::Plain, verbatim),
        "format" | "format_args" | "print" | "println" | "eprint" | "eprintln" | "write" | "writeln" | "panic" | "todo"
        | "unimplemented" | "unreachable" | "assert" | "assert_eq" | "assert_ne" | "debug_assert" | "debug_assert_eq"
        | "debug_assert_ne" | "anyhow" | "eyre" | "bail" | "ensure" => (Kind::Format, list),
        "matches" | "assert_matches" | "debug_assert_matches" => (Kind::Matches, matches),
        "trace" | "debug" | "info" | "warn" | "error" | "event" | "log" | "span" | "trace_span" | "debug_span" | "info_span"
        | "warn_span" | "error_span" => (Kind::Log, log),
        "join" | "try_join" => (Kind::Join, join),
        "select" | "select_biased" => (Kind::Select, select),
        _ => return None,
    };
    let pieces = grammar.parse2(mac.tokens.clone()).ok()?;
    Some(Arguments { kind, pieces })
}

/// Takes the next token as it is.
fn take<T: Parse + ToTokens>(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    let token: T = input.parse()?;
    pieces.push(Piece::Tokens(token.to_token_stream()));
    Ok(())
}

fn expression(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    pieces.push(Piece::Expression(input.parse()?));
    Ok(())
}

fn verbatim(input: ParseStream<'_>) -> Result<Pieces> {
    Ok(vec![Piece::Tokens(input.parse::<TokenStream>()?)])
}

/// A single `=`, not `==` or `=>`.
fn assigns(input: ParseStream<'_>) -> bool {
    input.peek(Token![=]) && !input.peek(Token![==]) && !input.peek(Token![=>])
}

/// Whether the parser stands before `name = ..`, with dots allowed in the name.
fn named(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    if ahead.call(Ident::parse_any).is_err() {
        return false;
    }
    while ahead.peek(Token![.]) {
        if ahead.parse::<Token![.]>().is_err() || ahead.call(Ident::parse_any).is_err() {
            return false;
        }
    }
    assigns(&ahead)
}

fn take_name(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    while !assigns(input) {
        take::<TokenTree>(input, pieces)?;
    }
    take::<Token![=]>(input, pieces)
}

/// `expression, name = expression, …`
fn list(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        if named(input) {
            take_name(input, &mut pieces)?;
        }
        expression(input, &mut pieces)?;
        if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

/// `a, b` or `element; length`
fn repeat_or_list(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        expression(input, &mut pieces)?;
        if input.peek(Token![;]) {
            take::<Token![;]>(input, &mut pieces)?;
        } else if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

/// `key => value, …`
fn pairs(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        expression(input, &mut pieces)?;
        take::<Token![=>]>(input, &mut pieces)?;
        expression(input, &mut pieces)?;
        if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

/// `expression, pattern if guard, format arguments`
fn matches(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    expression(input, &mut pieces)?;
    take::<Token![,]>(input, &mut pieces)?;
    pieces.push(Piece::Pattern(Box::new(Pat::parse_multi_with_leading_vert(input)?)));
    if input.peek(Token![if]) {
        take::<Token![if]>(input, &mut pieces)?;
        expression(input, &mut pieces)?;
    }
    if input.peek(Token![,]) {
        take::<Token![,]>(input, &mut pieces)?;
        pieces.extend(list(input)?);
    }
    Ok(pieces)
}

/// A `biased;` or `biased,` that some crates allow first.
fn biased(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    if input.peek(Ident) && input.peek2(Token![;]) {
        take::<Ident>(input, pieces)?;
        take::<Token![;]>(input, pieces)?;
    }
    Ok(())
}

/// `future, …`
fn join(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    biased(input, &mut pieces)?;
    while !input.is_empty() {
        pieces.push(Piece::Future(input.parse()?));
        if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

/// `pattern = future, if condition => expression, …, else => expression`
fn select(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    biased(input, &mut pieces)?;
    while !input.is_empty() {
        let keyword = input.peek2(Token![=>]) && (input.peek(Token![else]) || input.peek(Ident));
        if keyword {
            take::<TokenTree>(input, &mut pieces)?;
        } else {
            pieces.push(Piece::Pattern(Box::new(Pat::parse_multi_with_leading_vert(input)?)));
            take::<Token![=]>(input, &mut pieces)?;
            pieces.push(Piece::Future(input.parse()?));
            if input.peek(Token![,]) {
                take::<Token![,]>(input, &mut pieces)?;
            }
            if input.peek(Token![if]) {
                take::<Token![if]>(input, &mut pieces)?;
                expression(input, &mut pieces)?;
            }
        }
        take::<Token![=>]>(input, &mut pieces)?;
        pieces.push(Piece::Expression(Box::new(Expr::parse_with_earlier_boundary_rule(input)?)));
        if input.peek(Token![,]) {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

/// The fields, keys, format string and arguments of a `tracing` or `log` event.
fn log(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        log_argument(input, &mut pieces)?;
        if input.peek(Token![;]) {
            take::<Token![;]>(input, &mut pieces)?;
        } else if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

fn log_argument(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    if input.peek(token::Brace) {
        let ahead = input.fork();
        let group: proc_macro2::Group = ahead.parse()?;
        if let Ok(inner) = log.parse2(group.stream()) {
            take_group(input, inner, pieces)?;
            return Ok(());
        }
    }
    if input.peek(Ident::peek_any) && input.peek2(Token![:]) && !input.peek2(Token![::]) {
        // `target: expr`, or the key of `log` with its capture: `key:? = expr`, `key:debug = expr`.
        take::<Ident>(input, pieces).or_else(|_| take::<TokenTree>(input, pieces))?;
        take::<Token![:]>(input, pieces)?;
        if input.peek(Token![?]) || input.peek(Token![%]) || named(input) {
            take_name(input, pieces)?;
        }
    } else if named(input) || (input.peek(LitStr) && input.peek2(Token![=]) && !input.peek2(Token![==])) {
        take_name(input, pieces)?;
    }
    if input.peek(Token![?]) || input.peek(Token![%]) {
        take::<TokenTree>(input, pieces)?;
    }
    if input.peek(Token![,]) || input.is_empty() {
        return Ok(());
    }
    expression(input, pieces)
}

fn take_group(input: ParseStream<'_>, inner: Pieces, pieces: &mut Pieces) -> Result<()> {
    let group: proc_macro2::Group = input.parse()?;
    pieces.push(Piece::Group(group.delimiter(), group.span(), inner));
    Ok(())
}

/// `serde_json::json!`: objects and arrays hold values, everything else is an expression.
fn json(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    if !input.is_empty() {
        json_value(input, &mut pieces)?;
    }
    Ok(pieces)
}

fn json_value(input: ParseStream<'_>, pieces: &mut Pieces) -> Result<()> {
    if input.peek(token::Brace) || input.peek(token::Bracket) {
        let ahead = input.fork();
        let group: proc_macro2::Group = ahead.parse()?;
        let grammar = if group.delimiter() == Delimiter::Brace { json_object } else { json_array };
        if (ahead.is_empty() || ahead.peek(Token![,]))
            && let Ok(inner) = grammar.parse2(group.stream())
        {
            return take_group(input, inner, pieces);
        }
    }
    expression(input, pieces)
}

fn json_array(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        json_value(input, &mut pieces)?;
        if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}

fn json_object(input: ParseStream<'_>) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    while !input.is_empty() {
        expression(input, &mut pieces)?;
        take::<Token![:]>(input, &mut pieces)?;
        json_value(input, &mut pieces)?;
        if !input.is_empty() {
            take::<Token![,]>(input, &mut pieces)?;
        }
    }
    Ok(pieces)
}
