//! The body of an orchestrator: `.await`, async blocks and macro arguments become their durable forms.
//!
//! Inserted tokens carry spans of the user's own tokens, so that the compiler's errors are those of the code as written.

use dacapo_lint::{Kind, Opened, Source, is_logging, open, take_sequential};
use proc_macro2::{Group, LineColumn, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit::Visit;
use syn::visit_mut::{VisitMut, visit_expr_mut};
use syn::{Attribute, Expr, ExprAsync, Ident, Item, ItemFn, Local, Macro, Pat, PatIdent, Path, ReturnType, Stmt, Token};

use crate::context::Context;
use crate::logging::{is_unit, silenced};
use crate::spans::{ends, respan};

/// Rewrites `block` in place. What stands at a place of `refused` has been reported.
pub(crate) fn rewrite(krate: &Path, function: &mut ItemFn, source: Option<&Source>, refused: &[LineColumn], cx: &mut Context) {
    let name = function.sig.ident.to_string();
    Rewrite { krate, name, source, refused, holders: Vec::new(), cx }.visit_block_mut(&mut function.block);
}

struct Rewrite<'a> {
    krate: &'a Path,
    /// The function's.
    name: String,
    source: Option<&'a Source>,
    refused: &'a [LineColumn],
    /// Names bound to something refused.
    holders: Vec<Ident>,
    cx: &'a mut Context,
}

impl Rewrite<'_> {
    /// The runtime's `path`, as if the user had written it from `first` to `last`.
    fn path(&self, first: Span, last: Span, path: &[&str]) -> TokenStream {
        let krate = respan(self.krate, first);
        let path = path.iter().map(|name| Ident::new(name, last));
        let colons = quote_spanned!(first=> ::);
        quote!(#krate #(#colons #path)*)
    }

    /// `path(inner)`, as if the user had written it around `inner`.
    ///
    /// The path spans all of `inner`: where the compiler names both, it says it once.
    fn call(&self, path: &[&str], inner: &Expr) -> Expr {
        let inner = inner.to_token_stream();
        let (first, last) = ends(&inner);
        let path = self.path(first, last, path);
        let mut arguments = Group::new(proc_macro2::Delimiter::Parenthesis, inner);
        arguments.set_span(last);
        Expr::Verbatim(quote!(#path #arguments))
    }

    fn durable(&self, future: &Expr) -> Expr {
        if self.is_refused(future.to_token_stream()) {
            return self.call(&["Block", "new"], future);
        }
        self.call(&["Durable", "durable"], future)
    }

    /// Whether `tokens` hold something that has been reported: there, or where a name in them was bound.
    fn is_refused(&self, tokens: TokenStream) -> bool {
        !self.refused.is_empty()
            && tokens.into_iter().any(|token| match token {
                TokenTree::Group(group) => self.is_refused(group.stream()),
                TokenTree::Ident(name) => self.refused.contains(&name.span().start()) || self.holders.contains(&name),
                _ => false,
            })
    }

    fn block(&mut self, mut block: ExprAsync) -> Expr {
        let attrs = std::mem::take(&mut block.attrs);
        let call = self.call(&["Block", "new"], &Expr::Async(block));
        Expr::Verbatim(quote!(#(#attrs)* #call))
    }

    fn macro_call(&mut self, mac: &mut Macro) {
        if mac.path.segments.last().is_some_and(|name| self.refused.contains(&name.ident.span().start())) {
            return;
        }
        match open(mac) {
            Opened::Known(mut arguments) => {
                let awaits_itself = matches!(arguments.kind(), Kind::Join | Kind::Select);
                if !awaits_itself && !mentions_async(mac.tokens.clone()) {
                    return;
                }
                for expr in arguments.expressions_mut() {
                    self.visit_expr_mut(expr);
                }
                for future in arguments.futures_mut() {
                    *future = self.durable(future);
                }
                mac.tokens = arguments.to_tokens();
            }
            // `unchecked_macro` refuses an `.await` in there.
            Opened::Unknown { .. } => {}
        }
    }

    /// `mac`, so that it writes nothing while replaying, if it logs and its value is ignored or nothing.
    fn silenced(&self, mac: &Macro, attrs: &[Attribute], semi: Option<Token![;]>) -> Option<Expr> {
        let written = || mac.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let path = self.source.map_or_else(written, |source| source.macro_path(&self.name, &mac.path));
        let span = ends(mac).0;
        let asks = self.path(span, span, &["is_replaying"]);
        let logs = is_logging(mac, &path) && (semi.is_some() || is_unit(&path));
        logs.then(|| silenced(&quote_spanned!(span=> #asks()), attrs, mac, semi))
    }
}

impl VisitMut for Rewrite<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::ForLoop(each) => drop(take_sequential(&mut each.attrs)),
            Expr::While(each) => drop(take_sequential(&mut each.attrs)),
            Expr::Loop(each) => drop(take_sequential(&mut each.attrs)),
            Expr::Closure(closure) => {
                if let Some(token) = closure.asyncness.take() {
                    let message = "an async closure cannot be awaited in an orchestrator; what it awaits would not be recorded; \
                                   write `|x| async move { .. }`";
                    self.cx.at(token.span, message);
                    // As it should have been written, so that nothing is reported twice.
                    let body = &closure.body;
                    closure.output = ReturnType::Default;
                    closure.body = syn::parse_quote!(async move { #body });
                }
            }
            Expr::Macro(call) => {
                let mac = &mut call.mac;
                self.macro_call(mac);
                if let Some(silenced) = self.silenced(mac, &call.attrs, None) {
                    *expr = silenced;
                }
                return;
            }
            _ => {}
        }
        visit_expr_mut(self, expr);
        match expr {
            Expr::Await(wait) => *wait.base = self.durable(&wait.base),
            Expr::Async(_) => {
                if let Expr::Async(block) = std::mem::replace(expr, Expr::PLACEHOLDER) {
                    *expr = self.block(block);
                }
            }
            _ => {}
        }
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        let (mac, attrs, semi) = match stmt {
            Stmt::Macro(call) => (&mut call.mac, &call.attrs, call.semi_token),
            Stmt::Expr(Expr::Macro(call), Some(semi)) => (&mut call.mac, &call.attrs, Some(*semi)),
            other => return syn::visit_mut::visit_stmt_mut(self, other),
        };
        self.macro_call(mac);
        if let Some(silenced) = self.silenced(mac, attrs, semi) {
            *stmt = Stmt::Expr(silenced, None);
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        if local.init.as_ref().is_some_and(|init| self.is_refused(init.expr.to_token_stream())) {
            self.holders.extend(names(&local.pat));
        }
        syn::visit_mut::visit_local_mut(self, local);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.macro_call(mac);
    }

    /// An item inside the body is not part of it.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The names that a pattern binds.
fn names(pattern: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl Visit<'_> for Names {
        fn visit_pat_ident(&mut self, pattern: &PatIdent) {
            self.0.push(pattern.ident.clone());
            syn::visit::visit_pat_ident(self, pattern);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pattern);
    names.0
}

/// Whether anything in `tokens` could need a durable form.
fn mentions_async(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions_async(group.stream()),
        TokenTree::Ident(ident) => ident == "await" || ident == "async" || ident == "join" || ident == "try_join",
        _ => false,
    })
}
