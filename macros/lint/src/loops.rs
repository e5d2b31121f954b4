//! `await_in_loop` and `unbounded_loop`: what flows from one iteration to the next.

use crate::calls::Class;
use crate::flow::{Await, Exit, Flow, Loop, LoopId, LoopKind, NOW, Node, SerialStream, Var, Way};
use crate::syntax::base_of;
use std::collections::{HashMap, HashSet};
use syn::Expr;

/// What is wrong with a loop.
#[derive(Debug)]
pub(crate) enum Fault<'a> {
    /// Its iterations run one after another for no reason.
    Serial { node: &'a Loop, first: &'a Await, calls: usize },
    /// A stream that is run to its end makes its calls one after another for no reason.
    Stream { step: &'a SerialStream },
    /// It makes durable calls and never ends.
    Unbounded { node: &'a Loop },
    /// `#[sequential]` says something untrue.
    NothingAwaited { node: &'a Loop },
}

/// Judges every loop of a body, inner ones first.
pub(crate) fn judge(flow: &Flow) -> Vec<Fault<'_>> {
    let mut faults = Vec::new();
    let mut reported = HashSet::new();
    visit(&flow.body, flow, &mut reported, &mut faults);
    faults.extend(flow.serial.iter().map(|step| Fault::Stream { step }));
    faults
}

fn visit<'a>(node: &'a Node, flow: &'a Flow, reported: &mut HashSet<usize>, faults: &mut Vec<Fault<'a>>) {
    for child in node.children() {
        visit(child, flow, reported, faults);
    }
    if let Node::Loop(node) = node {
        judge_loop(node, flow, reported, faults);
    }
}

fn judge_loop<'a>(node: &'a Loop, flow: &'a Flow, reported: &mut HashSet<usize>, faults: &mut Vec<Fault<'a>>) {
    let mut awaits = node.condition.awaits();
    awaits.extend(node.body.awaits());
    if awaits.is_empty() {
        if node.sequential.is_some() {
            faults.push(Fault::NothingAwaited { node });
        }
        return;
    }
    if node.kind == LoopKind::Endless && !ends(node) {
        reported.extend(awaits.iter().map(|awaited| awaited.id));
        return faults.push(Fault::Unbounded { node });
    }
    if node.sequential.is_some() || awaits.iter().any(|awaited| awaited.paced) {
        return;
    }
    let analysis = Analysis::of(node, flow);
    if analysis.carries(node) || analysis.decides(node) {
        return;
    }
    if let Some(step) = drained(node, flow) {
        faults.push(Fault::Stream { step });
    }
    let mut once = runs_once(node);
    if is_batched(node) {
        collect_rest(&node.body, &mut once);
    }
    let serial: Vec<&Await> = awaits
        .into_iter()
        .filter(|awaited| !reported.contains(&awaited.id) && !once.contains(&awaited.id) && !analysis.exempt(awaited, node.id))
        .collect();
    if let Some(first) = serial.first() {
        reported.extend(serial.iter().map(|awaited| awaited.id));
        faults.push(Fault::Serial { node, first, calls: serial.len() });
    }
}

/// Whether the loop goes over batches of items: `for batch in items.chunks(2)`.
fn is_batched(node: &Loop) -> bool {
    let mut iterated = node.source.as_ref().map(|(_, iterated, _)| iterated);
    while let Some(expr) = iterated {
        if let Expr::MethodCall(call) = expr
            && ["chunks", "chunks_exact", "array_chunks", "as_chunks", "rchunks", "tuples"].iter().any(|name| call.method == name)
        {
            return true;
        }
        iterated = base_of(expr);
    }
    false
}

/// The awaits of a batch too small for a fan-in: alone on their way, where another way has one.
fn collect_rest(node: &Node, rest: &mut HashSet<usize>) {
    if let Node::Branch { arms, .. } = node {
        let awaits: Vec<Vec<&Await>> = arms.iter().map(|arm| arm.body.awaits()).collect();
        if awaits.iter().flatten().any(|awaited| awaited.class == Class::FanIn) {
            rest.extend(awaits.iter().filter(|alone| alone.len() == 1).flatten().map(|awaited| awaited.id));
        }
    }
    if !matches!(node, Node::Deferred(_) | Node::Loop(_)) {
        node.children().into_iter().for_each(|child| collect_rest(child, rest));
    }
}

/// The serial calls of the stream that a loop takes its items from.
fn drained<'a>(node: &Loop, flow: &'a Flow) -> Option<&'a SerialStream> {
    let streams = node.condition.awaits().into_iter().filter(|awaited| awaited.class == Class::Stream);
    streams.flat_map(|awaited| awaited.base.reads()).find_map(|var| flow.variables[var].serial.as_ref())
}

