//! Calls that a statement builds and drops.

use super::Lower;
use crate::calls::class_of;
use crate::flow::Dropped;
use crate::scope::Meaning;
use crate::source::FunctionKind;
use syn::Expr;
use syn::spanned::Spanned;

impl Lower<'_> {
    /// Keeps a statement that builds a call and drops it.
    pub(super) fn note_dropped(&mut self, expr: &Expr) {
        let mut inner = expr;
        let mut event = false;
        loop {
            inner = match inner {
                Expr::Paren(expr) => &expr.expr,
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
            _ => return,
        };
        let Expr::Path(func) = func else { return };
        let Meaning::Path(path) = self.scope.value(&func.path) else {
            return;
        };
        let text = crate::names::segments(&func.path).join("::");
        let span = func.path.segments.last().map_or_else(|| func.span(), |last| last.ident.span());
        let constant = path.last().is_some_and(|name| !name.contains(char::is_lowercase));
        let ours = path.first().is_some_and(|first| first == "dacapo" || first == "futures");
        let durable = if event { constant } else { self.is_durable(&path) || (ours && class_of(&path).is_some()) };
        let text = if event { format!("{text}.wait()") } else { format!("{text}(..)") };
        if !event || durable {
            self.dropped.push(Dropped { path, text, durable, span });
        }
    }

    pub(crate) fn is_durable(&self, path: &[String]) -> bool {
        let kind = self.nested.kinds.get(path).or_else(|| self.declared.kinds.get(path));
        matches!(kind, Some(FunctionKind::Activity | FunctionKind::Orchestrator))
    }
}
