//! What the jobs of machines need of the process they run in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::kernel::batch::NewInstance;
use crate::kernel::engine::event::{CallId, EntityLock, Event, Parent, Turn};
use crate::kernel::engine::execution::{Action, Execution, Next};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::Limits;
use crate::kernel::instance_id::entity_name;
use crate::kernel::payload::{Payload, Values};
use crate::kernel::registration::Registration;
use crate::kernel::stored::{InstanceKey, State, Status};
use crate::kernel::time::Timestamp;
use crate::kernel::trace::TraceContext;

/// The code that a process has registered, and its settings.
pub(crate) trait Code {
    fn now(&self) -> Timestamp;
    /// The newest version of an orchestrator.
    fn orchestrator(&self, name: &str) -> Option<Registration>;
    fn version(&self, name: &str, version: u32) -> Option<Registration>;
    /// Why an orchestrator cannot be run.
    fn not_registered(&self, name: &str, version: u32) -> String;
    /// An execution without a history.
    fn execution(&self, orchestrator: Registration, id: &Arc<str>) -> Execution;
    /// An activity, and the key that its limits are counted by for this input.
    fn activity(&self, name: &str, input: &Payload) -> Result<(Registration, Option<Arc<str>>), Failure>;
    /// Why a value is too long to be kept.
    fn excess(&self, what: fmt::Arguments<'_>, value: &Payload) -> Option<String>;
    /// Whether reports quote values.
    fn values(&self) -> Values;
    /// Why one of the calls that an instance waits for may not run any more.
    fn deadly(&self, key: InstanceKey, id: &str, pending: &[Action]) -> Option<String>;
    /// Calls of an instance that ended the process may be tried again.
    fn forgive(&self, key: InstanceKey);
}

/// An attempt of an activity that is to be started once its turn is durable, or why it cannot be.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) call: CallId,
    pub(crate) attempt: Result<Attempt, Failure>,
}

/// An attempt that can be started.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) activity: Registration,
    pub(crate) limit_key: Option<Arc<str>>,
    pub(crate) input: Payload,
    pub(crate) number: u32,
    pub(crate) limits: Limits,
}

/// What leaves with a turn.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Sub-orchestrations, in the order of their actions, and then entities that may not be there.
    pub(crate) children: Vec<NewInstance>,
    /// Messages for entities.
    pub(crate) messages: Vec<(String, Event)>,
    pub(crate) attempts: Vec<Planned>,
    /// Sub-orchestrations that are not created, because their input is too long.
    pub(crate) refused: Vec<(CallId, Event)>,
    /// The execution that follows one that continues as new.
    pub(crate) following: Option<Execution>,
}

impl Outgoing {
    /// Takes the attempts that are due at once out of `actions`, and says what the others need.
    pub(crate) fn of(
        code: &dyn Code,
        id: &Arc<str>,
        at: Timestamp,
        actions: &mut Vec<Action>,
        trace: Option<&TraceContext>,
        next: Option<&Next>,
    ) -> Self {
        let refused = refused_children(code, actions);
        let is_refused = |call: &CallId| refused.iter().any(|(refused, _)| refused == call);
        let called = actions.iter().filter(|action| !matches!(action, Action::StartChild { id, .. } if is_refused(id)));
        let children = called.filter_map(|action| child(code, id, at, action, trace));
        let told = actions.iter().filter_map(|action| match action {
            Action::TellEntity { work, message, .. } => Some((work.receiver().to_owned(), message.clone())),
            _ => None,
        });
        let (entities, messages) = entity_messages(at, told.collect());
        let children = children.chain(entities).collect();
        let following = next.map(|next| code.execution(next.orchestrator, id));
        Self { children, messages, attempts: planned(code, actions), refused, following }
    }
}

/// Takes the attempts that are due at once out of `actions`.
pub(crate) fn planned(code: &dyn Code, actions: &mut Vec<Action>) -> Vec<Planned> {
    let due = actions.extract_if(.., |action| matches!(action, Action::StartActivity { not_before: None, .. }));
    due.filter_map(|action| match action {
        Action::StartActivity { id, name, input, attempt, limits, .. } => {
            Some(Planned { call: id, attempt: self::attempt(code, name, input, attempt, limits) })
        }
        _ => None,
    })
    .collect()
}

fn attempt(code: &dyn Code, name: &str, input: Payload, number: u32, limits: Limits) -> Result<Attempt, Failure> {
    if let Some(excess) = code.excess(format_args!("what `{name}` is called with"), &input) {
        return Err(Failure::new(FailureKind::Codec, excess));
    }
    let (activity, limit_key) = code.activity(name, &input)?;
    Ok(Attempt { activity, limit_key, input, number, limits })
}

/// The failures of sub-orchestrations whose inputs are too long.
pub(crate) fn refused_children(code: &dyn Code, actions: &[Action]) -> Vec<(CallId, Event)> {
    let refused = actions.iter().filter_map(|action| {
        let Action::StartChild { id, name, input, .. } = action else { return None };
        let failure = Failure::new(FailureKind::Codec, code.excess(format_args!("the input of `{name}`"), input)?);
        Some((*id, Event::SubOrchestrationInstanceFailed { id: *id, failure, retry_at: None }))
    });
    refused.collect()
}

/// The instance of a sub-orchestration.
fn child(
    code: &dyn Code,
    parent: &Arc<str>,
    now: Timestamp,
    action: &Action,
    trace: Option<&TraceContext>,
) -> Option<NewInstance> {
    let Action::StartChild { id, name, instance, input, detached } = action else { return None };
    let parent = (!detached).then(|| Parent { instance: parent.to_string(), id: *id });
    let registered = code.orchestrator(name);
    let (version, shape) = registered.map_or((1, 0), |registered| (registered.version(), registered.shape()));
    let started = Event::ExecutionStarted {
        name: (*name).to_owned(),
        version,
        input: input.clone(),
        shape,
        parent: parent.clone(),
        continued: None,
        trace: trace.cloned().map(Box::new),
    };
    Some(NewInstance {
        id: instance.clone(),
        name: (*name).to_owned(),
        parent,
        created_at: now,
        turn: Turn { at: now, events: vec![started] },
        state: State::pending(),
        tags: BTreeMap::new(),
    })
}

/// What a batch needs to bring messages to entities: those that may not be there, and the messages. One that is in memory may have
/// been purged before the batch is applied, so none is left out.
pub(crate) fn entity_messages(now: Timestamp, messages: Vec<(String, Event)>) -> (Vec<NewInstance>, Vec<(String, Event)>) {
    let mut ids: Vec<_> = messages.iter().map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    (ids.into_iter().map(|id| new_entity(id, now)).collect(), messages)
}

/// An entity that nobody has asked for anything yet.
pub(crate) fn new_entity(id: &str, now: Timestamp) -> NewInstance {
    let lock: Option<EntityLock> = None;
    let turn = Turn { at: now, events: vec![Event::EntityState { state: None, lock }] };
    let state = State { status: Status::Running, busy: false, ..State::pending() };
    let name = entity_name(id).to_owned();
    NewInstance { id: id.to_owned(), name, parent: None, created_at: now, turn, state, tags: BTreeMap::new() }
}
