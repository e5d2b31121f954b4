//! The arguments of macros, and text made of a whole hash collection, which stands in it in hash order.

use super::Walk;
use super::methods::{receiver_text, token_of};
use crate::function::FunctionKind;
use crate::hashed::{Hashed, is_hashed};
use crate::open::{Arguments, Kind, Piece, placeholders};
use crate::scope::Meaning;
use crate::ty::{Ty, bind};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Expr, ExprCall, ExprMethodCall, Lit, Macro};

const SORTED: &str = "use a `BTreeMap`/`BTreeSet` or an `IndexMap`, which keep an order";

const INSIDE: &str = "make the hash collection inside a `BTreeMap`/`BTreeSet` or an `IndexMap`, which keep an order";

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

    /// `json!({ "ids": set })`; the keys of a map are put in order there.
    pub(super) fn values(&mut self, mac: &Macro, arguments: &Arguments) {
        if mac.path.segments.last().is_some_and(|last| last.ident == "json") {
            for expr in arguments.expressions() {
                self.written(expr, Hashed::Sets, |name| format!("json!({name})"));
            }
        }
    }

    /// `serde_json::to_string(&map)` and its like.
    pub(super) fn serializes(&mut self, path: &[String], call: &ExprCall) {
        let [krate, function] = path else { return };
        let hashed = match function.as_str() {
            "to_string" | "to_string_pretty" | "to_vec" | "to_vec_pretty" => Hashed::MapsAndSets,
            "to_value" => Hashed::Sets,
            _ => return,
        };
        if let ("serde_json" | "serde_yaml" | "toml" | "ron" | "bincode" | "postcard", Some(value)) =
            (krate.as_str(), call.args.first())
        {
            self.written(value, hashed, |name| format!("{krate}::{function}(&{name})"));
        }
    }

    /// A hash set given to a durable call: its input is recorded in hash order, and compared in a replay. That of a map is not, for
    /// its keys are compared.
    pub(super) fn records(&mut self, path: &[String], call: &ExprCall) {
        if let Some(function) = self.durable(path) {
            for argument in &call.args {
                self.written(argument, Hashed::Sets, |name| format!("{function}({name})"));
            }
        }
    }

    /// The same for a durable function that is given every `item` of an iterator: `.map(notify)`.
    pub(super) fn records_each(&mut self, call: &ExprMethodCall, item: Option<&Ty>) {
        for argument in &call.args {
            if let Expr::Path(function) = argument
                && let Meaning::Path(path) = self.scope.value(&function.path)
                && let Some(function) = self.durable(&path)
                && item.is_some_and(|item| self.is_hashed(item, Hashed::Sets))
            {
                self.hit("hash_order", format!(".{}({function})", call.method), INSIDE, token_of(argument));
            }
        }
    }

    /// The name of the activity or orchestrator at `path`.
    fn durable(&self, path: &[String]) -> Option<String> {
        let kind = self.nested.kinds.get(path).or_else(|| self.declared.kinds.get(path))?;
        path.last().filter(|_| matches!(kind, FunctionKind::Activity | FunctionKind::Orchestrator)).cloned()
    }

    fn is_hashed(&self, ty: &Ty, hashed: Hashed) -> bool {
        hashed.is_in(ty, &[&self.nested, self.declared])
    }

    /// A value that is written with a hash collection in it.
    fn written(&mut self, expr: &Expr, hashed: Hashed, text: impl FnOnce(&str) -> String) {
        if let Some(ty) = self.type_of(expr).filter(|ty| self.is_hashed(ty, hashed)) {
            let instead = if hashed.is(&ty) { SORTED } else { INSIDE };
            self.in_hash_order(expr, token_of(expr), instead, text);
        }
    }

    fn shown(&mut self, expr: &Expr, span: Span, text: impl FnOnce(&str) -> String) {
        if self.type_of(expr).as_ref().is_some_and(is_hashed) {
            self.in_hash_order(expr, span, SORTED, text);
        }
    }

    fn in_hash_order(&mut self, expr: &Expr, span: Span, instead: &'static str, text: impl FnOnce(&str) -> String) {
        let expr = if let Expr::Reference(borrow) = expr { &borrow.expr } else { expr };
        let name = receiver_text(expr).unwrap_or_else(|| crate::text::short(expr));
        self.hit("hash_order", text(&name), instead, span);
    }
}
