//! What `#[entity]` emits: a keyed state and its operations, as the worker runs them by name.

use crate::kernel::entity::{DELETE, EntityRegistration, State};
use crate::kernel::failure::Failure;
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
    pub(crate) const NAME: &'static str = DELETE;
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

impl EntityRegistration {
    /// Of an entity type.
    #[must_use]
    pub const fn of<E: Entity>() -> Self {
        Self::new(E::NAME, E::SITE, E::OPERATIONS, open::<E>, E::check)
    }
}

/// The state from its recorded form, or the default.
fn open<E: Entity>(state: Option<&Payload>) -> Result<Box<dyn State>, Failure> {
    Ok(Box::new(state.map_or_else(|| Ok(E::default()), Payload::decode)?))
}

impl<E: Entity> State for E {
    fn operate(&mut self, operation: &str, input: &Payload) -> Option<Recorded> {
        E::operate(self, operation, input)
    }

    fn record(&self) -> Recorded {
        Payload::encode(self)
    }
}
