//! Calls that a statement builds and does not await: those it holds, and those it drops.

use super::Lower;
use crate::calls::{Class, class_of};
use crate::flow::{Dropped, Lazy, Var};
use crate::function::FunctionKind;
use crate::open::{Opened, open};
use crate::scope::Meaning;
use proc_macro2::Span;
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
        match expr {
            Expr::Paren(expr) => self.dropped(&expr.expr),
            Expr::Reference(expr) => self.dropped(&expr.expr),
            Expr::Assign(assign) if matches!(*assign.left, Expr::Infer(_)) => self.dropped(&assign.right),
            Expr::Call(call) if self.drops(call) => self.dropped(call.args.first()?),
            Expr::Call(call) => self.dropped_call(call),
            Expr::MethodCall(call) => {
                let method = call.method.to_string();
                match method.as_str() {
                    "retry" | "timeout" | "id" | "checked" | "limit" => self.dropped(&call.receiver),
                    "start" => {
                        let call = self.dropped(&call.receiver).filter(|call| call.lazy == Lazy::Call)?;
                        Some(Dropped { text: format!("{}.start()", call.text), lazy: Lazy::Handle, ..call })
                    }
                    "wait" if call.args.is_empty() => self.dropped_wait(&call.receiver),
                    _ => self.dropped_operation(call),
                }
            }
            _ => None,
        }
    }

    /// The call that a value keeps for later: in a collection, a box, an async block.
    pub(super) fn kept(&self, expr: &Expr) -> Option<Dropped> {
        let known = |dropped: Option<Dropped>| dropped.filter(|dropped| dropped.durable);
        let first = |exprs: Vec<&Expr>| exprs.into_iter().find_map(|expr| known(self.dropped(expr)).or_else(|| self.kept(expr)));
        match expr {
            Expr::Array(expr) => first(expr.elems.iter().collect()),
            Expr::Tuple(expr) => first(expr.elems.iter().collect()),
            Expr::Call(call) if keeps(&call.func) => first(call.args.iter().collect()),
            Expr::Macro(expr) => match open(&expr.mac) {
                Opened::Known(arguments) if is_vec(&expr.mac) => first(arguments.expressions()),
                _ => None,
            },
            Expr::Async(expr) => match expr.block.stmts.as_slice() {
                [Stmt::Expr(Expr::Await(awaited), None)] => known(self.dropped(&awaited.base)),
                _ => None,
            },
            Expr::MethodCall(call) if call.method == "collect" => self.mapped(&call.receiver),
            _ => None,
        }
    }

    /// The calls that `items.map(f)` makes.
    fn mapped(&self, expr: &Expr) -> Option<Dropped> {
        let Expr::MethodCall(call) = expr else { return None };
        let known = |dropped: Option<Dropped>| dropped.filter(|dropped| dropped.durable);
        match call.args.first()? {
            _ if call.method != "map" => None,
            Expr::Path(func) => known(self.dropped_path(&func.path)),
            Expr::Closure(closure) => known(self.dropped(&closure.body)),
            _ => None,
        }
    }

    fn dropped_call(&self, call: &ExprCall) -> Option<Dropped> {
        let Expr::Path(func) = &*call.func else { return None };
        self.dropped_path(&func.path)
    }

    /// A call of the function at `path`.
    fn dropped_path(&self, func: &syn::Path) -> Option<Dropped> {
        let Meaning::Path(path) = self.scope.value(func) else { return None };
        let ours = path.first().is_some_and(|first| first == "dacapo" || first == "futures");
        let class = class_of(&path).filter(|_| ours);
        let lazy = if class == Some(Class::Lock) { Lazy::Lock } else { Lazy::Call };
        let durable = self.is_durable(&path) || class.is_some();
        let text = format!("{}(..)", crate::names::segments(func).join("::"));
        Some(Dropped { path, text, lazy, durable, held: None, span: last_span(func) })
    }

    /// The wait for an event, which is a constant.
    fn dropped_wait(&self, event: &Expr) -> Option<Dropped> {
        let Expr::Path(event) = event else { return None };
        let Meaning::Path(path) = self.scope.value(&event.path) else { return None };
        let constant = path.last().is_some_and(|name| !name.contains(char::is_lowercase));
        let text = format!("{}.wait()", crate::names::segments(&event.path).join("::"));
        let dropped = Dropped { path, text, lazy: Lazy::Call, durable: true, held: None, span: last_span(&event.path) };
        constant.then_some(dropped)
    }

    /// An operation of an entity of this file.
    fn dropped_operation(&self, call: &syn::ExprMethodCall) -> Option<Dropped> {
        let entity = match &*call.receiver {
            Expr::Call(at) if self.is_entity(at) => {
                let Expr::Path(func) = &*at.func else { return None };
                format!("{}(..)", crate::names::segments(&func.path).join("::"))
            }
            Expr::Path(path) => {
                let name = path.path.get_ident()?;
                let var = *self.scope.local(&name.to_string())?;
                self.variables[var].entity.then(|| name.to_string())?
            }
            _ => return None,
        };
        let text = format!("{entity}.{}(..)", call.method);
        let signals = call.method == "signal";
        let dropped =
            Dropped { path: Vec::new(), text, lazy: Lazy::Operation, durable: true, held: None, span: call.method.span() };
        (!signals).then_some(dropped)
    }

    /// Whether the call is `T::at(..)` of an entity `T` of this file.
    pub(super) fn is_entity(&self, call: &ExprCall) -> bool {
        let Expr::Path(func) = &*call.func else { return false };
        let Meaning::Path(path) = self.scope.value(&func.path) else { return false };
        let Some((name, ty)) = path.split_last() else { return false };
        name == "at" && (self.declared.entities.contains(ty) || self.nested.entities.contains(ty))
    }

    /// Whether the call is `drop(..)` of the standard library.
    pub(super) fn drops(&self, call: &ExprCall) -> bool {
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

fn last_span(path: &syn::Path) -> Span {
    path.segments.last().map_or_else(|| path.span(), |last| last.ident.span())
}

/// Whether a call keeps its argument for later.
fn keeps(func: &Expr) -> bool {
    let Expr::Path(func) = func else { return false };
    let names: Vec<String> = func.path.segments.iter().rev().take(2).map(|segment| segment.ident.to_string()).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["Some" | "Ok", ..] => true,
        ["pin" | "new", owner] => matches!(owner, "Box" | "Rc" | "Arc"),
        _ => false,
    }
}

fn is_vec(mac: &syn::Macro) -> bool {
    mac.path.segments.last().is_some_and(|last| last.ident == "vec")
}
