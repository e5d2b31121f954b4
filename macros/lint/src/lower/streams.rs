//! Streams whose calls run one after another.

use super::Lower;
use crate::calls::Class;
use crate::flow::{Node, SerialStream, Var};
use crate::scope::Meaning;
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::{Expr, ExprMethodCall};

/// Methods that run a future for one item after another.
const SERIAL: &[&str] = &["then", "for_each", "try_for_each", "filter_map", "try_filter_map"];

/// Those that give it what came of the item before, besides.
const FOLDS: &[&str] = &["fold", "try_fold"];

/// Methods that run a stream to its end.
const DRAINS: &[&str] =
    &["collect", "try_collect", "concat", "try_concat", "count", "fold", "try_fold", "for_each", "try_for_each", "unzip"];

/// Methods after which not every item may be asked for.
const ENDS: &[&str] = &["take", "take_while", "try_take_while", "take_until", "scan", "next", "try_next", "fuse"];

/// Crates with a module or a macro of streams.
const CRATES: &[&str] = &["futures", "futures_util", "tokio_stream", "async_stream"];

impl Lower<'_> {
    /// Whether the source shows that `expr` is a stream.
    pub(super) fn is_stream(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Paren(expr) => self.is_stream(&expr.expr),
            Expr::Reference(expr) => self.is_stream(&expr.expr),
            Expr::MethodCall(call) => {
                let gives_future = DRAINS.iter().chain(&["next", "try_next"]).any(|name| call.method == name);
                !gives_future && self.is_stream(&call.receiver)
            }
            Expr::Path(path) => path
                .path
                .get_ident()
                .and_then(|name| self.scope.local(&name.to_string()))
                .is_some_and(|var| self.variables[*var].stream),
            Expr::Call(call) => {
                let Expr::Path(func) = &*call.func else { return false };
                let Meaning::Path(path) = self.scope.value(&func.path) else { return false };
                let ours = path.first().is_some_and(|first| CRATES.contains(&first.as_str()));
                let pins =
                    path.last().is_some_and(|last| last == "pin") && call.args.first().is_some_and(|arg| self.is_stream(arg));
                pins || (ours && path[1..].iter().any(|name| name == "stream" || name.starts_with("Futures")))
            }
            _ => false,
        }
    }

    /// The step of a chain of methods on a stream that makes its calls one after another.
    pub(super) fn serial_step(&self, expr: &Expr) -> Option<SerialStream> {
        match expr {
            Expr::Paren(expr) => self.serial_step(&expr.expr),
            Expr::Reference(expr) => self.serial_step(&expr.expr),
            Expr::Path(path) => {
                let var = self.scope.local(&path.path.get_ident()?.to_string())?;
                self.variables[*var].serial.clone()
            }
            Expr::Call(call) => call.args.first().and_then(|inner| self.serial_step(inner)),
            Expr::MethodCall(call) => {
                let method = call.method.to_string();
                if ENDS.contains(&method.as_str()) {
                    return None;
                }
                let function = match &call.args.iter().collect::<Vec<_>>()[..] {
                    [function] if SERIAL.contains(&method.as_str()) => Some(*function),
                    [_, Expr::Closure(function)] if self.chains.contains(&function.span().start()) => None,
                    [_, function @ Expr::Closure(_)] if FOLDS.contains(&method.as_str()) => Some(*function),
                    _ => None,
                };
                let function = function.filter(|_| self.is_stream(&call.receiver));
                let step = function.and_then(|function| self.calls_of(call, function));
                step.or_else(|| self.serial_step(&call.receiver))
            }
            _ => None,
        }
    }

    /// The step that a method is, if the function it is given makes calls.
    fn calls_of(&self, call: &ExprMethodCall, function: &Expr) -> Option<SerialStream> {
        let made = |callee| SerialStream {
            method: call.method.to_string(),
            function: function.clone(),
            callee,
            span: call.method.span(),
        };
        match function {
            Expr::Path(path) => {
                let Meaning::Path(resolved) = self.scope.value(&path.path) else { return None };
                self.makes_call(&resolved).then(|| made(resolved.last().cloned()))
            }
            Expr::Closure(closure) => {
                if let Some(path) = self.callee_path(&closure.body) {
                    return self.makes_call(&path).then(|| made(path.last().cloned()));
                }
                let callee = self.built.get(&closure.span().start())?;
                Some(made(callee.clone()))
            }
            _ => None,
        }
    }

    /// Whether a call of `path` can be one of an activity or an orchestrator: it is known to be, or is not of this file.
    fn makes_call(&self, path: &[String]) -> bool {
        let foreign = ["std", "core", "tokio", "dacapo"].iter().chain(CRATES);
        let from = path.first().is_some_and(|first| foreign.into_iter().any(|name| first == name));
        let value = path.last().is_some_and(|last| last.starts_with(char::is_uppercase));
        self.is_durable(path) || (!self.is_declared(path) && !from && !value)
    }

    /// Remembers what a closure that builds async blocks calls in them.
    pub(super) fn note_closure(&mut self, closure: &syn::ExprClosure, body: &Node) {
        let mut callee = None;
        let mut paced = false;
        body.each(true, &mut |node| {
            if let Node::Await(awaited) = node {
                paced |= awaited.paced;
                if awaited.class == Class::Call && callee.is_none() {
                    callee = Some(awaited.callee.clone());
                }
            }
        });
        if let (Some(callee), false) = (callee, paced) {
            self.built.insert(closure.span().start(), callee);
        }
    }

    /// Keeps what runs a stream of serial calls to its end.
    pub(super) fn note_drained(&mut self, call: &ExprMethodCall) {
        if !DRAINS.iter().any(|name| call.method == name) {
            return;
        }
        let step = self.serial_step(&Expr::MethodCall(call.clone()));
        self.serial.extend(step);
    }
}

/// Whether a call in the body of a closure is made from, or decided by, what the variables hold that it is given.
pub(super) fn carries(given: &[Var], body: &Node) -> bool {
    let mut made_of: HashSet<Var> = given.iter().copied().collect();
    loop {
        let before = made_of.len();
        body.each(true, &mut |node| {
            if let Node::Bind { vars, value } | Node::Write { vars, value } = node
                && !value.reads().is_disjoint(&made_of)
            {
                made_of.extend(vars);
            }
        });
        if made_of.len() == before {
            break;
        }
    }
    // What awaits nothing is a call itself.
    let mut awaits = false;
    body.each(true, &mut |node| awaits |= matches!(node, Node::Await(_)));
    let mut calls = !awaits && !body.reads().is_disjoint(&made_of);
    body.each(true, &mut |node| {
        calls |= match node {
            Node::Await(awaited) => !awaited.base.reads().is_disjoint(&made_of),
            Node::Branch { condition, .. } => !condition.reads().is_disjoint(&made_of),
            Node::Loop(inner) => !inner.condition.reads().is_disjoint(&made_of),
            // It can end the fold.
            Node::Exit(_) => true,
            _ => false,
        };
    });
    calls
}
