//! Logging statements: what their arguments do is done in every replay, what they write is written once.

use dacapo_lint::{Computed, Opened, open};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, ExprReference, Ident, Macro, Token};

use crate::spans::ends;

/// Whether the value of a logging macro is `()`, so that it may be left out of an expression.
pub(crate) fn is_unit(path: &[String]) -> bool {
    let prints = path.last().is_some_and(|name| matches!(name.as_str(), "print" | "println" | "eprint" | "eprintln"));
    prints || (path.len() > 1 && matches!(path[0].as_str(), "tracing" | "log"))
}

/// The statement `mac`, so that it writes nothing where `replaying` says so.
///
/// Its arguments are evaluated first, and always: an effect in one depends neither on a replay nor on the level of an event.
pub(crate) fn silenced(replaying: &TokenStream, attrs: &[Attribute], mac: &Macro, semi: Option<Token![;]>) -> Expr {
    let span = ends(mac).0;
    let only_live = |mac: &Macro| quote_spanned!(span=> if !#replaying { #mac #semi });
    let mut mac = mac.clone();
    let Opened::Known(mut arguments) = open(&mac) else { return Expr::Verbatim(quote!(#(#attrs)* #mac #semi)) };
    let computed = arguments.computed_mut();
    if computed.is_empty() {
        let live = only_live(&mac);
        return Expr::Verbatim(quote!(#(#attrs)* #live));
    }
    if mac.path.segments.last().is_some_and(|name| name.ident == "dbg") {
        // It writes the text of its arguments, so that they must stay in it.
        let values = arguments.expressions();
        return Expr::Verbatim(quote!(#(#attrs)* if #replaying { let _ = (#(#values,)*); } else { #mac; }));
    }
    let (names, values): (Vec<_>, Vec<_>) = computed.into_iter().enumerate().map(|(at, computed)| bound(at, computed)).unzip();
    mac.tokens = arguments.to_tokens();
    let live = only_live(&mac);
    // The temporaries of the values live until the semicolon.
    Expr::Verbatim(quote!(#(#attrs)* { match (#(#values,)*) { (#(#names,)*) => #live }; }))
}

/// Puts a name in the place of what is computed, and gives the name and its value.
fn bound(at: usize, computed: Computed<'_>) -> (Ident, Expr) {
    let Computed { expr, by_value } = computed;
    let (first, last) = ends(&*expr);
    // From its first token to its last, in one context: an error about its type stands at all of it.
    let name = format_ident!("__dacapo_argument{at}", span = last);
    let used = if by_value { quote!(#name) } else { quote_spanned!(first=> *#name) };
    let value = std::mem::replace(expr, Expr::Verbatim(used));
    if by_value {
        return (name, value);
    }
    let and = Token![&](Span::mixed_site().located_at(first));
    (name, Expr::Reference(ExprReference { attrs: Vec::new(), and_token: and, mutability: None, expr: Box::new(value) }))
}
