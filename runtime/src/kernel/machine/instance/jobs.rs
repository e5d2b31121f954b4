//! What runs the user's code for an instance, between two steps of its machine: first turns, turns, replays.

use std::collections::HashSet;
use std::sync::Arc;

use crate::kernel::engine::event::{Event, NotTaken, Turn};
use crate::kernel::engine::execution::{Action, Execution, GivenUp, TurnOutcome};
use crate::kernel::engine::poison;
use crate::kernel::error::RuntimeError;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::answers::{cannot_resume, wrong_state, wrong_type};
use crate::kernel::machine::calls::DueCalls;
use crate::kernel::machine::code::{Code, Outgoing, Planned, planned, refused_children};
use crate::kernel::machine::message::{Ack, Message};
use crate::kernel::machine::request::StartRequest;
use crate::kernel::registration::Registration;
use crate::kernel::stored::{InstanceKey, Stored};
use crate::kernel::time::Timestamp;

/// The first turn of an instance that is being created.
pub(crate) struct First {
    pub(crate) id: Arc<str>,
    pub(crate) orchestrator: Registration,
    pub(crate) request: StartRequest,
    pub(crate) ack: Ack,
}

/// What a first turn has come to.
pub(crate) struct Began {
    pub(crate) request: StartRequest,
    pub(crate) ack: Ack,
    pub(crate) now: Timestamp,
    pub(crate) name: &'static str,
    pub(crate) started: Event,
    /// A report, where the turn was given up.
    pub(crate) turned: Result<Box<Done>, String>,
}

/// A turn that was run.
pub(crate) struct Done {
    pub(crate) execution: Execution,
    pub(crate) progress: TurnOutcome,
    pub(crate) outgoing: Outgoing,
}

impl First {
    pub(crate) fn run(self, code: &dyn Code) -> Began {
        let Self { id, orchestrator, request, ack } = self;
        let now = code.now();
        let mut execution = code.execution(orchestrator, &id);
        let started = request.started(execution.shape());
        let name = execution.name();
        let turned = match turn(code, &mut execution, now, vec![started.clone()]) {
            Ok(progress) => Ok(Box::new(Done::of(code, &id, execution, progress))),
            Err(given_up) => Err(report(code, &id, given_up.report)),
        };
        Began { request, ack, now, name, started, turned }
    }
}

impl Done {
    fn of(code: &dyn Code, id: &Arc<str>, execution: Execution, mut progress: TurnOutcome) -> Self {
        let next = progress.next.as_ref();
        let outgoing = Outgoing::of(code, id, progress.at, &mut progress.actions, execution.trace(), next);
        Self { execution, progress, outgoing }
    }
}

/// A turn on what has come.
pub(crate) struct TurnJob {
    pub(crate) id: Arc<str>,
    pub(crate) execution: Execution,
    /// The time that the orchestrator sees.
    pub(crate) now: Timestamp,
    pub(crate) messages: Vec<Message>,
    pub(crate) due: DueCalls,
    /// Whether it is the first turn of its execution, the start of which is in the history already.
    pub(crate) is_first: bool,
    pub(crate) is_suspended: bool,
}

/// What a turn has come to.
pub(crate) struct Turned {
    pub(crate) acks: Vec<Ack>,
    pub(crate) consume: Vec<i64>,
    pub(crate) declined: Vec<(Message, RuntimeError)>,
    pub(crate) turned: Result<Box<Done>, Vain>,
}

/// A turn that was given up.
pub(crate) struct Vain {
    pub(crate) report: String,
    /// What was delivered to it; no event of it was recorded.
    pub(crate) post: Vec<Event>,
    /// Resumptions that have not helped, and why.
    pub(crate) declined: Vec<(Ack, RuntimeError)>,
    /// What ends the run also where no turn can.
    pub(crate) ends: Vec<Message>,
}

