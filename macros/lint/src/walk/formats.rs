//! The arguments of macros, and text made of a whole hash collection, which stands in it in hash order.

use super::Walk;
use super::methods::{fixed_hasher, receiver_text, token_of};
use crate::open::{Arguments, Kind, Piece, placeholders};
use crate::refused::refused;
use crate::source::FunctionKind;
use crate::types::{Ty, bind};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Expr, ExprCall, Lit, Macro};

const SORTED: &str = "use a `BTreeMap`/`BTreeSet` or an `IndexMap`, which keep an order";

/// Macros whose text the orchestrator goes on with; what is only logged or dies with a panic may stand in any order.
const TEXTS: &[&str] = &["format", "format_args", "write", "writeln", "anyhow", "eyre", "bail", "ensure"];

impl Walk<'_> {
    pub(super) fn arguments(&mut self, arguments: &Arguments) {
        if matches!(arguments.kind(), Kind::Format | Kind::Log) {
            for (text, span) in arguments.literals() {
                if placeholders(&text).iter().any(|(_, spec)| spec.ends_with('p')) {
                    self.hit("address", "{:p}".to_owned(), "", span);
                }
            }
        }
        self.pieces(arguments.pieces());
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        let mut opened = 0;
        for piece in pieces {
            match piece {
                Piece::Expression(expr) | Piece::Future(expr) => self.visit_expr(expr),
                Piece::Pattern(pattern) => {
                    self.scope.enter();
                    opened += 1;
                    bind(pattern, None, &mut self.scope);
                }
                Piece::Group(_, _, inner) => self.pieces(inner),
                Piece::Tokens(_) => {}
            }
        }
        (0..opened).for_each(|_| self.scope.leave());
    }

    /// `{:?}` of a hash collection in a text.
    pub(super) fn shows(&mut self, mac: &Macro, arguments: &Arguments) {
        let name = mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        if arguments.kind() != Kind::Format || !TEXTS.contains(&name.as_str()) {
            return;
        }
        let all = arguments.expressions();
        let Some(at) = all.iter().position(|expr| matches!(expr, Expr::Lit(lit) if matches!(lit.lit, Lit::Str(_)))) else {
            return;
        };
        let (format, given) = (all[at].span(), &all[at + 1..]);
        let Some((text, _)) = arguments.literals().into_iter().next() else { return };
        let mut next = 0;
        for (name, spec) in placeholders(&text) {
            let name = name.trim();
            let index = if name.is_empty() { Some(next) } else { name.parse::<usize>().ok() };
            next += usize::from(name.is_empty());
            if !spec.ends_with('?') {
                continue;
            }
            let captured = || syn::parse_str::<Expr>(name).ok();
            match index {
                Some(index) => {
                    if let Some(expr) = given.get(index) {
                        self.shown(expr, token_of(expr), |name| format!("{{{name}:?}}"));
                    }
                }
                None => {
                    if let Some(expr) = captured() {
                        self.shown(&expr, format, |name| format!("{{{name}:?}}"));
                    }
                }
            }
        }
    }

    /// `serde_json::to_string(&map)` and its like.
    pub(super) fn serializes(&mut self, path: &[String], call: &ExprCall) {
        let [krate, function] = path else { return };
        let written = matches!(function.as_str(), "to_string" | "to_string_pretty" | "to_vec" | "to_vec_pretty");
        if let (true, "serde_json" | "serde_yaml" | "toml" | "ron" | "bincode" | "postcard", Some(value)) =
            (written, krate.as_str(), call.args.first())
        {
            self.shown(value, token_of(value), |name| format!("{krate}::{function}(&{name})"));
        }
    }

    /// A hash set given to a durable call: its input is recorded in hash order, and compared in a replay. That of a map is not, for
    /// its keys are compared.
    pub(super) fn records(&mut self, path: &[String], call: &ExprCall) {
        let kind = self.nested.kinds.get(path).or_else(|| self.declared.kinds.get(path));
        if !matches!(kind, Some(FunctionKind::Activity | FunctionKind::Orchestrator)) {
            return;
        }
        let function = path.last().cloned().unwrap_or_default();
        for argument in &call.args {
            if self.type_of(argument).is_some_and(|ty| ty.path.last().is_some_and(|last| last.ends_with("Set"))) {
                self.shown(argument, token_of(argument), |name| format!("{function}({name})"));
            }
        }
    }

    fn shown(&mut self, expr: &Expr, span: Span, text: impl FnOnce(&str) -> String) {
        let Some(ty) = self.type_of(expr).filter(|ty| !fixed_hasher(ty)) else { return };
        let Some(line) = refused(&into_iter(&ty)).filter(|line| line.rule == "hash_order") else { return };
        let name = receiver_text(expr).unwrap_or_else(|| crate::text::short(expr));
        self.hit(line.rule, text(&name), SORTED, span);
    }
}

/// The path of `into_iter` of a type.
fn into_iter(ty: &Ty) -> Vec<String> {
    ty.path.iter().cloned().chain(["into_iter".to_owned()]).collect()
}