/// Whether an endless loop can be left, or hands over to the next generation.
fn ends(node: &Loop) -> bool {
    let mut inner = HashSet::new();
    node.body.each(false, &mut |child| {
        if let Node::Loop(child) = child {
            inner.insert(child.id);
        }
    });
    let mut ends = false;
    node.body.each(false, &mut |child| {
        ends |= match child {
            Node::Try(_) | Node::Exit(Exit { way: Way::Return | Way::ReturnError, .. }) => true,
            Node::Exit(Exit { way: Way::Break(target), .. }) => target.is_none_or(|target| !inner.contains(&target)),
            Node::Await(awaited) => awaited.class == Class::Terminal,
            _ => false,
        };
    });
    ends
}

/// What depends on the awaited results of one loop.
struct Analysis<'a> {
    flow: &'a Flow,
    /// Variables whose value depends on a result awaited in the loop.
    tainted: HashSet<Var>,
    /// Written in the loop, and the value depends on an awaited result.
    written: HashSet<Var>,
    /// What the loop's bindings and assignments make a variable of.
    made_of: HashMap<Var, HashSet<Var>>,
    /// Variables that hold the outcome of a fan-in of the loop.
    fan_in: HashSet<Var>,
}

impl<'a> Analysis<'a> {
    fn of(node: &Loop, flow: &'a Flow) -> Self {
        let mut analysis = Self {
            flow,
            tainted: HashSet::from([NOW]),
            written: HashSet::new(),
            made_of: HashMap::new(),
            fan_in: HashSet::new(),
        };
        // Each round can only add; a value needs as many rounds as there are iterations between its source and its use.
        for _ in 0..=flow.variables.len() {
            let before = (analysis.tainted.len(), analysis.written.len(), analysis.fan_in.len());
            // An element is not what was made of the others: a `for` loop's own pattern carries nothing on.
            let while_taint = node.kind != LoopKind::For && analysis.value(&node.condition, false, false);
            analysis.value(&node.body, while_taint, false);
            if before == (analysis.tainted.len(), analysis.written.len(), analysis.fan_in.len()) {
                break;
            }
        }
        analysis
    }

    /// Whether the value of `node` depends on an awaited result; `under` a condition that does, every write does.
    fn value(&mut self, node: &Node, under: bool, deferred: bool) -> bool {
        match node {
            Node::Seq(nodes) => nodes.iter().fold(false, |tainted, node| self.value(node, under, deferred) | tainted),
            Node::Read(var) => self.is_tainted(*var),
            Node::Await(awaited) => self.value(&awaited.base, under, deferred) | !deferred,
            Node::Bind { vars, value } => {
                let tainted = self.value(value, under, deferred);
                self.make(vars, value, deferred);
                if tainted {
                    self.tainted.extend(vars);
                }
                tainted
            }
            Node::Write { vars, value } => {
                let tainted = self.value(value, under, deferred);
                self.make(vars, value, deferred);
                if tainted || under {
                    self.tainted.extend(vars);
                    self.written.extend(vars);
                }
                tainted
            }
            Node::Branch { condition, arms } => {
                let tainted = self.value(condition, under, deferred);
                arms.iter().fold(tainted, |sum, arm| self.value(&arm.body, under || tainted, deferred) | sum)
            }
            Node::Loop(inner) => {
                let tainted = self.value(&inner.iterated, under, deferred) | self.value(&inner.condition, under, deferred);
                self.value(&inner.body, under || tainted, deferred) | tainted
            }
            Node::Exit(exit) => self.value(&exit.value, under, deferred),
            Node::Try(value) => self.value(value, under, deferred),
            Node::Deferred(value) => self.value(value, under, true),
        }
    }

    fn is_tainted(&self, var: Var) -> bool {
        self.flow.overlap(var).any(|part| self.tainted.contains(&part))
    }

    fn make(&mut self, vars: &[Var], value: &Node, deferred: bool) {
        let reads = value.reads();
        let of_fan_in = reads.iter().any(|read| self.fan_in.contains(read))
            || (!deferred && value.awaits().iter().any(|awaited| awaited.class == Class::FanIn));
        for var in vars {
            if of_fan_in {
                self.fan_in.insert(*var);
            }
            self.made_of.entry(*var).or_default().extend(reads.iter().copied());
        }
    }

    /// Everything that `start` is made of in the loop, itself included.
    fn reach(&self, start: HashSet<Var>) -> HashSet<Var> {
        let mut reached = start.clone();
        let mut open: Vec<Var> = start.into_iter().collect();
        while let Some(var) = open.pop() {
            let parts = self.flow.overlap(var).filter_map(|part| self.made_of.get(&part));
            for next in parts.flatten() {
                if reached.insert(*next) {
                    open.push(*next);
                }
            }
        }
        reached
    }

    /// Exemption 1: an outer variable is written from an awaited result and read by a call, by a condition in front of one, or by
    /// the loop's own condition.
    fn carries(&self, node: &Loop) -> bool {
        let by_condition = node.kind != LoopKind::For && self.carried(&node.condition, node.id);
        by_condition || self.reads_carried(&node.body, node.id)
    }

