//! What an awaited expression is: a call, a timer, an event, a fan-in, a handle.

use super::Lower;
use crate::calls::{Class, class_of};
use crate::flow::Var;
use crate::names::Segments;
use crate::scope::Meaning;
use syn::Expr;

/// What is awaited, the name of the function called, and the variable that holds it.
type Classified = (Class, Option<String>, Option<Var>);

impl Lower<'_> {
    pub(super) fn classify(&self, expr: &Expr) -> Classified {
        match expr {
            Expr::Paren(expr) => self.classify(&expr.expr),
            Expr::Group(expr) => self.classify(&expr.expr),
            Expr::Reference(expr) => self.classify(&expr.expr),
            Expr::MethodCall(call) => match call.method.to_string().as_str() {
                "wait" if call.args.is_empty() => (Class::Event, None, None),
                "next" | "try_next" | "select_next_some" if call.args.is_empty() => (Class::Stream, None, None),
                "collect"
                | "try_collect"
                | "concat"
                | "try_concat"
                | "for_each"
                | "try_for_each"
                | "for_each_concurrent"
                | "try_for_each_concurrent"
                | "try_fold"
                | "fold"
                | "count" => (Class::FanIn, None, None),
                _ => self.classify(&call.receiver),
            },
            Expr::Call(call) => {
                let Expr::Path(func) = &*call.func else {
                    return (Class::Call, None, None);
                };
                let Meaning::Path(path) = self.scope.value(&func.path) else {
                    return (Class::Call, func.path.get_ident().map(ToString::to_string), None);
                };
                let callee = func.path.segments.last().map(|last| last.ident.to_string());
                if callee.as_deref() == Some("pin") {
                    return call.args.first().map_or((Class::Call, None, None), |inner| self.classify(inner));
                }
                let class = if self.is_declared(&path) { None } else { class_of(&path) };
                match class {
                    Some(Class::Timeout) => {
                        call.args.iter().nth(1).map_or((Class::Call, callee, None), |inner| self.classify(inner))
                    }
                    Some(class) => (class, callee, None),
                    None => (Class::Call, callee, None),
                }
            }
            Expr::Macro(mac) => {
                let name = mac.mac.path.segments.last().map(|last| last.ident.to_string());
                match name.as_deref() {
                    Some("join" | "try_join" | "select") => (Class::FanIn, None, None),
                    _ => (Class::Call, None, None),
                }
            }
            Expr::Path(_) | Expr::Field(_) | Expr::Index(_) | Expr::Try(_) => {
                let Some(var) = self.root(expr) else {
                    return (Class::Call, None, None);
                };
                let variable = &self.variables[var];
                let class = if variable.started.is_some() { Class::Started } else { variable.class.unwrap_or(Class::Call) };
                (class, variable.callee.clone(), Some(var))
            }
            _ => (Class::Call, None, None),
        }
    }

    /// The resolved path of the function whose call is awaited.
    pub(super) fn callee_path(&self, expr: &Expr) -> Option<Segments> {
        match expr {
            Expr::Paren(expr) => self.callee_path(&expr.expr),
            Expr::MethodCall(call) => self.callee_path(&call.receiver),
            Expr::Call(call) => {
                let Expr::Path(func) = &*call.func else {
                    return None;
                };
                match self.scope.value(&func.path) {
                    Meaning::Path(path) => Some(path),
                    Meaning::Local(_) => None,
                }
            }
            _ => None,
        }
    }
}
