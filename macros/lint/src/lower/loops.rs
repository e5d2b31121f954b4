//! Loops, and what leaves them.

use super::Lower;
use crate::flow::{Exit, Loop, LoopId, LoopKind, Node, Var, Way};
use crate::marks::is_sequential;
use crate::syntax::borrows_mutably;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Expr, Lit};

impl Lower<'_> {
    pub(super) fn for_loop(&mut self, expr: &syn::ExprForLoop) -> Node {
        let iterated = self.expr(&expr.expr);
        let started = self.started(&expr.expr, &iterated, true);
        let aliases: Vec<Var> = Some(&*expr.expr)
            .filter(|iterated| borrows_mutably(iterated))
            .and_then(|iterated| self.root(iterated))
            .into_iter()
            .collect();
        let reads: Vec<Node> = iterated.reads().into_iter().map(Node::Read).collect();
        self.scope.enter();
        let mut node = self.in_loop(&expr.label, |lower| {
            let vars = lower.declare(&expr.pat);
            for var in &vars {
                if started.is_some() {
                    lower.variables[*var].started.clone_from(&started);
                }
                lower.variables[*var].aliases.clone_from(&aliases);
                lower.variables[*var].mutable |= !aliases.is_empty();
            }
            (Node::Bind { vars, value: Box::new(Node::Seq(reads)) }, lower.block(&expr.body))
        });
        self.scope.leave();
        node.iterated = iterated;
        node.source = Some(((*expr.pat).clone(), (*expr.expr).clone(), expr.body.clone()));
        self.loop_node(node, LoopKind::For, &expr.attrs, expr.for_token.span)
    }

    pub(super) fn while_loop(&mut self, expr: &syn::ExprWhile) -> Node {
        let endless = matches!(&*expr.cond, Expr::Lit(lit) if matches!(&lit.lit, Lit::Bool(value) if value.value));
        let kind = if endless {
            LoopKind::Endless
        } else if matches!(&*expr.cond, Expr::Let(_)) {
            LoopKind::WhileLet
        } else {
            LoopKind::While
        };
        self.scope.enter();
        let node = self.in_loop(&expr.label, |lower| (lower.expr(&expr.cond), lower.block(&expr.body)));
        self.scope.leave();
        self.loop_node(node, kind, &expr.attrs, expr.while_token.span)
    }

    pub(super) fn in_loop(&mut self, label: &Option<syn::Label>, lower: impl FnOnce(&mut Self) -> (Node, Node)) -> Loop {
        self.loop_count += 1;
        let id = self.loop_count;
        self.loops.push((id, label.as_ref().map(|label| label.name.ident.to_string())));
        self.place_count += 1;
        self.place.push(self.place_count);
        let (condition, body) = lower(self);
        self.place.pop();
        self.loops.pop();
        Loop {
            id,
            kind: LoopKind::For,
            sequential: None,
            locked: !self.locks.is_empty(),
            iterated: Node::empty(),
            condition,
            body,
            span: Span::call_site(),
            source: None,
        }
    }

    pub(super) fn loop_node(&mut self, mut node: Loop, kind: LoopKind, attrs: &[syn::Attribute], span: Span) -> Node {
        node.kind = kind;
        node.span = span;
        node.sequential = attrs.iter().find(|attr| is_sequential(attr)).map(|attr| attr.path().span());
        Node::Loop(Box::new(node))
    }

    pub(super) fn target(&self, label: Option<&syn::Lifetime>) -> Option<LoopId> {
        match label {
            None => self.loops.last().map(|(id, _)| *id),
            Some(label) => {
                let name = label.ident.to_string();
                self.loops.iter().rev().find(|(_, label)| label.as_ref() == Some(&name)).map(|(id, _)| *id)
            }
        }
    }

    pub(super) fn exit(&mut self, value: Option<&Expr>, way: Way) -> Node {
        let value = Box::new(value.map_or_else(Node::empty, |value| self.expr(value)));
        Node::Exit(Exit { value, way, order: self.order })
    }
}
