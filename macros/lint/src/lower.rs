//! From the syntax tree to the data flow: statements and expressions.

mod branches;
mod classify;
mod dropped;
mod loops;
mod macros;
mod places;
mod streams;

use crate::calls::Class;
use crate::declared::Declared;
use crate::flow::{Arm, Await, Dropped, Flow, LoopId, LoopKind, NOW, Node, SerialStream, Started, Var, Variable, Way};
use crate::names::Segments;
use crate::scope::{Meaning, Scope, bound_names};
use crate::syntax::{
    CELL_READS, Children, READS, borrows_mutably, compound, is_cell, is_named, is_typed_stream, is_variant, mutable_names,
    named_values,
};
use proc_macro2::{LineColumn, Span};
use std::collections::{HashMap, HashSet};
use syn::visit;
use syn::{Block, Expr, FnArg, Pat, Stmt};

pub(crate) struct Lower<'a> {
    pub(crate) declared: &'a Declared,
    pub(crate) nested: Declared,
    pub(crate) scope: Scope<'a, Var>,
    pub(crate) variables: Vec<Variable>,
    /// Where the handles in a variable were started, as an earlier pass found it.
    started: Vec<Option<Started>>,
    /// Whether a started handle was put into a collection.
    kept: bool,
    dropped: Vec<Dropped>,
    awaited: HashSet<Segments>,
    serial: Vec<SerialStream>,
    /// What closures call in the async blocks they build, by where the closures begin.
    built: HashMap<LineColumn, Option<String>>,
    /// Where closures begin whose calls depend on their first argument, of several: on what a fold carries on.
    chains: HashSet<LineColumn>,
    /// What the closure that is lowered next is given by the method it is handed to.
    given: Option<Var>,
    /// The loops around, with their labels.
    loops: Vec<(LoopId, Option<String>)>,
    /// The variables in scope that hold a lock.
    locks: Vec<Var>,
    loop_count: usize,
    order: usize,
    place: Vec<usize>,
    place_count: usize,
}

/// The data flow of an orchestrator.
pub(crate) fn lower(function: &syn::ItemFn, declared: &Declared, module: &Segments) -> Flow {
    let (flow, kept) = lower_once(function, declared, module, Vec::new());
    if !kept {
        return flow;
    }
    // A collection in a loop can be asked for a handle above the line that puts one in.
    let started = flow.variables.into_iter().map(|variable| variable.started).collect();
    lower_once(function, declared, module, started).0
}

/// The data flow, and whether started handles are kept in collections.
fn lower_once(function: &syn::ItemFn, declared: &Declared, module: &Segments, started: Vec<Option<Started>>) -> (Flow, bool) {
    let mut lower = Lower {
        declared,
        nested: Declared::default(),
        scope: Scope::new(&declared.modules, module.clone(), None),
        // The first one is `NOW`.
        variables: vec![Variable::default()],
        started,
        kept: false,
        dropped: Vec::new(),
        awaited: HashSet::new(),
        serial: Vec::new(),
        built: HashMap::new(),
        chains: HashSet::new(),
        given: None,
        loops: Vec::new(),
        locks: Vec::new(),
        loop_count: 0,
        order: 0,
        place: Vec::new(),
        place_count: 0,
    };
    lower.scope.enter();
    for input in &function.sig.inputs {
        if let FnArg::Typed(input) = input {
            lower.declare(&input.pat);
        }
    }
    let body = lower.block(&function.block);
    let Lower { variables, dropped, awaited, serial, kept, .. } = lower;
    (Flow { variables, body, dropped, awaited, serial }, kept)
}

