//! Where a body branches: `if`, `match`, `?`, closures.

use super::Lower;
use super::streams::carries;
use crate::flow::{Arm, Exit, Node, Variable, Way};
use crate::syntax::{is_named, is_variant, outcome_of};
use syn::spanned::Spanned;
use syn::{Expr, Pat};

impl Lower<'_> {
    pub(super) fn if_expr(&mut self, expr: &syn::ExprIf) -> Node {
        self.scope.enter();
        let condition = Box::new(self.expr(&expr.cond));
        let then = self.arm(|lower| lower.block(&expr.then_branch));
        self.scope.leave();
        let (on_error, on_success) = outcome_of(&expr.cond);
        let mut arms = vec![Arm { body: then, error: on_error }];
        if let Some((_, other)) = &expr.else_branch {
            let body = self.arm(|lower| lower.expr(other));
            arms.push(Arm { body, error: on_success });
        }
        Node::Branch { condition, arms }
    }

    pub(super) fn match_expr(&mut self, expr: &syn::ExprMatch) -> Node {
        let condition = self.expr(&expr.expr);
        let value = self.variables.len();
        let loops = self.open_loops();
        let started = self.started(&expr.expr, &condition, false);
        self.variables.push(Variable { loops, started, ..Variable::default() });
        let condition = Box::new(Node::Bind { vars: vec![value], value: Box::new(condition) });
        let arms = expr.arms.iter().map(|arm| {
            self.scope.enter();
            let bound = self.bind(&arm.pat, Some(&expr.expr), Node::Read(value));
            let guard = if let Pat::Guard(pat) = &arm.pat { Some(self.expr(&pat.guard)) } else { None };
            let body = self.arm(|lower| lower.expr(&arm.body));
            self.scope.leave();
            let error = is_variant(&arm.pat, "Err");
            let body = match guard {
                Some(guard) => Node::Branch { condition: Box::new(guard), arms: vec![Arm { body, error }] },
                None => body,
            };
            Arm { body: Node::Seq(vec![bound, body]), error }
        });
        let arms = arms.collect();
        Node::Branch { condition, arms }
    }

    pub(super) fn try_expr(&mut self, expr: &syn::ExprTry) -> Node {
        let value = match &*expr.expr {
            Expr::Await(inner) => self.await_expr(&inner.base, inner.await_token.span, true),
            Expr::Call(call) if is_named(&call.func, "Err") => {
                let value = Box::new(self.exprs(&call.args));
                Node::Exit(Exit { value, way: Way::ReturnError, order: self.order })
            }
            other => self.expr(other),
        };
        Node::Try(Box::new(value))
    }

    pub(super) fn closure(&mut self, closure: &syn::ExprClosure) -> Node {
        let given = self.given.take();
        self.scope.enter();
        let mut inputs = Vec::new();
        let body = self.arm(|lower| {
            inputs.extend(closure.inputs.iter().map(|input| lower.declare(input)));
            lower.expr(&closure.body)
        });
        self.scope.leave();
        self.note_closure(closure, &body);
        if let [carried, _] = inputs.as_slice()
            && carries(carried, &body)
        {
            self.chains.insert(closure.span().start());
        }
        let body = match given {
            Some(given) => {
                let bound = Node::Bind { vars: inputs.concat(), value: Box::new(Node::Read(given)) };
                Node::Seq(vec![bound, body])
            }
            None => body,
        };
        Node::Deferred(Box::new(body))
    }
}
