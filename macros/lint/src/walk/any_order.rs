//! What gives the same outcome in any order of iteration.

use super::Walk;
use crate::marks::is_logging;
use crate::open::{Arguments, Opened, open};
use crate::scope::bound_names;
use crate::syntax::{READS, Starts, compound, untyped};
use crate::ty::{Local, Ty};
use crate::types::collected;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{HashMap, HashSet};
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ExprForLoop, ExprMethodCall, Ident, Macro, Pat, Stmt};

/// Ends of an iterator chain that give the same outcome in any order.
const ANY_ORDER: &[&str] = &["count", "len", "sum", "product", "all", "any", "min", "max", "is_empty"];

/// Collections that do not keep the order of what they are collected from.
const UNORDERED: &[&str] = &["BTreeMap", "BTreeSet", "BinaryHeap", "HashMap", "HashSet", "DashMap"];

/// Types whose sums and products are the same in any order.
const INTEGERS: &[&str] =
    &["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "{integer}", "Duration"];

/// Methods that change their receiver.
const CHANGES: &[&str] = &[
    "push",
    "push_back",
    "push_front",
    "push_str",
    "pop",
    "pop_front",
    "pop_back",
    "insert",
    "remove",
    "swap_remove",
    "take",
    "replace",
    "next",
    "next_back",
    "nth",
    "drain",
    "clear",
    "extend",
    "append",
    "truncate",
    "retain",
    "entry",
    "get_or_insert",
    "get_or_insert_with",
    "increment",
    "send",
    "detach",
];

/// A collection that does not keep the order it is filled in.
pub(super) fn is_unordered(ty: &Ty) -> bool {
    ty.path.last().is_some_and(|last| UNORDERED.contains(&last.as_str()))
}

/// Whether a closure in `expr` starts calls: they are made in the order of what is iterated.
pub(super) fn starts_calls(expr: &Expr) -> bool {
    let mut starts = Starts::default();
    starts.visit_expr(expr);
    starts.in_closure
}

impl Walk<'_> {
    /// Whether what comes before this method in a chain may come in any order.
    pub(super) fn ends_in_any_order(&self, call: &ExprMethodCall) -> bool {
        let method = call.method.to_string();
        ANY_ORDER.contains(&method.as_str())
            || method.starts_with("sorted")
            || (call.turbofish.is_some()
                && method == "collect"
                && collected(call, &self.scope).as_ref().is_some_and(is_unordered))
    }

    /// Whether the call sums floats up, as far as the source shows: rounding makes that depend on the order. `expected` is the
    /// type written for what it gives.
    pub(super) fn sums_floats(&self, call: &ExprMethodCall, expected: Local) -> bool {
        if call.method != "sum" && call.method != "product" {
            return false;
        }
        let written = call.turbofish.as_ref().and_then(|_| collected(call, &self.scope)).or(expected);
        let ty = written.or_else(|| {
            let mut items = &*call.receiver;
            while let Expr::MethodCall(inner) = items
                && (inner.method == "copied" || inner.method == "cloned")
            {
                items = &inner.receiver;
            }
            match items {
                Expr::MethodCall(inner) if inner.method == "values" || inner.method == "into_values" => {
                    self.type_of(&inner.receiver)?.args.get(1).cloned()
                }
                _ => None,
            }
        });
        ty.is_some_and(|ty| ty.path.last().is_some_and(|last| last == "f32" || last == "f64"))
    }

    /// Whether the call is a `retain` that looks at each entry alone.
    pub(super) fn keeps_by_entry(&self, call: &ExprMethodCall) -> bool {
        let (true, Some(Expr::Closure(closure))) = (call.method == "retain", call.args.first()) else { return false };
        let mut calls = Calls(Vec::new());
        calls.visit_expr(&closure.body);
        is_plain(&closure.body) && calls.0.iter().all(|method| READS.contains(&method.as_str()))
    }

    /// Whether a loop over a hash collection does the same in any order: it fills collections that keep none, keeps its own keys,
    /// adds integers up, logs, or fills what a later statement sorts.
    pub(super) fn loops_in_any_order(&self, each: &ExprForLoop) -> bool {
        let mut key = &*each.pat;
        if let Pat::Tuple(pair) = untyped(key) {
            let Some(first) = pair.elems.first() else { return false };
            key = first;
        }
        while let Pat::Reference(inner) = key {
            key = &inner.pat;
        }
        let key = if let Pat::Ident(key) = key { Some(key.ident.to_string()).filter(|_| gives_keys(&each.expr)) } else { None };
        let mut changed = HashMap::new();
        !each.body.stmts.is_empty() && self.steps(&each.body, key.as_deref(), &mut changed) && !reads(&each.body, &changed)
    }

    fn steps(&self, block: &Block, key: Option<&str>, changed: &mut Changes) -> bool {
        block.stmts.iter().all(|stmt| match stmt {
            Stmt::Local(local) => {
                let hides_key = names_of(&local.pat).iter().any(|name| Some(name.as_str()) == key);
                !hides_key && local.init.as_ref().is_none_or(|init| init.diverge.is_none() && is_plain(&init.expr))
            }
            Stmt::Expr(expr, _) => self.step(expr, key, changed),
            Stmt::Macro(stmt) => self.only_logs(&stmt.mac),
            Stmt::Item(_) => false,
        })
    }

    fn step(&self, expr: &Expr, key: Option<&str>, changed: &mut Changes) -> bool {
        match expr {
            Expr::Block(expr) => self.steps(&expr.block, key, changed),
            Expr::If(expr) => {
                let other = expr.else_branch.as_ref().is_none_or(|(_, other)| self.step(other, key, changed));
                is_plain(&expr.cond) && self.steps(&expr.then_branch, key, changed) && other
            }
            Expr::Continue(expr) => expr.label.is_none(),
            Expr::Binary(binary) => {
                let how = match binary.op {
                    BinOp::AddAssign(_) => "+",
                    BinOp::SubAssign(_) => "-",
                    BinOp::MulAssign(_) => "*",
                    BinOp::BitAndAssign(_) => "&",
                    BinOp::BitOrAssign(_) => "|",
                    BinOp::BitXorAssign(_) => "^",
                    _ => return false,
                };
                let changes = match self.counter(&binary.left) {
                    Some(map) => note(map, how, changed),
                    None => self.is_integer(&binary.left) && note(&binary.left, how, changed),
                };
                changes && is_plain(&binary.right)
            }
            Expr::Assign(assign) => match &*assign.right {
                Expr::MethodCall(call) if call.method == "max" || call.method == "min" => {
                    let same = matches!((&*assign.left, &*call.receiver), (Expr::Path(left), Expr::Path(right)) if left == right);
                    same && self.is_integer(&assign.left)
                        && call.args.iter().all(is_plain)
                        && note(&assign.left, if call.method == "max" { "max" } else { "min" }, changed)
                }
                _ => false,
            },
            Expr::MethodCall(call) => {
                let plain = call.args.iter().all(is_plain) && note(&call.receiver, "fill", changed);
                let keeps = match call.method.to_string().as_str() {
                    "insert" => {
                        let unordered = self.type_of(&call.receiver).as_ref().is_some_and(is_unordered);
                        let own_key = call.args.len() < 2 || call.args.first().is_some_and(|first| is_copy_of(first, key));
                        unordered && own_key
                    }
                    "push" => {
                        matches!(&*call.receiver, Expr::Path(path) if path.path.get_ident().is_some_and(|name| self.sorted.contains(&name.to_string())))
                    }
                    _ => false,
                };
                plain && keeps
            }
            _ => false,
        }
    }

    /// Whether a statement logs values and does nothing else.
    fn only_logs(&self, mac: &Macro) -> bool {
        let plain = |arguments: &Arguments| arguments.expressions().into_iter().all(is_plain);
        is_logging(mac, &self.scope.macro_named(&mac.path)) && matches!(open(mac), Opened::Known(arguments) if plain(&arguments))
    }

    /// The map of `*map.entry(key).or_insert(0)` and `map[key]`, where its values are integers.
    fn counter<'e>(&self, place: &'e Expr) -> Option<&'e Expr> {
        let (map, first) = match place {
            Expr::Index(place) if is_plain(&place.index) => (&*place.expr, None),
            Expr::Unary(place) if matches!(place.op, syn::UnOp::Deref(_)) => {
                let Expr::MethodCall(value) = &*place.expr else { return None };
                let Expr::MethodCall(entry) = &*value.receiver else { return None };
                let known = matches!(value.method.to_string().as_str(), "or_insert" | "or_default" | "or_insert_with");
                if !known || entry.method != "entry" || !entry.args.iter().chain(&value.args).all(is_plain) {
                    return None;
                }
                (&*entry.receiver, value.args.first())
            }
            _ => return None,
        };
        let declared = self.type_of(map).and_then(|ty| ty.args.into_iter().next_back()).filter(|ty| ty.path != ["_"]);
        let value = declared.or_else(|| self.type_of(first?))?;
        value.path.last().is_some_and(|last| INTEGERS.contains(&last.as_str())).then_some(map)
    }

    fn is_integer(&self, place: &Expr) -> bool {
        let ty = self.type_of(place);
        ty.is_some_and(|ty| ty.path.last().is_some_and(|last| INTEGERS.contains(&last.as_str())))
    }
}

