//! The rewrite that `await_in_loop` offers, with the user's own names.

use crate::calls::Class;
use crate::flow::{Await, Loop};
use crate::syntax::is_named;
use crate::text::{short, text};
use syn::visit::{self, Visit};
use syn::{Expr, Pat};

const MEANT: &str = "mark the loop `#[sequential]` if the order is meant";

/// What to write instead of the loop.
pub(crate) fn rewrite(node: &Loop, first: &Await, calls: usize) -> String {
    let Some((pattern, iterated, body)) = &node.source else {
        if node.condition.awaits().iter().any(|awaited| awaited.class == Class::Stream) {
            return format!("put the call into the stream, `.map(|item| async move {{ … }}).buffered(n)`, or {MEANT}");
        }
        return format!(
            "collect the calls and await them together with `join_all` or `dacapo::fan_out(..).limit(n)`, or {MEANT}"
        );
    };
    let (join, fan_out) = if first.tried { ("try_join_all", "try_fan_out") } else { ("join_all", "fan_out") };
    let tried = if first.tried { "?" } else { "" };
    let items = iterator(iterated);
    let simple = if calls == 1 { first.expr.as_ref().filter(|expr| is_simple(expr, pattern)) } else { None };
    let bound = text(pattern);
    let Some(call) = simple else {
        return format!(
            "write `{join}({items}.map(|{bound}| async move {{ … }})).await{tried}` with the loop's body in the block, or {MEANT}"
        );
    };
    if is_exactly(call, pattern) {
        // The items are calls already.
        return format!("write `let {} = {join}({}).await{tried};`, or {MEANT}", collector(body), whole(iterated));
    }
    let function = mapped(call, pattern);
    format!(
        "write `let {} = {join}({items}.map({function})).await{tried};`, or `dacapo::{fan_out}({}, {function}).limit(n)`, or {MEANT}",
        collector(body),
        whole(iterated)
    )
}

/// Whether the awaited call needs nothing of the loop's body but the pattern.
fn is_simple(expr: &Expr, pattern: &Pat) -> bool {
    is_exactly(expr, pattern) || (matches!(expr, Expr::Call(_) | Expr::MethodCall(_)) && text(expr).len() < 80)
}

fn is_exactly(expr: &Expr, pattern: &Pat) -> bool {
    matches!((expr, pattern), (Expr::Path(path), Pat::Ident(bound)) if path.path.is_ident(&bound.ident))
}

/// `process` for `process(item)`, else `|item| process(item, rate)`.
fn mapped(call: &Expr, pattern: &Pat) -> String {
    if let (Expr::Call(call), Pat::Ident(bound)) = (call, pattern)
        && let (1, Some(Expr::Path(argument))) = (call.args.len(), call.args.first())
        && argument.path.is_ident(&bound.ident)
    {
        return text(&call.func);
    }
    format!("|{}| {}", text(pattern), text(call))
}

/// The iterated expression as an iterator.
fn iterator(expr: &Expr) -> String {
    match expr {
        Expr::Reference(expr) if expr.mutability.is_none() => {
            format!("{}.iter()", short(&expr.expr))
        }
        Expr::Range(_) => format!("({})", short(expr)),
        Expr::MethodCall(call)
            if !matches!(call.method.to_string().as_str(), "clone" | "to_vec" | "collect" | "unwrap_or_default") =>
        {
            short(expr)
        }
        other => format!("{}.into_iter()", short(other)),
    }
}

fn whole(expr: &Expr) -> String {
    short(expr)
}

/// The name the results are pushed to, or `results`.
fn collector(body: &syn::Block) -> String {
    struct Pushed(Option<String>);
    impl Visit<'_> for Pushed {
        fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
            let takes = matches!(call.method.to_string().as_str(), "push" | "push_back");
            if let (true, Expr::Path(path), None) = (takes, &*call.receiver, &self.0) {
                self.0 = path.path.get_ident().map(ToString::to_string).filter(|_| !is_named(&call.receiver, "self"));
            }
            visit::visit_expr_method_call(self, call);
        }
    }
    let mut pushed = Pushed(None);
    pushed.visit_block(body);
    pushed.0.unwrap_or_else(|| "results".to_owned())
}
