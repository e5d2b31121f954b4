//! The variables that a place expression stands in, and where the handles they hold were started.

use super::Lower;
use crate::flow::{Node, Started, Var, Variable};
use crate::scope::Meaning;
use crate::syntax::{READS, Starts, base_of, borrows_mutably, is_named};
use syn::Expr;
use syn::visit::{self, Visit};

impl Lower<'_> {
    /// The variables a place expression stands in, and what they borrow.
    pub(super) fn places(&mut self, expr: &Expr) -> Vec<Var> {
        if let Expr::Tuple(tuple) = expr {
            return tuple.elems.iter().flat_map(|elem| self.places(elem)).collect();
        }
        let Some(root) = self.root(expr) else {
            return Vec::new();
        };
        let place = self.innermost_field(expr).unwrap_or(root);
        std::iter::once(place).chain(self.variables[root].aliases.iter().copied()).collect()
    }

    /// The field of a variable that a place begins with.
    fn innermost_field(&mut self, expr: &Expr) -> Option<Var> {
        match expr {
            Expr::Field(field) => self.field(field),
            other => base_of(other).and_then(|base| self.innermost_field(base)),
        }
    }

    /// The variable that stands for the field of a variable, or of the field it is in.
    pub(super) fn field(&mut self, field: &syn::ExprField) -> Option<Var> {
        if let Expr::Field(outer) = &*field.base {
            return self.field(outer);
        }
        let Expr::Path(base) = &*field.base else { return None };
        let parent = *self.scope.local(&base.path.get_ident()?.to_string())?;
        let name = crate::text::text(&field.member);
        if let Some((_, var)) = self.variables[parent].fields.iter().find(|(known, _)| *known == name) {
            return Some(*var);
        }
        let var = self.variables.len();
        let Variable { loops, mutable, aliases, cell, .. } = self.variables[parent].clone();
        self.variables.push(Variable { loops, mutable, aliases, cell, parent: Some(parent), ..Variable::default() });
        self.variables[parent].fields.push((name, var));
        Some(var)
    }

    /// The variable at the start of a place, a method chain or a borrow.
    pub(super) fn root(&self, expr: &Expr) -> Option<Var> {
        match expr {
            Expr::Path(path) => self.scope.local(&path.path.get_ident()?.to_string()).copied(),
            Expr::Field(field) => self.root(&field.base),
            other => base_of(other).and_then(|base| self.root(base)),
        }
    }

    /// Where a started handle in `expr` was made: here by `.start()`, or where a variable it reads was.
    pub(super) fn started(&self, expr: &Expr, value: &Node, lazy: bool) -> Option<Started> {
        let mut starts = Starts::default();
        starts.visit_expr(expr);
        let mut helped = Helped { lower: self, depth: 0, here: false, in_closure: false };
        helped.visit_expr(expr);
        let (here, in_closure) = (starts.here || helped.here, starts.in_closure || helped.in_closure);
        let each = in_closure && (starts.collected || !lazy);
        if here || each {
            return Some(Started { loops: self.open_loops(), many: each, order: self.order });
        }
        let mut reads: Vec<Var> = value.reads().into_iter().collect();
        reads.sort_unstable();
        let awaits = !value.awaits().is_empty();
        reads.into_iter().filter(|_| !awaits).find_map(|var| {
            // What a variable outside a loop holds may come from an earlier iteration.
            let variable = &self.variables[var];
            let whole = variable.parent.and_then(|parent| self.variables[parent].started.as_ref());
            let made = variable.started.as_ref().or(whole)?;
            let (inside, outside): (Vec<_>, Vec<_>) = made.loops.iter().partition(|id| variable.loops.contains(id));
            Some(Started { loops: inside, many: made.many || !outside.is_empty(), order: made.order })
        })
    }

    pub(super) fn mark_started(&mut self, place: &Expr, started: &Started) {
        if let Some(var) = self.root(place) {
            self.variables[var].started = Some(started.clone());
            self.kept = true;
        }
    }

    /// The variables that a call borrows mutably by its own arguments.
    pub(super) fn lent<'e>(&mut self, arguments: impl IntoIterator<Item = &'e Expr>) -> Vec<Var> {
        let lent = arguments.into_iter().filter(|argument| borrows_mutably(argument));
        lent.flat_map(|argument| self.places(argument)).collect()
    }

    /// The variables that an awaited call may change while it runs. A borrow that ends with the evaluation of its arguments is none.
    pub(super) fn lent_to(&mut self, awaited: &Expr) -> Vec<Var> {
        match awaited {
            Expr::Paren(expr) => self.lent_to(&expr.expr),
            Expr::Reference(expr) => self.lent_to(&expr.expr),
            Expr::Async(_) => self.expr(awaited).written_by_call(),
            Expr::Call(call) => {
                let passes_on = ["timeout", "timeout_at", "pin"].iter().any(|name| is_named(&call.func, name));
                let mut lent = self.lent(&call.args);
                if passes_on {
                    lent.extend(call.args.iter().flat_map(|argument| self.lent_to(argument)).collect::<Vec<_>>());
                }
                lent
            }
            Expr::MethodCall(call) => {
                let mut lent = self.lent(&call.args);
                match &*call.receiver {
                    Expr::Call(_) | Expr::MethodCall(_) | Expr::Paren(_) => lent.extend(self.lent_to(&call.receiver)),
                    receiver if !READS.contains(&call.method.to_string().as_str()) => {
                        let changed = self.places(receiver).into_iter().filter(|var| self.variables[*var].mutable);
                        lent.extend(changed.collect::<Vec<_>>());
                    }
                    _ => {}
                }
                lent
            }
            _ => Vec::new(),
        }
    }

    /// Whether `path` is a function of the file that gives a handle it has started.
    fn is_starter(&self, path: &syn::Path) -> bool {
        match self.scope.value(path) {
            Meaning::Path(path) => self.nested.starters.contains(&path) || self.declared.starters.contains(&path),
            Meaning::Local(_) => false,
        }
    }
}

/// Where an expression calls a function that starts a call, or hands one on.
struct Helped<'a, 'b> {
    lower: &'a Lower<'b>,
    depth: usize,
    here: bool,
    in_closure: bool,
}

impl Visit<'_> for Helped<'_, '_> {
    fn visit_expr_call(&mut self, call: &syn::ExprCall) {
        match &*call.func {
            Expr::Path(func) if self.lower.is_starter(&func.path) => {
                self.here |= self.depth == 0;
                self.in_closure |= self.depth > 0;
            }
            func => self.visit_expr(func),
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_expr_path(&mut self, path: &syn::ExprPath) {
        self.in_closure |= self.lower.is_starter(&path.path);
    }

    fn visit_expr_closure(&mut self, closure: &syn::ExprClosure) {
        self.depth += 1;
        visit::visit_expr_closure(self, closure);
        self.depth -= 1;
    }

    fn visit_expr_await(&mut self, _: &syn::ExprAwait) {}
}