/// Whether the items of a loop over a hash collection, or the first of each pair, are its keys.
fn gives_keys(iterated: &Expr) -> bool {
    match iterated {
        Expr::Path(_) | Expr::Field(_) => true,
        Expr::Reference(expr) => gives_keys(&expr.expr),
        Expr::Paren(expr) => gives_keys(&expr.expr),
        Expr::MethodCall(call) => {
            let keys = ["iter", "iter_mut", "into_iter", "drain", "keys", "into_keys", "clone"];
            keys.iter().any(|name| call.method == name) && gives_keys(&call.receiver)
        }
        _ => false,
    }
}

/// What a loop changes, and how.
type Changes = HashMap<String, &'static str>;

/// Keeps the name of what is changed, which must be a local's and always be changed in the same way.
fn note(place: &Expr, how: &'static str, changed: &mut Changes) -> bool {
    let Expr::Path(path) = place else { return false };
    let Some(name) = path.path.get_ident() else { return false };
    *changed.entry(name.to_string()).or_insert(how) == how
}

fn names_of(pat: &Pat) -> Vec<String> {
    let mut names = Vec::new();
    bound_names(pat, &mut names);
    names.into_iter().map(|(name, _)| name).collect()
}

/// The methods an expression calls.
struct Calls(Vec<String>);

