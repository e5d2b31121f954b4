//! Macros: what their arguments read, and those that await.

use super::Lower;
use crate::calls::Class;
use crate::flow::{Arm, Await, Exit, Node, Variable, Way};
use crate::open::{Arguments, Kind, Opened, Piece, open};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::Macro;
use syn::spanned::Spanned;

impl Lower<'_> {
    pub(super) fn macro_call(&mut self, mac: &Macro) -> Node {
        let name = mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let Opened::Known(arguments) = open(mac) else {
            return self.tokens(mac.tokens.clone());
        };
        if matches!(arguments.kind(), Kind::Join | Kind::Select) {
            return self.fan_in(&arguments, mac.path.span());
        }
        let captures: Vec<Node> =
            arguments.captures().iter().filter_map(|name| self.scope.local(name).copied()).map(Node::Read).collect();
        self.scope.enter();
        let mut nodes = captures;
        arguments.pieces().iter().for_each(|piece| self.piece(piece, &mut nodes));
        self.scope.leave();
        let value = Node::Seq(nodes);
        match name.as_str() {
            "panic" | "todo" | "unimplemented" | "unreachable" | "bail" => {
                Node::Exit(Exit { value: Box::new(value), way: Way::ReturnError, order: self.order })
            }
            name if name == "ensure" || name.trim_start_matches("debug_").starts_with("assert") => {
                let fails = Node::Exit(Exit { value: Box::new(Node::empty()), way: Way::ReturnError, order: self.order });
                Node::Branch { condition: Box::new(value), arms: vec![Arm { body: fails, error: false }] }
            }
            _ => value,
        }
    }

    pub(super) fn piece(&mut self, piece: &Piece, nodes: &mut Vec<Node>) {
        match piece {
            Piece::Expression(expr) | Piece::Future(expr) => nodes.push(self.expr(expr)),
            Piece::Pattern(pattern) => {
                self.declare(pattern);
            }
            Piece::Group(_, _, inner) => inner.iter().for_each(|piece| self.piece(piece, nodes)),
            Piece::Tokens(_) => {}
        }
    }

    /// `join!`, `try_join!` and `select!` await their futures; the arms of `select!` run under its outcome.
    pub(super) fn fan_in(&mut self, arguments: &Arguments, span: Span) -> Node {
        let futures = arguments.futures();
        let paced = futures.iter().any(|future| matches!(self.classify(future).0, Class::Timer | Class::Event));
        for future in &futures {
            if let Some(path) = self.callee_path(future) {
                self.awaited.insert(path);
            }
        }
        let base = self.exprs(futures);
        self.order += 1;
        let condition = Node::Await(Box::new(Await {
            id: self.order,
            base,
            class: Class::FanIn,
            paced,
            callee: None,
            var: None,
            expr: None,
            tried: false,
            span,
            order: self.order,
            place: self.place.clone(),
        }));
        if arguments.kind() == Kind::Join {
            return condition;
        }
        let outcome = self.variables.len();
        self.variables.push(Variable { loops: self.open_loops(), ..Variable::default() });
        let condition = Box::new(Node::Bind { vars: vec![outcome], value: Box::new(condition) });
        let mut arms = Vec::new();
        let mut bound = None;
        let mut entered = 0;
        for piece in arguments.pieces() {
            match piece {
                Piece::Pattern(pattern) => {
                    self.scope.enter();
                    entered += 1;
                    bound = Some(self.bind(pattern, None, Node::Read(outcome)));
                }
                Piece::Expression(expr) => {
                    let body = self.arm(|lower| lower.expr(expr));
                    arms.push(Arm { body: Node::Seq(bound.take().into_iter().chain([body]).collect()), error: false });
                }
                _ => {}
            }
        }
        (0..entered).for_each(|_| self.scope.leave());
        Node::Branch { condition, arms }
    }

    /// Tokens that cannot be parsed read every local they name.
    pub(super) fn tokens(&mut self, tokens: TokenStream) -> Node {
        let mut nodes = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Group(group) => nodes.push(self.tokens(group.stream())),
                TokenTree::Ident(ident) => nodes.extend(self.scope.local(&ident.to_string()).copied().map(Node::Read)),
                _ => {}
            }
        }
        Node::Seq(nodes)
    }
}
