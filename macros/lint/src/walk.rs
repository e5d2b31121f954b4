//! The walk over one function body: every refused path, macro, method and construct, and every function of the file it mentions.

mod any_order;
mod formats;
mod functions;
mod methods;
mod tokens;

use crate::collect::bind_parameters;
use crate::declared::Declared;
use crate::function::Function;
use crate::hashed::is_hashed;
use crate::names::{Segments, segments};
use crate::open::{Opened, open};
use crate::refused::{ORDERED, refused};
use crate::scope::{Meaning, Scope, is_own};
use crate::syntax::untyped;
use crate::ty::{Local, Ty, bind};
use crate::types::{given_by, item_of, type_of};
use any_order::{is_unordered, sorted_in, starts_calls};
use methods::{receiver_text, token_of};
use proc_macro2::Span;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Item, Pat, ReturnType, Signature, Stmt, Type};

/// Something refused, where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) rule: &'static str,
    pub(crate) text: String,
    pub(crate) instead: &'static str,
    pub(crate) span: Span,
}

/// The walk over a body and what it found.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    declared: &'a Declared,
    /// What the items of the body's own blocks declare.
    nested: Declared,
    scope: Scope<'a, Local>,
    /// Inside a chain or a binding whose outcome does not depend on the order of iteration.
    any_order: bool,
    /// The type that is written for the value being walked.
    expected: Local,
    /// What the closure that is walked next is given one after another.
    item: Local,
    /// Inside a chain that sums floats up.
    rounds: bool,
    /// The names that are sorted behind the statement being walked.
    sorted: HashSet<String>,
    pub(crate) file: Arc<str>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) mentions: Vec<(Segments, Span)>,
    /// The functions walked: the body's nested ones, and those given to [`Walk::function`].
    pub(crate) functions: HashMap<Segments, Function>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(declared: &'a Declared, scope: Scope<'a, Local>, file: &Arc<str>) -> Self {
        Self {
            declared,
            nested: Declared::default(),
            scope,
            any_order: false,
            expected: None,
            item: None,
            rounds: false,
            sorted: HashSet::new(),
            file: Arc::clone(file),
            hits: Vec::new(),
            mentions: Vec::new(),
            functions: HashMap::new(),
        }
    }

    /// Walks the body of a function with its parameters in scope.
    pub(crate) fn body(&mut self, sig: &Signature, block: &Block, self_type: Option<Segments>) {
        self.scope.enter();
        bind_parameters(sig, self_type, &mut self.scope);
        let output = match &sig.output {
            ReturnType::Type(_, ty) => Ty::of(ty, &self.scope).map(Ty::inner),
            ReturnType::Default => None,
        };
        self.block(block, output);
        self.scope.leave();
    }

    /// Walks a block whose value is an `output`.
    fn block(&mut self, block: &Block, output: Local) {
        self.scope.enter_block(block);
        self.items(block);
        for (at, stmt) in block.stmts.iter().enumerate() {
            match stmt {
                Stmt::Item(Item::Macro(item)) if item.ident.is_none() => self.visit_macro(&item.mac),
                Stmt::Item(Item::Macro(item)) => self.macro_definition(item),
                Stmt::Item(Item::Static(item)) if matches!(item.mutability, syn::StaticMutability::Mut(_)) => {
                    self.hit("shared_state", format!("static mut {}", item.ident), "", item.ident.span());
                }
                Stmt::Item(_) => {}
                Stmt::Local(local) => self.local(local, &block.stmts[at + 1..]),
                Stmt::Expr(expr, semi) => {
                    let expected = output.clone().filter(|_| semi.is_none());
                    let before = std::mem::replace(&mut self.sorted, sorted_in(&block.stmts[at + 1..]));
                    self.expecting(expected, false, |walk| walk.visit_expr(expr));
                    self.sorted = before;
                }
                Stmt::Macro(stmt) => self.visit_macro(&stmt.mac),
            }
        }
        self.scope.leave_block();
    }

    /// Walks a `let`; `later` are the statements after it.
    fn local(&mut self, local: &syn::Local, later: &[Stmt]) {
        let ordered = matches!(untyped(&local.pat), Pat::Ident(name) if sorted_in(later).contains(&name.ident.to_string()));
        let ordered = ordered && !local.init.as_ref().is_some_and(|init| starts_calls(&init.expr));
        let mut ty = None;
        if let Some(init) = &local.init {
            ty = self.type_of(&init.expr);
            let written = if let Pat::Type(typed) = &local.pat { Ty::of(&typed.ty, &self.scope) } else { None };
            self.expecting(written, ordered, |walk| walk.visit_expr(&init.expr));
            if let Some((_, diverge)) = &init.diverge {
                self.visit_expr(diverge);
            }
        }
        self.visit_pat(&local.pat);
        bind(&local.pat, ty, &mut self.scope);
    }

    fn hit(&mut self, rule: &'static str, text: String, instead: &'static str, span: Span) {
        self.hits.push(Hit { rule, text, instead, span });
    }

    fn mention(&mut self, path: Segments, span: Span) {
        if path.len() > 1 && is_own(&self.declared.modules, &path) {
            let path = self.inherited(&path).unwrap_or(path);
            self.mentions.push((path, span));
        }
    }

    fn type_of(&self, expr: &Expr) -> Local {
        type_of(expr, &self.scope, self.declared)
    }

    /// A path that stands as a value: a call's callee, or a function handed on.
    fn value(&mut self, path: &syn::Path, resolved: Segments) {
        let text = segments(path).join("::");
        let span = path.segments.last().map_or_else(|| path.span(), |last| last.ident.span());
        let held = self.nested.statics.get(&resolved).or_else(|| self.declared.statics.get(&resolved));
        if held.is_some_and(|held| held.state) {
            self.hit("shared_state", text, "", span);
        } else if let Some(line) = refused(&resolved) {
            self.hit(line.rule, text, line.instead, span);
        } else {
            self.mention(resolved, span);
        }
    }

    /// Walks a value whose type is `expected` where one is written; `any_order` when it is put in order later.
    fn expecting(&mut self, expected: Local, any_order: bool, visit: impl FnOnce(&mut Self)) {
        let any_order = any_order || expected.as_ref().is_some_and(is_unordered);
        let before = std::mem::replace(&mut self.expected, expected);
        self.in_any_order(any_order, visit);
        self.expected = before;
    }

    fn in_any_order(&mut self, any_order: bool, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.any_order, any_order);
        visit(self);
        self.any_order = before;
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        self.block(block, None);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.expected = None;
        self.visit_expr(&call.func);
        let collects = match &*call.func {
            Expr::Path(func) => match self.scope.value(&func.path) {
                // It runs once, and what it returns is recorded.
                Meaning::Path(path) if path == ["dacapo", "side_effect"] => return,
                Meaning::Path(path) => {
                    self.serializes(&path, call);
                    self.records(&path, call);
                    path.split_last().is_some_and(|(last, owner)| {
                        (last == "from_iter" || last == "from") && is_unordered(&Ty::named(owner.to_vec()))
                    })
                }
                Meaning::Local(_) => false,
            },
            _ => false,
        };
        let any_order = self.any_order || collects;
        self.in_any_order(any_order, |walk| call.args.iter().for_each(|argument| walk.visit_expr(argument)));
    }

    fn visit_expr_path(&mut self, expr: &'ast syn::ExprPath) {
        if let Some(qself) = &expr.qself {
            // `<T>::f` and `<T as Trait>::f` are `T::f`.
            if let (Some(ty), Some(last)) = (Ty::of(&qself.ty, &self.scope), expr.path.segments.last()) {
                let resolved = ty.path.into_iter().chain([last.ident.to_string()]).collect();
                // The function may be the trait's own.
                self.mention(self.scope.resolve(&segments(&expr.path)), last.ident.span());
                self.value(&expr.path, resolved);
            }
            return;
        }
        if let Meaning::Path(resolved) = self.scope.value(&expr.path) {
            self.value(&expr.path, resolved);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let expected = self.expected.take();
        let rounds = self.sums_floats(call, expected);
        let any_order = self.any_order || self.ends_in_any_order(call);
        let any_order = any_order && !rounds && !starts_calls(&Expr::MethodCall(call.clone()));
        let extends = call.method == "extend" && self.type_of(&call.receiver).as_ref().is_some_and(is_unordered);
        self.method(call);
        let before = self.rounds;
        self.rounds |= rounds;
        self.in_any_order(any_order, |walk| walk.visit_expr(&call.receiver));
        self.rounds = before;
        let item = if let Expr::MethodCall(items) = &*call.receiver { given_by(items, &self.scope, self.declared) } else { None };
        self.records_each(call, item.as_ref());
        for argument in &call.args {
            self.item = item.clone().filter(|_| matches!(argument, Expr::Closure(_)));
            self.in_any_order(extends, |walk| walk.visit_expr(argument));
        }
    }

    fn visit_expr_await(&mut self, expr: &'ast syn::ExprAwait) {
        // Whatever becomes of the outcomes: the calls below are made in the order of what they are made from.
        self.in_any_order(false, |walk| visit::visit_expr_await(walk, expr));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
        let any_order = self.loops_in_any_order(expr);
        if !any_order && self.type_of(&expr.expr).as_ref().is_some_and(is_hashed) {
            let text = receiver_text(&expr.expr).unwrap_or_else(|| crate::text::short(&expr.expr));
            self.hit("hash_order", format!("for … in {text}"), ORDERED, token_of(&expr.expr));
        }
        self.in_any_order(any_order, |walk| walk.visit_expr(&expr.expr));
        let item = item_of(&expr.expr, &self.scope, self.declared);
        self.scope.enter();
        bind(&expr.pat, item, &mut self.scope);
        self.visit_block(&expr.body);
        self.scope.leave();
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.scope.enter();
        self.visit_expr(&expr.cond);
        self.visit_block(&expr.then_branch);
        self.scope.leave();
        if let Some((_, other)) = &expr.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.scope.enter();
        self.visit_expr(&expr.cond);
        self.visit_block(&expr.body);
        self.scope.leave();
    }

    /// A `let` in a condition binds for what follows it.
    fn visit_expr_let(&mut self, expr: &'ast syn::ExprLet) {
        self.visit_expr(&expr.expr);
        let ty = self.type_of(&expr.expr);
        bind(&expr.pat, ty, &mut self.scope);
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        self.visit_expr(&expr.expr);
        let ty = self.type_of(&expr.expr);
        for arm in &expr.arms {
            self.scope.enter();
            bind(&arm.pat, ty.clone(), &mut self.scope);
            self.visit_pat(&arm.pat);
            self.visit_expr(&arm.body);
            self.scope.leave();
        }
    }

    fn visit_expr_closure(&mut self, expr: &'ast syn::ExprClosure) {
        self.scope.enter();
        let item = self.item.take().filter(|_| expr.inputs.len() == 1);
        for input in &expr.inputs {
            bind(input, item.clone(), &mut self.scope);
        }
        self.expecting(None, false, |walk| walk.visit_expr(&expr.body));
        self.scope.leave();
    }

    fn visit_expr_unsafe(&mut self, expr: &'ast syn::ExprUnsafe) {
        self.hit("address", "unsafe".to_owned(), "do it in an `#[activity]`", expr.unsafe_token.span);
        self.visit_block(&expr.block);
    }

    fn visit_expr_raw_addr(&mut self, expr: &'ast syn::ExprRawAddr) {
        self.hit("address", "&raw".to_owned(), "", expr.raw.span);
        visit::visit_expr_raw_addr(self, expr);
    }

    fn visit_expr_cast(&mut self, expr: &'ast syn::ExprCast) {
        if let Type::Ptr(ty) = &*expr.ty {
            self.hit("address", "a cast to a raw pointer".to_owned(), "", ty.star_token.span);
        }
        self.visit_expr(&expr.expr);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let path = self.scope.macro_path(&mac.path);
        let text = format!("{}!", segments(&mac.path).join("::"));
        let span = mac.path.segments.last().map_or_else(|| mac.path.span(), |last| last.ident.span());
        let refused = refused(&path);
        if let Some(line) = refused {
            self.hit(line.rule, text.clone(), line.instead, span);
        }
        match open(mac) {
            Opened::Known(arguments) => {
                self.shows(mac, &arguments);
                self.values(mac, &arguments);
                self.arguments(&arguments);
            }
            Opened::Unknown { awaits } => {
                if refused.is_none() {
                    let named = path.last().and_then(|name| self.declared.methods.macro_named(name));
                    let here = path.len() == 1 || is_own(&self.declared.modules, &path);
                    match named.filter(|_| here) {
                        Some(path) => self.mentions.push((path.clone(), span)),
                        None => self.mention(path, span),
                    }
                    if let Some(awaits) = awaits {
                        self.hit("unchecked_macro", text.clone(), "", awaits);
                    }
                    self.unopened(&text, mac.tokens.clone());
                }
            }
        }
    }

    fn visit_type(&mut self, _: &'ast Type) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
