//! A body reduced to its data flow: which variables are read, bound and written, what is awaited, where it branches and leaves.
//!
//! Every variable is one declaration, so shadowing is settled here. A field of a variable is a variable of its own that overlaps
//! with it; deeper fields and indexes count as what they are in.

use crate::calls::Class;
use crate::names::Segments;
use proc_macro2::Span;
use std::collections::HashSet;
use syn::Expr;

/// Index into [`Flow::variables`].
pub(crate) type Var = usize;
/// Stands for the time of the turn, which moves on with every await.
pub(crate) const NOW: Var = 0;
/// Number of a loop, in the order they are opened.
pub(crate) type LoopId = usize;

/// One declaration of a name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// The loops around the declaration, outermost first.
    pub(crate) loops: Vec<LoopId>,
    pub(crate) mutable: bool,
    /// For a field, the variable it is in.
    pub(crate) parent: Option<Var>,
    /// The fields of it that the body names.
    pub(crate) fields: Vec<(String, Var)>,
    /// What it borrows mutably: a write to it is a write to these.
    pub(crate) aliases: Vec<Var>,
    /// For a name bound to a call that was not awaited: what awaiting it means.
    pub(crate) class: Option<Class>,
    pub(crate) callee: Option<String>,
    /// Where it, or something in it, was made by `.start()`.
    pub(crate) started: Option<Started>,
    /// For a closure, what it writes when it is called.
    pub(crate) captures: Vec<Var>,
    /// Whether it is a `Cell`, a lock or an atomic, which is written through shared borrows.
    pub(crate) cell: bool,
    /// Bound by `let` to an un-started call; the position in evaluation order.
    pub(crate) held: Option<usize>,
    /// Whether it stands for an entity: `Account::at(..)`.
    pub(crate) entity: bool,
    /// Whether it is a stream, as far as the source shows.
    pub(crate) stream: bool,
    /// The step of that stream that makes its calls one after another.
    pub(crate) serial: Option<SerialStream>,
}

/// The place of a `.start()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    /// The loops around it, outermost first.
    pub(crate) loops: Vec<LoopId>,
    /// Whether it makes several handles, as a closure does that is called for each item.
    pub(crate) many: bool,
    /// Position in evaluation order.
    pub(crate) order: usize,
}

/// A method of a stream that awaits a call for one item after another.
#[derive(Debug, Clone)]
pub(crate) struct SerialStream {
    pub(crate) method: String,
    pub(crate) function: Expr,
    pub(crate) callee: Option<String>,
    pub(crate) span: Span,
}

/// What is evaluated, in order.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Seq(Vec<Self>),
    Read(Var),
    Await(Box<Await>),
    /// A pattern takes a value apart.
    Bind {
        vars: Vec<Var>,
        value: Box<Self>,
    },
    /// An assignment, a `&mut` borrow or a method that may change its receiver.
    Write {
        vars: Vec<Var>,
        value: Box<Self>,
    },
    Branch {
        condition: Box<Self>,
        arms: Vec<Arm>,
    },
    Loop(Box<Loop>),
    Exit(Exit),
    /// `value?`
    Try(Box<Self>),
    /// A closure or an async block: built here, run elsewhere.
    Deferred(Box<Self>),
}

/// One way through a branch.
#[derive(Debug, Clone)]
pub(crate) struct Arm {
    pub(crate) body: Node,
    /// Taken for an `Err`.
    pub(crate) error: bool,
}

/// `base.await`, or a macro that awaits its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Await {
    pub(crate) id: usize,
    pub(crate) base: Node,
    pub(crate) class: Class,
    /// Waits, among other things, on a timer or an event.
    pub(crate) paced: bool,
    pub(crate) callee: Option<String>,
    /// The variable that holds what is awaited.
    pub(crate) var: Option<Var>,
    pub(crate) expr: Option<Expr>,
    pub(crate) tried: bool,
    pub(crate) span: Span,
    /// Position in evaluation order.
    pub(crate) order: usize,
    /// The branches, loops and closures around it.
    pub(crate) place: Vec<usize>,
}

/// The kind of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopKind {
    For,
    While,
    WhileLet,
    /// `loop` or `while true`
    Endless,
}

