//! `await_in_loop` and `unbounded_loop`: which loops run their calls one after another for no reason.

mod analysis;

use crate::calls::Class;
use crate::flow::{Await, Exit, Flow, Loop, LoopId, LoopKind, Node, SerialStream, Way};
use crate::syntax::base_of;
use analysis::Analysis;
use std::collections::HashSet;
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
    let is_locked = node.locked || awaits.iter().any(|awaited| awaited.class == Class::Lock);
    if node.sequential.is_some() || is_locked || awaits.iter().any(|awaited| awaited.paced) {
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
    once.extend(analysis.at_once(&awaits, node.id));
    once.extend(analysis.chosen(node));
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

/// Whether an endless loop can be left, or hands over to the next execution.
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
