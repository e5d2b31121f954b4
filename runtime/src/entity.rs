//! What `#[entity]` emits: a keyed state and its operations, as the worker runs them by name.

use std::cell::RefCell;

use crate::kernel::barrier;
use crate::kernel::engine::entity::Operation;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Codec, Kind, Recorded, Returned, Site, Storable};
use crate::kernel::instance_id;
use crate::kernel::payload::Payload;

/// A keyed state with operations. Implemented by [`#[entity]`](macro@crate::entity).
pub trait Entity: EntityState {
    /// The name it is registered under.
    const NAME: &'static str;
    /// Where it is written.
    #[doc(hidden)]
    const SITE: Site;
    /// The names of its operations, and whether each may change the state.
    #[doc(hidden)]
    const OPERATIONS: &'static [(&'static str, bool)];

    /// Whether an operation of this name can read its arguments, if there is one.
    #[doc(hidden)]
    fn check(operation: &str, input: &Payload) -> Option<Result<(), Failure>>;

    /// Runs an operation by its name, if there is one of this name.
    #[doc(hidden)]
    fn operate(&mut self, operation: &str, input: &Payload) -> Option<Recorded>;
}

/// What the state of an entity must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of an entity",
    label = "needs `Default`, `Serialize`, `DeserializeOwned`, `Send` and `'static`",
    note = "an entity begins with its default, and is recorded as JSON after each operation, so that a restarted process can go on with it",
    note = "add `#[derive(Default, serde::Serialize, serde::Deserialize)]`"
)]
pub trait EntityState: Default + Storable {}

#[diagnostic::do_not_recommend]
impl<T: Default + Storable> EntityState for T {}

/// An operation of an entity, as the engine sees it. Implemented by `#[entity]` on a hidden type.
pub trait EntityOperation: 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its arguments as a tuple.
    type Input;
    /// Its declared return type.
    type Output: Send + 'static;
    /// How that return type is recorded.
    type Kind: Returned<Self::Output>;

    /// How its arguments are written and read.
    fn codec() -> Codec<Self::Input>;
}

/// The operation that every entity has: it takes the state away, so that the next operation begins with the default.
pub struct Delete;

impl Delete {
    pub(crate) const NAME: &'static str = "delete";
}

impl EntityOperation for Delete {
    const NAME: &'static str = Self::NAME;
    type Input = ();
    type Output = ();
    type Kind = Kind<false, false>;

    fn codec() -> Codec<()> {
        Codec { encode: |()| Ok(Payload::null()), decode: |_| Ok(()) }
    }
}

/// Which entity: its name and its key. Its text, `@counter@key`, is its instance id, as in Durable Functions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityId {
    name: String,
    key: String,
}

impl EntityId {
    /// The entity of a type with a key.
    #[must_use]
    pub fn new<E: Entity>(key: &str) -> Self {
        Self::named(E::NAME, key)
    }

    /// The entity of a name with a key, for what knows no types.
    #[must_use]
    pub fn named(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { name: name.into(), key: key.into() }
    }

    /// The entity of an instance id, if it is one of an entity.
    pub(crate) fn of(id: &str) -> Option<Self> {
        id.strip_prefix('@')?.split_once('@').map(|(name, key)| Self::named(name, key))
    }

    /// The name of the entity type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text, if name and key can be such.
    pub(crate) fn checked(&self) -> Result<String, Failure> {
        let id = self.to_string();
        instance_id::check_entity(&id, &self.name, &self.key).map(|()| id)
    }
}

impl std::fmt::Display for EntityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "@{}@{}", self.name, self.key)
    }
}

/// An entity type without its types: what the worker needs to run its operations by name.
#[derive(Clone, Copy)]
pub struct EntityRegistration {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    operations: &'static [(&'static str, bool)],
    open: fn(Option<&Payload>) -> Opened,
    check: fn(&str, &Payload) -> Option<Result<(), Failure>>,
}

inventory::collect!(EntityRegistration);

impl EntityRegistration {
    /// Of an entity type.
    #[must_use]
    pub const fn of<E: Entity>() -> Self {
        Self { name: E::NAME, site: E::SITE, operations: E::OPERATIONS, open: open::<E>, check: E::check }
    }