impl Lower<'_> {
    /// Declares the names of a pattern, and one more without a name that stands for the matched value.
    fn declare(&mut self, pat: &Pat) -> Vec<Var> {
        let mut names = Vec::new();
        bound_names(pat, &mut names);
        let mutable = mutable_names(pat);
        let loops = self.open_loops();
        let mut vars = Vec::new();
        for (name, _) in names {
            vars.push(self.variables.len());
            self.scope.bind(name.clone(), self.variables.len());
            let mutable = mutable.contains(&name);
            let started = self.started.get(self.variables.len()).cloned().flatten();
            self.variables.push(Variable { name, loops: loops.clone(), mutable, started, ..Variable::default() });
        }
        vars.push(self.variables.len());
        self.variables.push(Variable { loops, ..Variable::default() });
        vars
    }

    /// Binds a pattern to a value: what it borrows and what was started go over.
    fn bind(&mut self, pat: &Pat, init: Option<&Expr>, value: Node) -> Node {
        let started = init.and_then(|init| self.started(init, &value, false));
        let cell = init.is_some_and(is_cell);
        let entity = init.is_some_and(|init| matches!(init, Expr::Call(call) if self.is_entity(call)));
        let shared = init.and_then(|init| self.shared_cell(init));
        let borrowed = init.filter(|init| borrows_mutably(init)).and_then(|init| self.root(init));
        let aliases: Vec<Var> = borrowed.into_iter().chain(shared).collect();
        let captures = match init {
            Some(Expr::Closure(_)) => value.written_by_call(),
            _ => Vec::new(),
        };
        let stream = is_typed_stream(pat) || init.is_some_and(|init| self.is_stream(init));
        let serial = init.filter(|_| stream).and_then(|init| self.serial_step(init));
        let vars = self.declare(pat);
        for var in &vars {
            self.variables[*var].stream = stream;
            self.variables[*var].serial.clone_from(&serial);
            if started.is_some() {
                self.variables[*var].started.clone_from(&started);
            }
            self.variables[*var].aliases.clone_from(&aliases);
            self.variables[*var].captures.clone_from(&captures);
            self.variables[*var].entity = entity;
            self.variables[*var].cell = cell || shared.is_some();
            self.variables[*var].mutable |= borrowed.is_some();
        }
        Node::Bind { vars, value: Box::new(value) }
    }

    pub(crate) fn block(&mut self, block: &Block) -> Node {
        self.scope.enter_block(block);
        let owner = self.scope.here();
        for stmt in &block.stmts {
            if let Stmt::Item(item) = stmt {
                let scope = Scope::new(&self.declared.modules, owner.clone(), None);
                self.nested.item(&scope, &owner, item);
            }
        }
        let locks = self.locks.len();
        let nodes = block.stmts.iter().map(|stmt| self.stmt(stmt)).collect();
        self.locks.truncate(locks);
        self.scope.leave_block();
        Node::Seq(nodes)
    }

    fn stmt(&mut self, stmt: &Stmt) -> Node {
        match stmt {
            Stmt::Item(_) => Node::empty(),
            Stmt::Macro(stmt) => self.macro_call(&stmt.mac),
            Stmt::Expr(expr, semi) => {
                let node = self.expr(expr);
                if semi.is_some() {
                    self.note_dropped(expr);
                }
                node
            }
            Stmt::Local(local) => {
                let Some(init) = &local.init else {
                    self.declare(&local.pat);
                    return Node::empty();
                };
                let value = self.expr(&init.expr);
                if matches!(local.pat, Pat::Wild(_)) {
                    self.note_dropped(&init.expr);
                }
                let values = named_values(&local.pat, &init.expr).unwrap_or_default();
                let calls: Vec<_> = values
                    .into_iter()
                    .map(|value| (self.held_call(value), self.kept(value).or_else(|| self.dropped(value))))
                    .collect();
                let node = self.bind(&local.pat, Some(&init.expr), value);
                if let Node::Bind { vars, value } = &node {
                    if value.awaits().iter().any(|awaited| awaited.class == Class::Lock) {
                        self.locks.extend(vars.first());
                    }
                    for (var, (call, dropped)) in vars.iter().zip(calls) {
                        self.hold(*var, call);
                        self.dropped.extend(dropped.map(|dropped| Dropped { held: Some(*var), ..dropped }));
                    }
                }
                let Some((_, diverge)) = &init.diverge else {
                    return node;
                };
                let body = self.arm(|lower| lower.expr(diverge));
                Node::Branch { condition: Box::new(node), arms: vec![Arm { body, error: is_variant(&local.pat, "Ok") }] }
            }
        }
    }

    /// The loops around, outermost first.
    fn open_loops(&self) -> Vec<LoopId> {
        self.loops.iter().map(|(id, _)| *id).collect()
    }

    /// The cell that `Rc::clone(&cell)` and `cell.clone()` give another handle of.
    fn shared_cell(&self, init: &Expr) -> Option<Var> {
        let of = match init {
            Expr::MethodCall(call) if call.method == "clone" => &*call.receiver,
            Expr::Call(call) if is_named(&call.func, "clone") => call.args.first()?,
            Expr::Reference(expr) => &*expr.expr,
            _ => return None,
        };
        self.root(of).filter(|var| self.variables[*var].cell)
    }

    /// Lowers something that runs on one path only.
    fn arm(&mut self, lower: impl FnOnce(&mut Self) -> Node) -> Node {
        self.place_count += 1;
        self.place.push(self.place_count);
        let node = lower(self);
        self.place.pop();
        node
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> Node {
        Node::Seq(exprs.into_iter().map(|expr| self.expr(expr)).collect())
    }

    pub(crate) fn expr(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::Path(path) => match self.scope.value(&path.path) {
                Meaning::Local(var) => Node::Read(var),
                Meaning::Path(_) => Node::empty(),
            },
            Expr::Field(field) => match self.field(field) {
                Some(var) => Node::Read(var),
                None => self.expr(&field.base),
            },
            Expr::Await(expr) => self.await_expr(&expr.base, expr.await_token.span, false),
            Expr::Try(expr) => self.try_expr(expr),
            Expr::Macro(expr) => self.macro_call(&expr.mac),
            Expr::Block(expr) => self.block(&expr.block),
            Expr::Unsafe(expr) => self.block(&expr.block),
            Expr::TryBlock(expr) => self.block(&expr.block),
            Expr::Async(expr) => Node::Deferred(Box::new(self.arm(|lower| lower.block(&expr.block)))),
            Expr::Closure(closure) => self.closure(closure),
            Expr::Let(expr) => {
                let value = self.expr(&expr.expr);
                self.bind(&expr.pat, Some(&expr.expr), value)
            }
            Expr::If(expr) => self.if_expr(expr),
            Expr::Match(expr) => self.match_expr(expr),
            Expr::ForLoop(expr) => self.for_loop(expr),
            Expr::While(expr) => self.while_loop(expr),
            Expr::Loop(expr) => {
                let node = self.in_loop(&expr.label, |lower| (Node::empty(), lower.block(&expr.body)));
                self.loop_node(node, LoopKind::Endless, &expr.attrs, expr.loop_token.span)
            }
            Expr::Return(expr) => {
                let error =
                    expr.expr.as_ref().is_some_and(|value| matches!(&**value, Expr::Call(call) if is_named(&call.func, "Err")));
                self.exit(expr.expr.as_deref(), if error { Way::ReturnError } else { Way::Return })
            }
            Expr::Break(expr) => {
                let target = self.target(expr.label.as_ref());
                self.exit(expr.expr.as_deref(), Way::Break(target))
            }
            Expr::Continue(expr) => {
                let target = self.target(expr.label.as_ref());
                self.exit(None, Way::Continue(target))
            }
            Expr::Assign(assign) => {
                let value = self.exprs([&*assign.left, &*assign.right]);
                if let Some(started) = self.started(&assign.right, &value, false) {
                    self.mark_started(&assign.left, &started);
                }
                Node::Write { vars: self.places(&assign.left), value: Box::new(value) }
            }
            Expr::Binary(binary) => {
                let value = self.exprs([&*binary.left, &*binary.right]);
                if compound(&binary.op) { Node::Write { vars: self.places(&binary.left), value: Box::new(value) } } else { value }
            }
            Expr::MethodCall(call) => self.method_call(call),
            Expr::Call(call) => self.call(call),
            Expr::Verbatim(tokens) => self.tokens(tokens.clone()),
            other => {
                let mut children = Children::default();
                visit::visit_expr(&mut children, other);
                let nodes = children.found.into_iter().map(|child| self.expr(child)).collect();
                Node::Seq(nodes)
            }
        }
    }

    fn call(&mut self, call: &syn::ExprCall) -> Node {
        if self.drops(call) && call.args.iter().all(|argument| matches!(argument, Expr::Path(_))) {
            if let Some(var) = call.args.first().and_then(|argument| self.root(argument)) {
                self.locks.retain(|held| *held != var);
            }
            return Node::empty();
        }
        let value = self.exprs(std::iter::once(&*call.func).chain(&call.args));
        let value = if self.reads_time(call) { Node::Seq(vec![value, Node::Read(NOW)]) } else { value };
        let mut vars = self.lent(&call.args);
        if let Expr::Path(func) = &*call.func
            && let Meaning::Local(var) = self.scope.value(&func.path)
        {
            vars.extend(&self.variables[var].captures);
        }
        if vars.is_empty() { value } else { Node::Write { vars, value: Box::new(value) } }
    }

    fn method_call(&mut self, call: &syn::ExprMethodCall) -> Node {
        let method = call.method.to_string();
        let receiver = self.expr(&call.receiver);
        let value = if call.args.iter().any(|argument| matches!(argument, Expr::Closure(_))) {
            // What a closure is given, and whether it runs at all, comes from the receiver.
            let given = self.variables.len();
            self.variables.push(Variable { loops: self.open_loops(), ..Variable::default() });
            let bound = Node::Bind { vars: vec![given], value: Box::new(receiver) };
            let before = self.given.replace(given);
            let arguments = self.exprs(&call.args);
            self.given = before;
            Node::Seq(vec![bound, arguments])
        } else {
            Node::Seq(vec![receiver, self.exprs(&call.args)])
        };
        self.note_drained(call);
        let mut vars = self.lent(&call.args);
        if !READS.contains(&method.as_str()) {
            let changes = |variable: &Variable| variable.mutable || variable.cell && !CELL_READS.contains(&method.as_str());
            let changed: Vec<Var> =
                self.places(&call.receiver).into_iter().filter(|var| changes(&self.variables[*var])).collect();
            let started = call.args.iter().find_map(|argument| self.started(argument, &value, false));
            if let (Some(started), false) = (started, changed.is_empty()) {
                self.mark_started(&call.receiver, &started);
            }
            vars.extend(changed);
        }
        if vars.is_empty() { value } else { Node::Write { vars, value: Box::new(value) } }
    }

    /// Whether the call is `dacapo::now()`.
    fn reads_time(&self, call: &syn::ExprCall) -> bool {
        let Expr::Path(func) = &*call.func else { return false };
        matches!(self.scope.value(&func.path), Meaning::Path(path) if path == ["dacapo", "now"])
    }

    fn await_expr(&mut self, base: &Expr, span: Span, tried: bool) -> Node {
        let (class, callee, var) = self.classify(base);
        if let Some(path) = self.callee_path(base) {
            self.awaited.insert(path);
        }
        let lowered = self.expr(base);
        // Taking the next item out of a stream carries nothing on.
        let borrowed: Vec<Var> = if class == Class::Stream { Vec::new() } else { self.lent_to(base) };
        self.order += 1;
        let node = Node::Await(Box::new(Await {
            id: self.order,
            base: lowered,
            class,
            paced: matches!(class, Class::Timer | Class::Event),
            callee,
            var,
            expr: Some(base.clone()),
            tried,
            span,
            order: self.order,
            place: self.place.clone(),
        }));
        if borrowed.is_empty() { node } else { Node::Write { vars: borrowed, value: Box::new(node) } }
    }

    /// Whether the file declares a function at `path`.
    pub(crate) fn is_declared(&self, path: &[String]) -> bool {
        self.nested.kinds.contains_key(path) || self.declared.kinds.contains_key(path)
    }
}
