//! What clients ask for, in this process and in another, and what must be true when they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot::{Receiver, channel};

use crate::kernel::batch::{Append, Batch, Update};
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::function::Recorded;
use crate::kernel::machine::entity::message::{EntityMessage, EntityRequest};
use crate::kernel::machine::instance::jobs::First;
use crate::kernel::machine::instance::{Instance, Next};
use crate::kernel::machine::message::{Ack, Message};
use crate::kernel::machine::request::StartRequest;
use crate::kernel::machine::simulation::ledger::REASON;
use crate::kernel::machine::simulation::programs::{Kind, SIGNAL, book};
use crate::kernel::machine::simulation::world::World;
use crate::kernel::payload::Payload;
use crate::kernel::stored::{InstanceKey, State, Status, StoreResult, Stored};

/// The clients of a world.
#[derive(Default)]
pub(super) struct Clients {
    /// What is started under which id.
    plan: Vec<(Arc<str>, Kind, u32)>,
    /// How many requests are still to be made.
    left: usize,
    asked: Vec<Asked>,
    /// How many values and reasons there are.
    tokens: u32,
}

/// A request that waits for its answer.
struct Asked {
    what: String,
    answer: Answer,
    /// What is in the store when it is done: a value or a reason, or the id of an instance.
    token: Option<String>,
    id: String,
    /// How many generations of that had ended when it was asked for.
    ends: u32,
}

enum Answer {
    Done(Receiver<StoreResult<()>>),
    Operated(Receiver<StoreResult<Recorded>>),
}

impl Clients {
    pub(super) fn new(world: &mut World) -> Self {
        let count = 1 + world.below(4);
        let plan = (1..=count).map(|n| (format!("w{n}").into(), Kind::ALL[world.below(Kind::ALL.len())], world.below(4) as u32));
        let plan = plan.collect();
        Self { plan, left: count + world.below(16), ..Self::default() }
    }

    /// The process of those who wait for an answer has ended.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    pub(super) fn all_answered(&self) -> Result<(), &str> {
        self.asked.first().map_or(Ok(()), |asked| Err(&asked.what))
    }

    fn token(&mut self) -> u32 {
        self.tokens += 1;
        self.tokens
    }
}

/// Answers.
impl World {
    fn asks(&mut self, what: impl Into<String>, id: &str, token: Option<String>) -> Ack {
        let (ack, answer) = channel();
        let (what, id) = (what.into(), id.to_owned());
        self.tell(|| format!("client: {what} {id} {token:?}"));
        let ends = self.store.ledger.ends(&id);
        self.clients.asked.push(Asked { what, answer: Answer::Done(answer), token, id, ends });
        ack
    }

    /// Looks who was answered, and whether the answer is true.
    pub(super) fn hear(&mut self) {
        let mut asked = std::mem::take(&mut self.clients.asked);
        asked.retain_mut(|asked| {
            let answer = match &mut asked.answer {
                Answer::Done(answer) => answer.try_recv().map(|answer| answer.map(|answer| answer.map(|()| Ok(Payload::null())))),
                Answer::Operated(answer) => answer.try_recv(),
            };
            match answer {
                Ok(None) => true,
                Ok(Some(answer)) => {
                    self.tell(|| format!("client: {} {} {:?} is answered {answer:?}", asked.what, asked.id, asked.token));
                    self.check_answer(asked, answer);
                    false
                }
                Err(_) => panic!("nobody answers: {} {}", asked.what, asked.id),
            }
        });
        self.clients.asked.append(&mut asked);
    }

    fn check_answer(&mut self, asked: &Asked, answer: StoreResult<Recorded>) {
        let Asked { what, token, id, ends, .. } = asked;
        let ledger = &self.store.ledger;
        match (answer, token) {
            (Ok(Ok(_)), Some(token)) => {
                let is_known = if what == "call" { ledger.written.contains(token) } else { ledger.seen.contains(token) };
                // One that has not begun has no history of its suspensions.
                let is_about_its_start = what == "suspend" || what == "resume";
                let has_begun = |found: &Stored| !is_about_its_start || found.history.len() > 3;
                let is_left = what != "call" && (ledger.ends(id) > *ends || !self.store.find(id).is_some_and(has_begun));
                assert!(is_known || is_left, "{what} {id} {token} is answered before it is in the store");
            }
            (Ok(_), None) if what == "start" => assert!(self.store.find(id).is_some(), "the start of {id} is answered before it"),
            (Err(_), Some(token)) => {
                assert!(!ledger.seen.contains(token), "{what} {id} {token} is refused, and done");
                self.store.ledger.refused.insert(token.clone());
            }
            _ => {}
        }
    }
}