impl TurnJob {
    pub(crate) fn run(self, code: &dyn Code) -> Turned {
        let Self { id, mut execution, now, messages, due, is_first, is_suspended } = self;
        let (mut events, mut acks, mut consume) = (Vec::with_capacity(messages.len()), Vec::new(), Vec::new());
        let (mut resumes, mut ends, mut declined) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            if matches!(message.event, Some(Event::ExecutionTerminated { .. })) {
                events.extend(message.event.clone());
                ends.push(message);
                continue;
            }
            consume.extend(message.inbox);
            if message.is_resume() && !is_suspended {
                declined.push((message, wrong_state("resume", &id, "it is not suspended")));
                continue;
            }
            // Whoever can be told is told; an event that came through the inbox fails the wait it reaches.
            let refused = message.ack.as_ref().and(message.event.as_ref()).and_then(|event| execution.refuses(event));
            if let Some(failure) = refused {
                declined.push((message, wrong_type(&id, &code.values().told(&failure))));
                continue;
            }
            let asked = if message.is_resume() || message.resumes { &mut resumes } else { &mut acks };
            asked.extend(message.ack);
            events.extend(message.event);
        }
        events.extend(due.fired);
        let turned = match turn(code, &mut execution, now, events) {
            Ok(mut progress) => {
                // Those of calls that the turn has dropped, as its end drops all, are not wanted any more.
                let dropped: HashSet<_> = progress.actions.iter().filter_map(Action::cancels).collect();
                let is_dropped = |next: &Action| next.starts().is_some_and(|call| dropped.contains(&call));
                progress.actions.extend(due.attempts.into_iter().filter(|next| !is_dropped(next)));
                for end in ends {
                    acks.extend(end.ack);
                    consume.extend(end.inbox);
                }
                acks.extend(resumes);
                if is_first {
                    progress.events.remove(0);
                    // What was decided at the time of the start is written now, and what has ended has ended now.
                    progress.at = progress.at.max(code.now());
                }
                Ok(Box::new(Done::of(code, &id, execution, progress)))
            }
            Err(GivenUp { report: why, incoming: mut post }) => {
                drop(execution);
                // The start is in the history already, a resumption is refused, and what ends the run is kept.
                post.retain(|event| !is_settled_otherwise(event));
                let report = report(code, &id, why);
                let refused = cannot_resume(&id, &report);
                let resumes = resumes.into_iter().map(|ack| (ack, refused.clone())).collect();
                Err(Vain { report, post, declined: resumes, ends })
            }
        };
        Turned { acks, consume, declined, turned }
    }
}

fn is_settled_otherwise(event: &Event) -> bool {
    matches!(event, Event::ExecutionStarted { .. } | Event::ExecutionResumed { .. } | Event::ExecutionTerminated { .. })
}

/// Why a turn was given up, as it is told.
fn report(code: &dyn Code, id: &str, report: poison::Report) -> String {
    report.text(id, code.values().are_hidden())
}

/// Runs a turn of an execution.
fn turn(code: &dyn Code, execution: &mut Execution, now: Timestamp, incoming: Vec<Event>) -> Result<TurnOutcome, GivenUp> {
    let mut progress = execution.turn(now, incoming)?;
    if let Some(Event::ExecutionCompleted { result }) = progress.events.last()
        && let Some(excess) = code.excess(format_args!("the result of `{}`", execution.name()), result)
    {
        progress.events.pop();
        progress.events.push(Event::ExecutionFailed { failure: Failure::new(FailureKind::Codec, excess) });
    }
    let not_taken = progress.events.iter().rev().find_map(|event| match event {
        Event::EventsNotTaken { events } => Some(events),
        _ => None,
    });
    for NotTaken { name, count } in not_taken.into_iter().flatten() {
        tracing::warn!(
            instance = execution.instance(),
            event = name,
            count,
            "an orchestration has ended without taking events raised to it"
        );
    }
    // An execution that could not be taken up after a restart must not begin.
    let next = progress.next.as_ref().map(|next| (next.orchestrator.name(), next.orchestrator.version()));
    if let Some((name, version)) = next
        && code.version(name, version).is_none()
    {
        let incoming = progress.events.into_iter().filter(Event::is_incoming).collect();
        return Err(GivenUp { report: not_registered(code, name, version).into(), incoming });
    }
    Ok(progress)
}

/// The report of a run whose orchestrator this process does not have.
fn not_registered(code: &dyn Code, name: &str, version: u32) -> String {
    let why = code.not_registered(name, version);
    format!("{why}\n  nothing is lost: the run is parked; start a build that has it")
}

/// Messages whose senders want to be told at once whether they are taken, although no turn can run.
pub(crate) struct Sorting {
    pub(crate) id: Arc<str>,
    pub(crate) execution: Option<Execution>,
    pub(crate) asked: Vec<Message>,
    pub(crate) is_suspended: bool,
}

/// What those are told.
pub(crate) struct Sorted {
    pub(crate) execution: Option<Execution>,
    pub(crate) post: Vec<Message>,
    pub(crate) declined: Vec<(Message, RuntimeError)>,
}

impl Sorting {
    pub(crate) fn run(self, code: &dyn Code) -> Sorted {
        let Self { id, execution, asked, is_suspended } = self;
        let (mut post, mut declined) = (Vec::new(), Vec::new());
        for message in asked {
            if message.is_resume() && !is_suspended {
                declined.push((message, wrong_state("resume", &id, "it is not suspended")));
                continue;
            }
            let refused = message.event.as_ref().zip(execution.as_ref());
            match refused.and_then(|(event, execution)| execution.refuses(event)) {
                Some(failure) => declined.push((message, wrong_type(&id, &code.values().told(&failure)))),
                None => post.push(message),
            }
        }
        Sorted { execution, post, declined }
    }
}

