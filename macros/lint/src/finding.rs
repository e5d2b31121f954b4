//! A finding, and how its message reads: *what; why replay forbids it; what to write instead*.

use crate::flow::{Await, Dropped, Loop, LoopKind};
use crate::held::OneByOne;
use crate::loops::Fault;
use crate::refused::what;
use crate::rewrite::rewrite;
use crate::rules::{Rule, known};
use crate::walk::Hit;
use proc_macro2::Span;

/// One thing an orchestrator may not contain.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule it breaks.
    pub rule: &'static Rule,
    /// The token it stands at.
    pub span: Span,
    /// What; why replay forbids it; what to write instead.
    pub message: String,
}

impl Finding {
    fn new(rule: &'static str, span: Span, what: &str, why: &str, instead: &str) -> Self {
        let message = format!("{what}; {why}; {instead} [{rule}, see docs/rules.md#{rule}]");
        Self {
            rule: known(rule),
            span,
            message,
        }
    }

    pub(crate) fn of_hit(hit: &Hit) -> Self {
        let rule = known(hit.rule);
        let what = match hit.rule {
            "unchecked_macro" => match hit.text.split_once(" with ") {
                Some((name, path)) => format!("`{path}` inside `{name}` cannot be checked"),
                None => format!("`.await` inside `{}` cannot be checked", hit.text),
            },
            "address" if hit.text.starts_with("a ") => format!("{} depends on addresses", hit.text),
            _ => format!("`{}` {}", hit.text, what(hit.rule)),
        };
        Self::new(hit.rule, hit.span, &what, rule.why, advice(rule, hit.instead))
    }

    /// A hit in a function that the orchestrator calls; `chain` begins with that function.
    pub(crate) fn of_chain(rule: &'static str, instead: &'static str, chain: &str, span: Span) -> Self {
        let first = chain.split(" → ").next().unwrap_or(chain);
        let rule = known(rule);
        let what = format!("`{first}` {} ({chain})", what(rule.name));
        Self::new(rule.name, span, &what, rule.why, advice(rule, instead))
    }

    pub(crate) fn of_fault(fault: &Fault<'_>) -> Self {
        match fault {
            Fault::Serial { node, first, calls } => Self::serial(node, first, *calls),
            Fault::Unbounded { node } => {
                let rule = known("unbounded_loop");
                Self::new(
                    rule.name,
                    node.span,
                    "this loop makes durable calls and never ends",
                    rule.why,
                    rule.instead,
                )
            }
            Fault::NothingAwaited { node } => Self::new(
                "await_in_loop",
                node.sequential.unwrap_or(node.span),
                "`#[sequential]` stands on a loop that awaits nothing",
                "it says that awaited calls run one after another, and there are none",
                "remove it",
            ),
        }
    }

    fn serial(node: &Loop, first: &Await, calls: usize) -> Self {
        let called = first
            .callee
            .as_deref()
            .map_or_else(|| "the awaited call".to_owned(), |name| format!("`{name}`"));
        let shown = first
            .expr
            .as_ref()
            .map_or_else(|| called.clone(), |expr| format!("`{}.await`", crate::text::short(expr)));
        let more = if calls > 1 {
            format!(
                ", and {} more {} with it,",
                calls - 1,
                if calls == 2 { "call" } else { "calls" }
            )
        } else {
            String::new()
        };
        let what = format!(
            "{shown} in a `{}` loop makes N runs of {called}{more} one after another",
            loop_name(node.kind)
        );
        let why = "nothing flows from one iteration to the next, so the total is the sum of all runs, not the slowest";
        Self::new("await_in_loop", first.span, &what, why, &rewrite(node, first, calls))
    }

    pub(crate) fn of_held(held: &OneByOne<'_>) -> Self {
        let OneByOne { first, second, awaited } = held;
        let what = format!("`{second}` was built before `{first}` was awaited, and starts only after it");
        let join = if awaited.tried { "try_join" } else { "join" };
        let tried = if awaited.tried { "?" } else { "" };
        let instead = format!(
            "write `let ({first}, {second}) = dacapo::{join}!({first}, {second}){tried};`, or add `.start()` where each is built"
        );
        Self::new(
            "await_one_by_one",
            awaited.span,
            &what,
            "a call is lazy: it runs when it is awaited",
            &instead,
        )
    }

    pub(crate) fn of_dropped(call: &Dropped) -> Self {
        let rule = known("unused_call");
        let what = format!("`{}` is never awaited", call.text);
        Self::new(rule.name, call.span, &what, rule.why, rule.instead)
    }
}

fn advice(rule: &'static Rule, instead: &'static str) -> &'static str {
    if instead.is_empty() { rule.instead } else { instead }
}

fn loop_name(kind: LoopKind) -> &'static str {
    match kind {
        LoopKind::For => "for",
        LoopKind::While => "while",
        LoopKind::WhileLet => "while let",
        LoopKind::Endless => "loop",
    }
}