    /// The state from its recorded form, or the default.
    pub(crate) fn open(&self, state: Option<&Payload>) -> Opened {
        barrier::run(|| (self.open)(state)).flatten()
    }

    /// Why an operation cannot be done with these arguments: they cannot be read, or there is none of this name.
    pub(crate) fn refuses(&self, operation: &str, input: &Payload) -> Option<Failure> {
        match barrier::run(|| (self.check)(operation, input)) {
            Ok(Some(checked)) => checked.err(),
            Ok(None) => (operation != Delete::NAME).then(|| self.unknown(operation)),
            Err(panic) => Some(panic),
        }
    }

    /// Whether an operation may change the state; nothing for one that does not exist.
    pub(crate) fn changes(&self, operation: &str) -> Option<bool> {
        self.operations.iter().find(|(name, _)| *name == operation).map(|(_, changes)| *changes)
    }

    pub(crate) fn unknown(&self, operation: &str) -> Failure {
        let known: Vec<_> = self.operations.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "the entity `{}` has no operation `{operation}` in this process; those it has: {}",
            self.name,
            known.join(", ")
        );
        Failure::new(FailureKind::NotRegistered, message)
    }
}

fn open<E: Entity>(state: Option<&Payload>) -> Opened {
    Ok(Live(Some(Box::new(state.map_or_else(|| Ok(E::default()), Payload::decode)?))))
}

/// A state that was read.
type Opened = Result<Live, Failure>;

/// The state of an entity in memory. No panic of it passes, and what it signals while it is dropped reaches nobody.
pub(crate) struct Live(Option<Box<dyn State>>);

/// What an operation has brought about.
pub(crate) struct Operated {
    pub(crate) result: Payload,
    /// The state after it, if it may have changed.
    pub(crate) state: Option<Payload>,
    pub(crate) signals: Vec<Operation>,
}

impl Live {
    /// Runs an operation. One that fails may leave the state half changed.
    pub(crate) fn operate(
        &mut self,
        registration: &EntityRegistration,
        operation: &str,
        input: &Payload,
    ) -> Result<Operated, Failure> {
        let Some(state) = &mut self.0 else { return Err(registration.unknown(operation)) };
        let changes = registration.changes(operation).unwrap_or_default();
        let (outcome, signals) = signals_of(|| {
            let result = state.operate(operation, input).unwrap_or_else(|| Err(registration.unknown(operation)))?;
            Ok((result, changes.then(|| state.record()).transpose()?))
        });
        let (result, state) = outcome.flatten()?;
        Ok(Operated { result, state, signals: signals.into_iter().collect::<Result<_, _>>()? })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let state = self.0.take();
        let _ = signals_of(|| barrier::dispose("an entity", state));
    }
}

/// The state of an entity without its type.
trait State: Send {
    fn operate(&mut self, operation: &str, input: &Payload) -> Option<Recorded>;
    fn record(&self) -> Recorded;
}

impl<E: Entity> State for E {
    fn operate(&mut self, operation: &str, input: &Payload) -> Option<Recorded> {
        E::operate(self, operation, input)
    }

    fn record(&self) -> Recorded {
        Payload::encode(self)
    }
}

thread_local! {
    /// What the operation that runs on this thread has signalled.
    static SIGNALS: RefCell<Option<Vec<Result<Operation, Failure>>>> = const { RefCell::new(None) };
}

/// Runs user code behind the barrier; gives what it has signalled, too.
fn signals_of<R>(operate: impl FnOnce() -> R) -> (Result<R, Failure>, Vec<Result<Operation, Failure>>) {
    let outer = SIGNALS.replace(Some(Vec::new()));
    let result = barrier::run(operate);
    (result, SIGNALS.replace(outer).unwrap_or_default())
}

/// Keeps a signal of the operation that runs on this thread; gives it back when there is none.
pub(crate) fn signal(operation: Result<Operation, Failure>) -> Option<Result<Operation, Failure>> {
    SIGNALS.with_borrow_mut(|signals| match signals {
        Some(signals) => {
            signals.push(operation);
            None
        }
        None => Some(operation),
    })
}