/// Requests.
impl World {
    /// Lets a client ask for something. Whether one has.
    pub(super) fn ask(&mut self) -> bool {
        if self.clients.left == 0 || self.memory.stopped {
            return false;
        }
        self.clients.left -= 1;
        let which = self.below(self.clients.plan.len());
        let (id, kind, n) = self.clients.plan[which].clone();
        let status = self.store.find(&id).map(|found| found.instance.state.status);
        match status {
            None => self.ask_start(&id, kind, n, Vec::new()),
            Some(Status::Failed) if self.one_in(2) => self.ask_rewind(&id),
            Some(status) if status.is_terminal() => {
                let mut family = self.store.family(&id);
                if self.one_in(3) {
                    family.truncate(1);
                }
                self.ask_start(&id, kind, n, family);
            }
            Some(_) => self.ask_of_a_run(&id),
        }
        true
    }

    fn ask_of_a_run(&mut self, id: &Arc<str>) {
        // One of its children, sometimes.
        let family = self.store.family(id);
        let which = self.below(2 * family.len()).saturating_sub(family.len());
        let id: Arc<str> = self.store.instances[&family[which]].instance.id.as_str().into();
        match self.below(12) {
            0..=3 => self.ask_raise(&id),
            4 | 5 => self.ask_reason("suspend", &id),
            6 | 7 => self.ask_reason("resume", &id),
            8 => self.ask_reason("terminate", &id),
            9 => {
                let book = self.book();
                self.ask_signal(&book);
            }
            10 => self.ask_call(),
            _ => self.ask_purge(),
        }
    }

    fn ask_start(&mut self, id: &Arc<str>, kind: Kind, n: u32, replaces: Vec<InstanceKey>) {
        let (orchestrator, input) = kind.request(n);
        let at = self.one_in(5).then(|| self.now.after(Duration::from_secs(self.below(3) as u64)));
        let (name, version, tags) = (orchestrator.name().to_owned(), orchestrator.version(), BTreeMap::new());
        let request = StartRequest { id: id.to_string(), name, version, input, at, tags, trace: None, replaces };
        let ack = self.asks("start", id, None);
        let has_place = request.at.is_none_or(|at| at <= self.now) && !self.one_in(4) && self.take_place();
        if has_place && !self.memory.instances_by_id.contains_key(id) {
            let number = self.add_instance(id, Instance::created(id.clone(), self.places.is_some()));
            return self.follow(number, Next::First(Box::new(First { id: id.clone(), orchestrator, request, ack })));
        }
        if has_place {
            self.release_place();
        }
        let batch = request.into_batch(orchestrator.shape(), self.now);
        let due = batch.create.as_ref().and_then(|new| new.state.wake_at);
        self.send(batch, move |world, result| {
            let answer = result.map(|_| match due {
                Some(_) => world.set_stored(due),
                None => world.scan(true),
            });
            let _ = ack.send(answer.map_err(|refused| refused.error));
        });
    }

    /// Sends an event to a run, from this process or from another.
    fn ask_event(&mut self, what: &str, id: &Arc<str>, token: String, event: Event) {
        if self.one_in(4) {
            return self.post_from_outside(id, event);
        }
        let ack = self.asks(what, id, Some(token));
        self.route(id, Message { ack: Some(ack), ..Message::of(event) });
    }

    fn post_from_outside(&mut self, id: &Arc<str>, event: Event) {
        let found = self.store.find(id).filter(|found| !found.instance.state.status.is_terminal());
        let Some(key) = found.map(|found| found.instance.key) else { return };
        let is_suspended = found.is_some_and(|found| found.instance.state.status == Status::Suspended);
        match event {
            Event::ExecutionSuspended { .. } if is_suspended => return,
            Event::ExecutionResumed { .. } if !is_suspended => return,
            _ => {}
        }
        self.tell(|| format!("another process posts to {id}: {event:?}"));
        self.store.apply(&Batch { post: vec![(key, event)], ..Batch::default() }).expect("it is there");
        (self.memory.rung, self.memory.starts) = (true, true);
    }

    pub(super) fn ask_raise(&mut self, id: &Arc<str>) {
        let value = format!("value {}", self.clients.token());
        let input = Payload::encode(&value).expect("it is a text");
        self.ask_event("raise", id, value, Event::EventRaised { name: SIGNAL.name().to_owned(), input });
    }