    /// Whether `node` reads an outer variable that the loop writes from an awaited result.
    fn carried(&self, node: &Node, id: LoopId) -> bool {
        let reached = self.reach(node.reads());
        let mut parts = reached.iter().flat_map(|var| self.flow.overlap(*var));
        parts.any(|var| self.written.contains(&var) && !self.flow.variables[var].loops.contains(&id))
    }

    fn reads_carried(&self, node: &Node, id: LoopId) -> bool {
        let here = match node {
            Node::Deferred(_) => return false,
            Node::Await(awaited) => self.carried(&awaited.base, id),
            Node::Branch { condition, arms } => {
                arms.iter().any(|arm| !arm.body.awaits().is_empty()) && self.carried(condition, id)
            }
            Node::Loop(inner) => !inner.body.awaits().is_empty() && self.carried(&inner.condition, id),
            _ => false,
        };
        here || node.children().into_iter().any(|child| self.reads_carried(child, id))
    }

    /// Exemption 2: a result decides whether the loop goes on.
    fn decides(&self, node: &Loop) -> bool {
        let asked = node.condition.awaits().iter().any(|awaited| awaited.class != Class::Stream);
        let timed = node.kind != LoopKind::For && node.condition.reads().contains(&NOW);
        asked || timed || self.exits_on_result(&node.body, &[], node.id)
    }

    /// `branches` are the branches around the node that read an awaited result: whether the arm is one for errors, and whether
    /// it awaits something itself.
    fn exits_on_result(&self, node: &Node, branches: &[(bool, bool)], id: LoopId) -> bool {
        match node {
            Node::Deferred(_) => false,
            Node::Exit(Exit { way, value, .. }) => {
                let leaves = match way {
                    Way::Return | Way::ReturnError => match branches.last() {
                        // Giving the error on is what `try_join_all` does; undoing something first is not.
                        Some((true, false)) => false,
                        Some(_) => true,
                        None => false,
                    },
                    Way::Break(target) | Way::Continue(target) => {
                        !branches.is_empty() && target.is_none_or(|target| target <= id)
                    }
                };
                leaves || self.exits_on_result(value, branches, id)
            }
            Node::Branch { condition, arms } => {
                let reads_result = self.depends(condition);
                self.exits_on_result(condition, branches, id)
                    || arms.iter().any(|arm| {
                        let mut inner = branches.to_vec();
                        if reads_result {
                            inner.push((arm.error, !arm.body.awaits().is_empty()));
                        }
                        self.exits_on_result(&arm.body, &inner, id)
                    })
            }
            Node::Loop(inner) => {
                let mut around = branches.to_vec();
                if inner.kind != LoopKind::For && self.depends(&inner.condition) {
                    around.push((false, false));
                }
                self.exits_on_result(&inner.iterated, branches, id) || self.exits_on_result(&inner.body, &around, id)
            }
            other => other.children().into_iter().any(|child| self.exits_on_result(child, branches, id)),
        }
    }

    /// Whether a value depends on an awaited result.
    fn depends(&self, node: &Node) -> bool {
        !node.awaits().is_empty() || node.reads().iter().any(|var| self.is_tainted(*var))
    }

    /// Exemptions 3 to 5, and keeping what a fan-in of the loop gave.
    fn exempt(&self, awaited: &Await, id: LoopId) -> bool {
        let by_class = match awaited.class {
            Class::Timer | Class::Event | Class::FanIn | Class::Stream | Class::Terminal => true,
            Class::Started => awaited.var.is_some_and(|var| started_outside(var, id, self.flow)),
            Class::Call | Class::Timeout => false,
        };
        by_class || self.reach(awaited.base.reads()).iter().any(|var| self.fan_in.contains(var))
    }
}

/// A handle made outside the loop, or kept from iteration to iteration in something declared outside.
fn started_outside(var: Var, id: LoopId, flow: &Flow) -> bool {
    let variable = &flow.variables[var];
    let made_in_loop = variable.started.as_ref().is_some_and(|loops| loops.contains(&id));
    !made_in_loop || !variable.loops.contains(&id)
}

/// The awaits after which the loop is always left.
fn runs_once(node: &Loop) -> HashSet<usize> {
    let mut once = HashSet::new();
    collect_once(&node.body, node.id, &mut once);
    once
}

fn collect_once(node: &Node, id: LoopId, once: &mut HashSet<usize>) {
    match node {
        Node::Deferred(_) | Node::Loop(_) => return,
        Node::Exit(exit) if leaves(exit, id) => once.extend(exit.value.awaits().iter().map(|awaited| awaited.id)),
        Node::Seq(nodes) if nodes.iter().any(|node| matches!(node, Node::Exit(exit) if leaves(exit, id))) => {
            once.extend(node.awaits().iter().map(|awaited| awaited.id));
        }
        _ => {}
    }
    for child in node.children() {
        collect_once(child, id, once);
    }
}

fn leaves(exit: &Exit, id: LoopId) -> bool {
    match exit.way {
        Way::Return | Way::ReturnError => true,
        Way::Break(target) => target.is_none_or(|target| target <= id),
        Way::Continue(_) => false,
    }
}
