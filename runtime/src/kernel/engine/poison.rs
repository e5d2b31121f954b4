//! An external event whose value cannot be read by the wait that takes it.
//!
//! Invariant: such a run is parked, never failed, so that somebody can put the event aside or start a build that reads it.

use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::failure::Failure;

/// An event that a wait has taken and could not read.
#[derive(Clone, Debug)]
pub(crate) struct Poison {
    pub(crate) name: String,
    /// Its place among the events of its execution: 1 is the first.
    pub(crate) number: u64,
    pub(crate) failure: Failure,
}

impl Poison {
    /// What the user is told. Where values are kept encrypted it quotes none.
    pub(crate) fn report(&self, instance: &str, is_encrypted: bool) -> String {
        let Self { name, number, failure } = self;
        let why = match is_encrypted {
            true => "its value does not have the type that the wait expects\n  value: encrypted, not shown here".to_owned(),
            // It quotes the value.
            false => failure.to_string(),
        };
        format!(
            "event {number}, `{name}`, cannot be read: {why}\n  \
             nothing is lost: the run is parked; put the event aside with `dacapo resume {instance} --without-event {number}` or \
             `client.resume(id, reason).without_event({number})`, or resume the run under a build that waits for another type"
        )
    }
}

/// Why a turn was given up.
#[derive(Debug)]
pub(crate) enum Report {
    /// The whole report.
    Text(String),
    /// An event that cannot be read.
    Event(Box<Poison>),
}

impl Report {
    /// What the user is told. Where values are kept encrypted it quotes none of the event's.
    pub(crate) fn text(self, instance: &str, is_encrypted: bool) -> String {
        match self {
            Self::Text(text) => text,
            Self::Event(poison) => poison.report(instance, is_encrypted),
        }
    }
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The numbers of the events that a history puts aside.
pub(crate) fn put_aside(history: &[Turn]) -> impl Iterator<Item = u64> {
    let events = history.iter().flat_map(|turn| &turn.events);
    events
        .flat_map(|event| match event {
            Event::ExecutionResumed { without_events, .. } => without_events.as_slice(),
            _ => &[],
        })
        .copied()
}

/// How many external events a history holds, those included that the execution before has left.
pub(crate) fn count_raised(history: &[Turn]) -> u64 {
    let events = history.iter().flat_map(|turn| &turn.events);
    events
        .map(|event| match event {
            Event::EventRaised { .. } => 1,
            Event::ExecutionStarted { continued: Some(continued), .. } => continued.events.len() as u64,
            _ => 0,
        })
        .sum()
}