    pub(super) fn ask_reason(&mut self, what: &str, id: &Arc<str>) {
        let reason = format!("{REASON}{}", self.clients.token());
        let event = match what {
            "suspend" => Event::ExecutionSuspended { reason: reason.clone() },
            "resume" => Event::ExecutionResumed { reason: reason.clone(), without_events: Vec::new() },
            _ => Event::ExecutionTerminated { reason: reason.clone() },
        };
        self.ask_event(what, id, reason, event);
    }

    fn book(&mut self) -> Arc<str> {
        book(["a", "b"][self.below(2)])
    }

    fn ask_book(&mut self, what: &str, id: &Arc<str>, request: EntityRequest, token: Option<String>) {
        let (reply, answer) = channel();
        self.tell(|| format!("client: {what} {id} {token:?}"));
        let (what, answer, id_text) = (what.to_owned(), Answer::Operated(answer), id.to_string());
        self.clients.asked.push(Asked { what, answer, token, id: id_text, ends: 0 });
        self.tell_entity(id, EntityMessage { request, inbox: None, reply: Some(reply) });
    }

    pub(super) fn ask_signal(&mut self, id: &Arc<str>) {
        let entry = format!("signal {}", self.clients.token());
        let (operation, input) = ("write".into(), Payload::encode(&entry).expect("it is a text"));
        let (entity, at) = (id.to_string(), String::new());
        let event = Event::EntityOperationSignaled { id: 0, entity, operation, input, at, caller: None };
        self.ask_book("signal", id, EntityRequest::Event(event), Some(entry));
    }

    fn ask_call(&mut self) {
        let (id, entry) = (self.book(), format!("call {}", self.clients.token()));
        let (operation, input) = ("write".into(), Payload::encode(&entry).expect("it is a text"));
        let (entity, at) = (id.to_string(), String::new());
        let event = Event::EntityOperationCalled { id: 0, entity, operation, input, at, caller: None };
        self.ask_book("call", &id, EntityRequest::Event(event), Some(entry));
    }

    fn ask_purge(&mut self) {
        let id = self.book();
        if let Some(key) = self.store.find(&id).map(|found| found.instance.key) {
            self.ask_book("purge", &id, EntityRequest::Purge(key), None);
        }
    }

    /// Rewinds a failed run and those that have failed with it, callers last.
    fn ask_rewind(&mut self, root: &Arc<str>) {
        let has_failed =
            |key: &InstanceKey| matches!(self.store.instances[key].instance.state.status, Status::Failed | Status::Terminated);
        let family: Vec<_> = self.store.family(root).into_iter().filter(has_failed).collect();
        self.tell(|| format!("client: rewind {root}"));
        // Of two at once, one could rewind what the other has rewound and what has ended again since.
        if !std::mem::replace(&mut self.memory.is_rewinding, true) {
            self.rewind_last(family);
        }
    }

    fn rewind_last(&mut self, mut family: Vec<InstanceKey>) {
        // It takes a client longer to rewind a family than the worker to tell of an end.
        if self.memory.telling > 0 {
            return self.later("a rewind waits", |world| world.rewind_last(family));
        }
        self.memory.is_rewinding = false;
        let Some(stored) = family.pop().and_then(|key| self.store.instances.get(&key)) else { return };
        let (key, state) = (stored.instance.key, stored.instance.state.clone());
        let id: Arc<str> = stored.instance.id.as_str().into();
        let has_lock = |event: &Event| matches!(event, Event::EntityLockRequested { .. });
        if !state.status.is_terminal() || stored.history.iter().flat_map(|turn| &turn.events).any(has_lock) {
            return;
        }
        let event = Event::ExecutionRewound { reason: String::new() };
        let turn = Turn { at: self.now, events: vec![event.clone()] };
        let number = stored.history.len() as u32 + 1;
        let append = Some(Append { instance: key, number, turn });
        let update = Some(Update { instance: key, state: State { status: Status::Running, busy: true, ..state } });
        let mut batch = Batch { append, update, ..Batch::default() };
        self.memory.is_rewinding = true;
        if self.one_in(3) {
            batch.post.push((key, event));
            self.memory.is_rewinding = self.store.apply(&batch).is_ok();
            if self.memory.is_rewinding {
                (self.memory.rung, self.memory.starts) = (true, true);
                self.later("the next is rewound", |world| world.rewind_last(family));
            }
            return;
        }
        self.send(batch, move |world, result| {
            world.memory.is_rewinding = result.is_ok();
            if result.is_ok() {
                world.wake(&id);
                world.later("the next is rewound", |world| world.rewind_last(family));
            }
        });
    }
}
