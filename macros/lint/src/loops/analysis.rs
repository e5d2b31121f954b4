//! What flows from one iteration of a loop to the next.

use crate::calls::Class;
use crate::flow::{Await, Exit, Flow, Loop, LoopId, LoopKind, NOW, Node, Started, Var, Way};
use std::collections::{HashMap, HashSet};

/// What depends on the awaited results of one loop.
pub(super) struct Analysis<'a> {
    flow: &'a Flow,
    /// Variables whose value depends on a result awaited in the loop.
    tainted: HashSet<Var>,
    /// Written in the loop, and the value depends on an awaited result.
    written: HashSet<Var>,
    /// Written in the loop after an await.
    moved: HashSet<Var>,
    /// Written on a way through the loop after an await on the same way, as the state of a state machine is.
    stepped: HashSet<Var>,
    /// What the loop's bindings and assignments make a variable of.
    made_of: HashMap<Var, HashSet<Var>>,
    /// Variables that hold the outcome of a fan-in of the loop.
    fan_in: HashSet<Var>,
}

impl<'a> Analysis<'a> {
    pub(super) fn of(node: &Loop, flow: &'a Flow) -> Self {
        let mut analysis = Self {
            flow,
            tainted: HashSet::from([NOW]),
            written: HashSet::new(),
            moved: HashSet::new(),
            stepped: HashSet::new(),
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
        analysis.steps(&node.body, false, &mut false);
        analysis
    }

    /// Notes what is written after an await; `on_way` inside a branch of the loop, `awaited` there.
    fn steps(&mut self, node: &Node, on_way: bool, awaited: &mut bool) {
        match node {
            Node::Deferred(_) => {}
            Node::Branch { condition, arms } => {
                self.steps(condition, on_way, awaited);
                let mut after = *awaited;
                for arm in arms {
                    let mut inside = on_way && *awaited;
                    self.steps(&arm.body, true, &mut inside);
                    after |= inside;
                }
                *awaited = after;
            }
            Node::Await(inner) => {
                self.steps(&inner.base, on_way, awaited);
                *awaited = true;
            }
            Node::Write { vars, value } => {
                self.steps(value, on_way, awaited);
                if *awaited {
                    self.moved.extend(vars);
                    if on_way {
                        self.stepped.extend(vars);
                    }
                }
            }
            other => other.children().into_iter().for_each(|child| self.steps(child, on_way, awaited)),
        }
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
    pub(super) fn carries(&self, node: &Loop) -> bool {
        let by_condition = node.kind != LoopKind::For && self.carried(&node.condition, node.id);
        by_condition || self.reads_carried(&node.body, node.id)
    }

    /// Whether `node` reads an outer variable that the loop writes from an awaited result.
    fn carried(&self, node: &Node, id: LoopId) -> bool {
        self.reads_outer(node, &self.written, id)
    }

    /// Whether what `node` reads is made of a variable of `written` that lives outside the loop.
    fn reads_outer(&self, node: &Node, written: &HashSet<Var>, id: LoopId) -> bool {
        let reached = self.reach(node.reads());
        let mut parts = reached.iter().flat_map(|var| self.flow.overlap(*var));
        parts.any(|var| written.contains(&var) && !self.flow.variables[var].loops.contains(&id))
    }

    /// Whether a condition in front of awaits reads the state of a state machine, or what awaited results have made.
    fn chooses(&self, condition: &Node, id: LoopId) -> bool {
        self.carried(condition, id) || self.reads_outer(condition, &self.stepped, id)
    }

    fn reads_carried(&self, node: &Node, id: LoopId) -> bool {
        let here = match node {
            Node::Deferred(_) => return false,
            Node::Await(awaited) => self.carried(&awaited.base, id),
            Node::Branch { condition, arms } => {
                arms.iter().any(|arm| !arm.body.awaits().is_empty()) && self.chooses(condition, id)
            }
            Node::Loop(inner) => !inner.body.awaits().is_empty() && self.chooses(&inner.condition, id),
            _ => false,
        };
        here || node.children().into_iter().any(|child| self.reads_carried(child, id))
    }

    /// The awaits of a loop without items of which a variable that moves on with each iteration chooses one:
    /// `match step { 0 => f().await, 1 => g().await, .. } step += 1`.
    pub(super) fn chosen(&self, node: &Loop) -> Vec<usize> {
        let mut chosen = Vec::new();
        if node.kind != LoopKind::For {
            node.body.each(false, &mut |inner| {
                let Node::Branch { condition, arms } = inner else { return };
                let several = arms.iter().filter(|arm| !arm.body.awaits().is_empty()).count() > 1;
                if several && self.reads_outer(condition, &self.moved, node.id) {
                    chosen.extend(inner.awaits().iter().map(|awaited| awaited.id));
                }
            });
        }
        chosen
    }

    /// Exemption 5 for a whole batch: the handles of one iteration, of which several were started before the first is awaited.
    pub(super) fn at_once(&self, awaits: &[&Await], id: LoopId) -> Vec<usize> {
        let started = |awaited: &Await| self.flow.variables[awaited.var?].started.clone().map(|started| (awaited.var, started));
        let handles: Vec<_> = awaits
            .iter()
            .filter(|awaited| awaited.class == Class::Started)
            .filter_map(|awaited| started(awaited).map(|(var, started)| (*awaited, var, started)))
            .filter(|(_, _, started)| started.loops.contains(&id))
            .collect();
        let first = handles.iter().map(|(awaited, ..)| awaited.order).min().unwrap_or(0);
        let together: HashSet<_> =
            handles.iter().filter(|(_, _, started)| started.order < first).map(|(_, var, _)| *var).collect();
        let at_once = |var: &Option<Var>, started: &Started| started.many || together.len() > 1 && together.contains(var);
        handles.iter().filter(|(_, var, started)| at_once(var, started)).map(|(awaited, ..)| awaited.id).collect()
    }

    /// Exemption 2: a result decides whether the loop goes on.
    pub(super) fn decides(&self, node: &Loop) -> bool {
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
    pub(super) fn exempt(&self, awaited: &Await, id: LoopId) -> bool {
        let by_class = match awaited.class {
            Class::Timer | Class::Event | Class::Lock | Class::FanIn | Class::Stream | Class::Terminal => true,
            Class::Started => awaited.var.is_some_and(|var| started_outside(var, id, self.flow)),
            Class::Call | Class::Timeout => false,
        };
        by_class || self.reach(awaited.base.reads()).iter().any(|var| self.fan_in.contains(var))
    }
}

/// A handle made outside the loop, or kept from iteration to iteration in something declared outside.
fn started_outside(var: Var, id: LoopId, flow: &Flow) -> bool {
    let variable = &flow.variables[var];
    let made_in_loop = variable.started.as_ref().is_some_and(|started| started.loops.contains(&id));
    !made_in_loop || !variable.loops.contains(&id)
}