impl Visit<'_> for Calls {
    fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
        self.0.push(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }
}

/// Whether the value of `expr` is made from values alone: nothing is awaited, left, assigned, or given to a macro.
fn is_plain(expr: &Expr) -> bool {
    struct Plain(bool);
    impl Visit<'_> for Plain {
        fn visit_expr(&mut self, expr: &Expr) {
            self.0 &= !matches!(
                expr,
                Expr::Await(_)
                    | Expr::Try(_)
                    | Expr::Return(_)
                    | Expr::Break(_)
                    | Expr::Macro(_)
                    | Expr::Assign(_)
                    | Expr::Async(_)
            );
            let starts = matches!(expr, Expr::MethodCall(call) if call.method == "start" || CHANGES.iter().any(|name| call.method == name));
            let writes = matches!(expr, Expr::Binary(binary) if compound(&binary.op));
            let borrows = matches!(expr, Expr::Reference(borrow) if borrow.mutability.is_some());
            self.0 &= !starts && !writes && !borrows;
            visit::visit_expr(self, expr);
        }
    }
    let mut plain = Plain(true);
    plain.visit_expr(expr);
    plain.0
}

/// Whether `expr` is the loop's key, perhaps copied.
fn is_copy_of(expr: &Expr, key: Option<&str>) -> bool {
    match expr {
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| key.is_some_and(|key| name == key)),
        Expr::Unary(expr) => matches!(expr.op, syn::UnOp::Deref(_)) && is_copy_of(&expr.expr, key),
        Expr::Reference(expr) => is_copy_of(&expr.expr, key),
        Expr::Paren(expr) => is_copy_of(&expr.expr, key),
        Expr::MethodCall(call) => {
            let copies = matches!(call.method.to_string().as_str(), "clone" | "to_owned" | "to_string" | "as_str");
            copies && is_copy_of(&call.receiver, key)
        }
        _ => false,
    }
}

/// Whether a value in the block is made from something the loop changes.
fn reads(block: &Block, changed: &Changes) -> bool {
    struct Reads<'a> {
        changed: &'a Changes,
        found: bool,
    }
    impl Visit<'_> for Reads<'_> {
        fn visit_expr_path(&mut self, path: &syn::ExprPath) {
            self.found |= path.path.get_ident().is_some_and(|name| self.changed.contains_key(&name.to_string()));
        }
        fn visit_expr_binary(&mut self, binary: &syn::ExprBinary) {
            if !compound(&binary.op) {
                self.visit_expr(&binary.left);
            }
            self.visit_expr(&binary.right);
        }
        fn visit_expr_assign(&mut self, assign: &syn::ExprAssign) {
            // `n = n.max(x)`
            if let Expr::MethodCall(call) = &*assign.right {
                call.args.iter().for_each(|argument| self.visit_expr(argument));
            }
        }
        fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
            if !matches!(call.method.to_string().as_str(), "insert" | "push") {
                self.visit_expr(&call.receiver);
            }
            call.args.iter().for_each(|argument| self.visit_expr(argument));
        }
    }
    let mut reads = Reads { changed, found: false };
    reads.visit_block(block);
    reads.found
}

/// The names that the statements sort before they do anything else with them.
pub(super) fn sorted_in(later: &[Stmt]) -> HashSet<String> {
    let sorted = later.iter().enumerate().filter_map(|(at, stmt)| {
        let Stmt::Expr(Expr::MethodCall(call), _) = stmt else { return None };
        let Expr::Path(path) = &*call.receiver else { return None };
        let name = path.path.get_ident().filter(|_| call.method.to_string().starts_with("sort"))?;
        let used = later[..at].iter().any(|stmt| mentions(stmt.to_token_stream(), name));
        (!used).then(|| name.to_string())
    });
    sorted.collect()
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), name),
        // A format string may capture it.
        TokenTree::Literal(text) => text.to_string().contains(&format!("{{{name}")),
        token => matches!(token, TokenTree::Ident(ident) if ident == *name),
    })
}
