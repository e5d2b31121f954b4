//! Calls that a statement builds and does not await: those it holds, and those it drops.

use super::Lower;
use crate::calls::{Class, class_of};
use crate::flow::{Dropped, Var};
use crate::function::FunctionKind;
use crate::scope::Meaning;
use syn::spanned::Spanned;
use syn::{Block, Expr, ExprCall, Stmt};

impl Lower<'_> {
    /// Notes what a variable was given: a call that runs when it is awaited, perhaps.
    pub(super) fn hold(&mut self, var: Var, call: Option<(Class, Option<String>)>) {
        let Some((class, callee)) = call else { return };
        self.order += 1;
        let order = self.order;
        let variable = &mut self.variables[var];
        variable.class = Some(class);
        variable.callee = callee;
        let lazy = matches!(class, Class::Call | Class::FanIn) && variable.started.is_none();
        variable.held = lazy.then_some(order);
    }

    /// The class of an initialiser that is a call nobody awaited yet.
    pub(super) fn held_call(&self, expr: &Expr) -> Option<(Class, Option<String>)> {
        match expr {
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Async(_) | Expr::Reference(_) | Expr::Paren(_) | Expr::Macro(_) => {
                let (class, callee, _) = self.classify(expr);
                Some((class, callee))
            }
            Expr::If(expr) => {
                let (_, other) = expr.else_branch.as_ref()?;
                self.held_call(other)?;
                self.held_call(value_of(&expr.then_branch)?)
            }
            Expr::Block(expr) => self.held_call(value_of(&expr.block)?),
            Expr::Match(expr) => {
                let calls = expr.arms.iter().map(|arm| self.held_call(&arm.body));
                calls.collect::<Option<Vec<_>>>()?.into_iter().next()
            }
            _ => None,
        }
    }

    /// Keeps a statement that builds a call and drops it.
    pub(super) fn note_dropped(&mut self, expr: &Expr) {
        let dropped = self.dropped(expr);
        self.dropped.extend(dropped);
    }

    /// The call that `expr` builds, if it is one.
    pub(super) fn dropped(&self, expr: &Expr) -> Option<Dropped> {
        let mut inner = expr;
        let mut event = false;
        loop {
            inner = match inner {
                Expr::Paren(expr) => &expr.expr,
                Expr::Assign(assign) if matches!(*assign.left, Expr::Infer(_)) => &assign.right,
                Expr::Call(call) if self.drops(call) => call.args.first()?,
                Expr::MethodCall(call)
                    if matches!(call.method.to_string().as_str(), "retry" | "timeout" | "id" | "checked" | "limit") =>
                {
                    &call.receiver
                }
                Expr::MethodCall(call) if call.method == "wait" && call.args.is_empty() => {
                    event = true;
                    &call.receiver
                }
                _ => break,
            };
        }
        let func = match inner {
            Expr::Call(call) if !event => &*call.func,
            Expr::Path(_) if event => inner,
            _ => return None,
        };
        let Expr::Path(func) = func else { return None };
        let Meaning::Path(path) = self.scope.value(&func.path) else {
            return None;
        };
        let text = crate::names::segments(&func.path).join("::");
        let span = func.path.segments.last().map_or_else(|| func.span(), |last| last.ident.span());
        let constant = path.last().is_some_and(|name| !name.contains(char::is_lowercase));
        let ours = path.first().is_some_and(|first| first == "dacapo" || first == "futures");
        let durable = if event { constant } else { self.is_durable(&path) || (ours && class_of(&path).is_some()) };
        let text = if event { format!("{text}.wait()") } else { format!("{text}(..)") };
        (!event || durable).then_some(Dropped { path, text, durable, held: None, span })
    }

    /// Whether the call is `drop(..)` of the standard library.
    fn drops(&self, call: &ExprCall) -> bool {
        let Expr::Path(func) = &*call.func else { return false };
        let Meaning::Path(path) = self.scope.value(&func.path) else { return false };
        match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [name] => name == "drop",
            [.., "mem", name] => name == "drop" || name == "forget",
            _ => false,
        }
    }

    pub(crate) fn is_durable(&self, path: &[String]) -> bool {
        let kind = self.nested.kinds.get(path).or_else(|| self.declared.kinds.get(path));
        matches!(kind, Some(FunctionKind::Activity | FunctionKind::Orchestrator))
    }
}

/// The expression that a block gives.
fn value_of(block: &Block) -> Option<&Expr> {
    match block.stmts.last()? {
        Stmt::Expr(expr, None) => Some(expr),
        _ => None,
    }
}
