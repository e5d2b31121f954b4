//! A finding, and how its message reads: *what; why replay forbids it; what to write instead*.

use crate::flow::{Await, Dropped, Lazy, Loop, LoopKind, SerialStream};
use crate::function::{Place, Use};
use crate::held::OneByOne;
use crate::loops::Fault;
use crate::refused::what;
use crate::rewrite::rewrite;
use crate::rules::{Rule, known};
use crate::walk::Hit;
use proc_macro2::Span;
use std::fmt::Display;

const SUM: &str = "nothing flows from one iteration to the next, so the total is the sum of all runs, not the slowest";

/// One thing an orchestrator may not contain.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule it breaks.
    pub rule: &'static Rule,
    /// The token it stands at.
    pub span: Span,
    /// What; why replay forbids it; what to write instead.
    pub message: String,
    /// The first part of the message, without the chain.
    pub what: String,
    /// The last part of the message.
    pub instead: String,
    /// The second part of the message.
    pub why: String,
    /// From the function that the orchestrator calls to what it may not contain; empty where that stands in its own body.
    pub chain: Vec<Step>,
}

/// A function on the way to what is refused, or that itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, or what was written: `price_of`, `SystemTime::now`.
    pub text: String,
    /// Where it is called.
    pub at: Place,
}

impl Finding {
    fn new(rule: &'static str, span: Span, what: &str, why: &str, instead: &str) -> Self {
        let message = cite(rule, format_args!("{what}; {why}; {instead}"));
        Self {
            rule: known(rule),
            span,
            message,
            what: what.to_owned(),
            why: why.to_owned(),
            instead: instead.to_owned(),
            chain: Vec::new(),
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

    /// A hit in a function that the orchestrator calls. `file` is what the file of the hit is called, if not by its own name.
    pub(crate) fn of_chain(hit: &Use, chain: Vec<Step>, file: Option<&str>, span: Span) -> Self {
        let rule = known(hit.rule);
        let names: Vec<&str> = chain.iter().map(|step| step.text.as_str()).collect();
        let place = match file.unwrap_or(&hit.at.file) {
            "" => format!("line {}", hit.at.line),
            file => format!("{file}:{}", hit.at.line),
        };
        let what = format!("`{}` {}", names[0], what(rule.name));
        let shown = format!("{what} ({} at {place})", names.join(" → "));
        let finding = Self::new(rule.name, span, &shown, rule.why, advice(rule, hit.instead));
        Self { what, chain, ..finding }
    }

    pub(crate) fn of_fault(fault: &Fault<'_>) -> Self {
        match fault {
            Fault::Serial { node, first, calls } => Self::serial(node, first, *calls),
            Fault::Stream { step } => Self::stream(step),
            Fault::Unbounded { node } => {
                let rule = known("unbounded_loop");
                Self::new(rule.name, node.span, "this loop makes durable calls and never ends", rule.why, rule.instead)
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
        let called = first.callee.as_deref().map_or_else(|| "the awaited call".to_owned(), |name| format!("`{name}`"));
        let shown = first.expr.as_ref().map_or_else(|| called.clone(), |expr| format!("`{}.await`", crate::text::short(expr)));
        let more = if calls > 1 {
            format!(", and {} more {} with it,", calls - 1, if calls == 2 { "call" } else { "calls" })
        } else {
            String::new()
        };
        let what = format!("{shown} in a `{}` loop makes N runs of {called}{more} one after another", loop_name(node.kind));
        Self::new("await_in_loop", first.span, &what, SUM, &rewrite(node, first, calls))
    }

    fn stream(step: &SerialStream) -> Self {
        let called = step.callee.as_deref().map_or_else(|| "what it calls".to_owned(), |name| format!("`{name}`"));
        let function = crate::text::short(&step.function);
        let what = format!("`.{}(..)` on a stream makes N runs of {called} one after another", step.method);
        let together = match step.method.as_str() {
            "for_each" => format!("`.for_each_concurrent(n, {function})`"),
            "try_for_each" => format!("`.try_for_each_concurrent(n, {function})`"),
            "fold" | "try_fold" => "`.map(..).buffered(n)` with the call, then fold what that gives".to_owned(),
            "then" => format!("`.map({function}).buffered(n)`"),
            _ => format!("`.map({function}).buffered(n)` and filter what that gives"),
        };
        let instead = format!("write {together}, or a `#[sequential]` loop if the order is meant");
        Self::new("await_in_loop", step.span, &what, SUM, &instead)
    }

    pub(crate) fn of_held(held: &OneByOne<'_>) -> Self {
        let OneByOne { first, second, all, awaited } = held;
        let all = all.join(", ");
        let what = format!("`{second}` was built before `{first}` was awaited, and starts only after it");
        let join = if awaited.tried { "try_join" } else { "join" };
        let tried = if awaited.tried { "?" } else { "" };
        let instead = format!("write `let ({all}) = dacapo::{join}!({all}){tried};`, or add `.start()` where each is built");
        Self::new("await_one_by_one", awaited.span, &what, "a call is lazy: it runs when it is awaited", &instead)
    }

    pub(crate) fn of_dropped(call: &Dropped) -> Self {
        let rule = known("unused_call");
        let what = format!("`{}` is never awaited", call.text);
        let (why, instead) = match call.lazy {
            Lazy::Call => (rule.why, rule.instead),
            Lazy::Lock => ("nothing is locked until it is", "write `let guard = dacapo::lock(..).await;`"),
            Lazy::Operation => {
                ("it is sent when it is awaited or signalled", "`.await` the answer, or `.signal()` if none is needed")
            }
            Lazy::Handle => ("dropping a started call cancels it", "keep the handle and `.await` it"),
        };
        Self::new(rule.name, call.span, &what, why, instead)
    }
}

/// The message, and where to read about the rule it speaks for.
pub fn cite(rule: &str, message: impl Display) -> String {
    format!("{message} [{rule}, see docs/rules.md#{rule}]")
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
