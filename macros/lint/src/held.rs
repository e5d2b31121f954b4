//! `await_one_by_one` and `unused_call`: calls that were built and then awaited too late, or never.

use crate::flow::{Await, Dropped, Flow, Node, Var};
use std::collections::HashMap;

/// Two calls held and awaited one after another.
#[derive(Debug)]
pub(crate) struct OneByOne<'a> {
    pub(crate) first: &'a str,
    pub(crate) second: &'a str,
    /// Every call that could be awaited together with them, in order.
    pub(crate) all: Vec<&'a str>,
    pub(crate) awaited: &'a Await,
}

/// The awaits of held calls that start only after another held call is done.
pub(crate) fn one_by_one(flow: &Flow) -> Vec<OneByOne<'_>> {
    let mut reads: HashMap<Var, usize> = HashMap::new();
    let mut awaits: HashMap<Var, Vec<&Await>> = HashMap::new();
    flow.body.each(true, &mut |node| match node {
        Node::Read(var) => *reads.entry(*var).or_default() += 1,
        Node::Await(awaited) => {
            if let Some(var) = awaited.var {
                awaits.entry(var).or_default().push(awaited);
            }
        }
        _ => {}
    });
    // Something else than its one await may have polled it already.
    let mut held: Vec<(usize, &str, &Await)> = awaits
        .iter()
        .filter(|(var, found)| found.len() == 1 && reads.get(var) == Some(&1))
        .filter_map(|(var, found)| Some((flow.variables[*var].held?, flow.variables[*var].name.as_str(), found[0])))
        .collect();
    held.sort_by_key(|(_, _, awaited)| awaited.order);
    let mut decisions = Vec::new();
    collect_decisions(&flow.body, &mut decisions);
    let mut found = Vec::new();
    for (at, (built, second, awaited)) in held.iter().enumerate() {
        let straight = |before: &Await| {
            let between = before.order..awaited.order;
            before.place == awaited.place && !decisions.iter().any(|order| between.contains(order))
        };
        let first = held[..at].iter().rev().find(|(_, _, before)| *built < before.order && straight(before));
        if let Some((_, first, _)) = first {
            found.push(OneByOne { first, second, all: Vec::new(), awaited });
        }
    }
    let mut groups: Vec<Vec<&str>> = Vec::new();
    for OneByOne { first, second, .. } in &found {
        match groups.iter_mut().find(|group| group.contains(first)) {
            Some(group) => group.push(second),
            None => groups.push(vec![first, second]),
        }
    }
    for one in &mut found {
        one.all = groups.iter().find(|group| group.contains(&one.second)).cloned().unwrap_or_default();
    }
    found
}

/// Where a branch may leave before what follows is awaited. Giving an error on is no decision.
fn collect_decisions(node: &Node, found: &mut Vec<usize>) {
    match node {
        Node::Exit(exit) => found.push(exit.order),
        Node::Branch { condition, arms } => {
            collect_decisions(condition, found);
            for arm in arms.iter().filter(|arm| !arm.error) {
                collect_decisions(&arm.body, found);
            }
            return;
        }
        _ => {}
    }
    for child in node.children() {
        collect_decisions(child, found);
    }
}

/// The durable calls that nothing awaits.
pub(crate) fn unused(flow: &Flow) -> impl Iterator<Item = &Dropped> {
    let reads = flow.body.reads();
    let dropped = flow.dropped.iter().filter(move |call| call.held.is_none_or(|var| !reads.contains(&var)));
    dropped.filter(|call| call.durable || flow.awaited.contains(&call.path))
}
