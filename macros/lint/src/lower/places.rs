//! The variables that a place expression stands in, and where the handles they hold were started.

use super::Lower;
use crate::flow::{LoopId, Node, Var, Variable};
use crate::syntax::{Starts, base_of};
use syn::Expr;
use syn::visit::Visit;

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
        let Variable { loops, mutable, aliases, .. } = self.variables[parent].clone();
        self.variables.push(Variable { loops, mutable, aliases, parent: Some(parent), ..Variable::default() });
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
    pub(super) fn started(&self, expr: &Expr, value: &Node, lazy: bool) -> Option<Vec<LoopId>> {
        let mut starts = Starts::default();
        starts.visit_expr(expr);
        if starts.here || (starts.in_closure && (starts.collected || !lazy)) {
            return Some(self.loops.iter().map(|(id, _)| *id).collect());
        }
        let mut reads: Vec<Var> = value.reads().into_iter().collect();
        reads.sort_unstable();
        let awaits = !value.awaits().is_empty();
        reads.into_iter().filter(|_| !awaits).find_map(|var| {
            // What a variable outside a loop holds may come from an earlier iteration.
            let variable = &self.variables[var];
            let whole = variable.parent.and_then(|parent| self.variables[parent].started.as_ref());
            let made = variable.started.as_ref().or(whole)?;
            Some(made.iter().filter(|id| variable.loops.contains(id)).copied().collect())
        })
    }

    pub(super) fn mark_started(&mut self, place: &Expr, started: &[LoopId]) {
        if let Some(var) = self.root(place) {
            self.variables[var].started = Some(started.to_vec());
            self.kept = true;
        }
    }
}