/// A loop.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub(crate) id: LoopId,
    pub(crate) kind: LoopKind,
    pub(crate) sequential: Option<Span>,
    /// Whether it runs while a `dacapo::lock` is held.
    pub(crate) locked: bool,
    /// Evaluated once, before the loop.
    pub(crate) iterated: Node,
    /// Evaluated in every iteration: the condition, or the binding of the loop's pattern.
    pub(crate) condition: Node,
    pub(crate) body: Node,
    pub(crate) span: Span,
    /// The source of a `for` loop: pattern, iterated expression, body.
    pub(crate) source: Option<(syn::Pat, Expr, syn::Block)>,
}

/// `return`, `break` or `continue`.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    pub(crate) value: Box<Node>,
    pub(crate) way: Way,
    /// Position in evaluation order.
    pub(crate) order: usize,
}

/// Where an exit leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Return,
    /// Returns an `Err`, or panics.
    ReturnError,
    Break(Option<LoopId>),
    Continue(Option<LoopId>),
}

/// What may be left unawaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lazy {
    Call,
    /// `dacapo::lock(..)`. Dropping it is no use of it.
    Lock,
    /// An operation of an entity.
    Operation,
    /// A handle from `.start()`.
    Handle,
}

/// A durable call that may be left unawaited.
#[derive(Debug, Clone)]
pub(crate) struct Dropped {
    pub(crate) path: Segments,
    pub(crate) text: String,
    pub(crate) lazy: Lazy,
    /// Known to be durable without looking further.
    pub(crate) durable: bool,
    /// The variable that holds it, where there is one.
    pub(crate) held: Option<Var>,
    pub(crate) span: Span,
}

/// A body's data flow.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) variables: Vec<Variable>,
    pub(crate) body: Node,
    pub(crate) dropped: Vec<Dropped>,
    /// Paths of the functions whose calls are awaited somewhere.
    pub(crate) awaited: HashSet<Segments>,
    /// Streams that are run to their end.
    pub(crate) serial: Vec<SerialStream>,
}

impl Flow {
    /// `var`, what it is in, and its own fields: what changes when it is written, and is read when it is read.
    pub(crate) fn overlap(&self, var: Var) -> impl Iterator<Item = Var> {
        let variable = &self.variables[var];
        std::iter::once(var).chain(variable.parent).chain(variable.fields.iter().map(|(_, field)| *field))
    }
}

impl Node {
    pub(crate) fn empty() -> Self {
        Self::Seq(Vec::new())
    }

    /// The nodes directly inside, in order.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Seq(nodes) => nodes.iter().collect(),
            Self::Read(_) => Vec::new(),
            Self::Await(node) => vec![&node.base],
            Self::Bind { value, .. } | Self::Write { value, .. } | Self::Try(value) | Self::Deferred(value) => vec![value],
            Self::Branch { condition, arms } => std::iter::once(&**condition).chain(arms.iter().map(|arm| &arm.body)).collect(),
            Self::Loop(node) => vec![&node.iterated, &node.condition, &node.body],
            Self::Exit(exit) => vec![&exit.value],
        }
    }

    /// Every node inside, itself first; what is deferred only if `deferred`.
    pub(crate) fn each<'a>(&'a self, deferred: bool, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        if deferred || !matches!(self, Self::Deferred(_)) {
            for child in self.children() {
                child.each(deferred, visit);
            }
        }
    }

    /// The variables read, also in closures.
    pub(crate) fn reads(&self) -> HashSet<Var> {
        let mut found = HashSet::new();
        self.each(true, &mut |node| {
            if let Self::Read(var) = node {
                found.insert(*var);
            }
        });
        found
    }

    /// The variables that a closure or an async block writes when it runs.
    pub(crate) fn written_by_call(&self) -> Vec<Var> {
        let mut found = Vec::new();
        self.each(true, &mut |node| {
            if let Self::Write { vars, .. } = node {
                found.extend(vars.iter().copied());
            }
        });
        found
    }

    /// The awaits that run when this runs.
    pub(crate) fn awaits(&self) -> Vec<&Await> {
        let mut found = Vec::new();
        self.each(false, &mut |node| {
            if let Self::Await(node) = node {
                found.push(&**node);
            }
        });
        found
    }
}