/// The history of an instance, to be replayed.
pub(crate) struct ReplayJob {
    pub(crate) id: Arc<str>,
    pub(crate) key: InstanceKey,
    pub(crate) stored: Stored,
    /// Why it cannot be replayed, if it cannot.
    pub(crate) unreadable: Option<RuntimeError>,
    /// Whether the arguments of its calls were read, and not their digests only.
    pub(crate) has_arguments: bool,
    /// When the execution was started whose first turn has not run yet.
    pub(crate) unstarted_at: Option<Timestamp>,
    /// How many resumptions it knows of. They are the first in the mailbox.
    pub(crate) resumes: usize,
    /// The events that they put aside.
    pub(crate) without: Vec<u64>,
    /// How many events wait in the mailbox.
    pub(crate) waiting: u64,
}

/// What a replay has come to.
pub(crate) enum Replayed {
    Ready(Box<Ready>),
    /// The run is parked with this report.
    Parked(String),
    /// The history is to be read with the arguments of its calls.
    WantsArguments,
    /// The instance stays as it is, for this reason.
    Stays(String),
    /// The instance is resumed, and starts at a time to come.
    StartsAt(Timestamp),
}

/// An execution that is where its history ends.
pub(crate) struct Ready {
    pub(crate) execution: Execution,
    pub(crate) pending: Vec<Action>,
    pub(crate) attempts: Vec<Planned>,
    pub(crate) refused: Vec<(crate::kernel::engine::event::CallId, Event)>,
    /// The start of an execution whose first turn has not run yet.
    pub(crate) started: Option<Event>,
    pub(crate) stored: Box<Stored>,
    pub(crate) is_rewound: bool,
    /// How many resumptions the replay knew of.
    pub(crate) resumes: usize,
}

impl ReplayJob {
    pub(crate) fn run(mut self, code: &dyn Code) -> Replayed {
        if let Some(error) = &self.unreadable {
            return Replayed::Parked(format!(
                "{error}\n  nothing is lost: the run is parked; resume it in a process that can read it, with the codec, the key and the \
                 version it was written with"
            ));
        }
        let history = std::mem::take(&mut self.stored.history);
        let (name, version) = history.first().and_then(Turn::started).unwrap_or((&self.stored.instance.name, 1));
        let Some(orchestrator) = code.version(name, version) else {
            return Replayed::Parked(not_registered(code, name, version));
        };
        let is_rewound = history.last().is_some_and(|turn| matches!(turn.events[..], [Event::ExecutionRewound { .. }]));
        if !self.without.is_empty() && !self.has_arguments {
            return Replayed::WantsArguments;
        }
        if let Some(why) = self.keeps(code, orchestrator, &history) {
            return Replayed::Stays(why);
        }
        let mut execution = code.execution(orchestrator, &self.id);
        execution.put_aside(&self.without);
        let mut started = None;
        if let Some(at) = self.unstarted_at {
            if self.resumes > 0 && at > code.now() {
                return Replayed::StartsAt(at);
            }
            started = history.into_iter().flat_map(|turn| turn.events).last();
        } else {
            let replayed = execution.replay(history);
            if execution.is_undecided() && !self.has_arguments {
                return Replayed::WantsArguments;
            }
            // A value that cannot be decoded makes the replay differ.
            let unreadable = || execution.undecodable().or_else(|| replayed.err().map(|mismatch| mismatch.to_string()));
            let poison = execution.poison().map(|poison| poison.report(&self.id, code.values().are_hidden()));
            if let Some(report) = poison.or_else(unreadable) {
                return Replayed::Parked(report);
            }
        }
        let mut pending = execution.pending();
        if self.resumes > 0 {
            code.forgive(self.key);
        }
        if let Some(report) = code.deadly(self.key, &self.id, &pending) {
            return Replayed::Parked(report);
        }
        let attempts = planned(code, &mut pending);
        let refused = refused_children(code, &pending);
        let stored = Box::new(self.stored);
        Replayed::Ready(Box::new(Ready {
            execution,
            pending,
            attempts,
            refused,
            started,
            stored,
            is_rewound,
            resumes: self.resumes,
        }))
    }

    /// Why one of the events that a resumption asks to put aside cannot be, if one cannot.
    fn keeps(&self, code: &dyn Code, orchestrator: Registration, history: &[Turn]) -> Option<String> {
        if self.without.is_empty() {
            return None;
        }
        let raised = poison::count_raised(history) + self.waiting;
        let put_aside: Vec<u64> = poison::put_aside(history).collect();
        let mut replayed = code.execution(orchestrator, &self.id);
        replayed.watch(&self.without);
        // It may stop early, where it cannot read an event; what it has taken by then is all it has taken.
        let _ = replayed.replay(history.to_vec());
        self.without.iter().find_map(|number| {
            let why = match number {
                0 => "events are counted from 1".to_owned(),
                number if *number > raised => format!("only {raised} events have been raised to this run"),
                number if put_aside.contains(number) => "it has already been put aside".to_owned(),
                number if replayed.has_taken(*number) => "a wait has taken it already".to_owned(),
                _ => return None,
            };
            Some(format!("event {number} cannot be put aside: {why}"))
        })
    }
}
