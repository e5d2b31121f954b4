//! Calling, signalling and reading entities from outside.

use serde::Serialize;

use crate::client::{Backend, Client};
use crate::entity::{Entity, EntityId, EntityOperation};
use crate::kernel::engine::event::Event;
use crate::kernel::engine::work::EntityWork;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Recorded, Returned};
use crate::kernel::instance_id::entity_name;
use crate::kernel::machine::code::new_entity;
use crate::kernel::payload::Payload;
use crate::orchestration::entity::EntityCall;
use crate::store::payload_store::PayloadStore;
use crate::store::{Batch, End, Lookup, StoreResult, Turn};

impl Client {
    /// Calls an operation of an entity and waits for its result: a `Result<T, E>` if the operation returns one, otherwise a
    /// `Result<T, Failure>`. Its change is durable when this returns.
    ///
    /// It waits while an orchestration has locked the entity. If the process ends meanwhile, the operation may or may not have taken
    /// effect; an orchestration that calls it always knows.
    ///
    /// # Errors
    /// The error that the operation returned, or a [`Failure`]. A client of [another process](Client::connect) always gets a failure:
    /// it can signal and read entities, but not call them.
    ///
    /// ```standalone_crate
    /// use dacapo::entity;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Counter { value: i64 }
    ///
    /// #[entity]
    /// impl Counter {
    ///     fn add(&mut self, n: i64) -> i64 { self.value += n; self.value }
    ///     fn get(&self) -> i64 { self.value }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// assert_eq!(runtime.call(Counter::at("visits").add(2)).await?, 2);
    /// runtime.signal(Counter::at("visits").add(3)).await?;
    /// assert_eq!(runtime.call(Counter::at("visits").get()).await?, 5);
    /// let state = runtime.state_of::<Counter>("visits").await?;
    /// assert_eq!(state.expect("it was given one").value, 5);
    /// runtime.call(Counter::at("visits").delete()).await?;
    /// assert!(runtime.state_of::<Counter>("visits").await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the operation may take effect once or not at all,
    /// and its result is lost.
    pub async fn call<O: EntityOperation>(&self, call: EntityCall<O>) -> <O::Kind as Returned<O::Output>>::Result {
        O::Kind::result(self.call_recorded(call).await)
    }

    async fn call_recorded<O: EntityOperation>(&self, call: EntityCall<O>) -> Recorded {
        let failed = |message: String| Failure::new(FailureKind::Runtime, message);
        let operation = call.into_operation()?;
        let Backend::Worker(worker) = &self.backend else {
            return Err(failed(format!(
                "`{}` of the entity `{}` was called from another process than that of the worker, which cannot wait for the answer; \
                 signal it and read its state, or start an orchestration that calls it",
                operation.name, operation.entity
            )));
        };
        let entity = operation.entity.clone();
        let answer = worker.operate(&entity, EntityWork::Call(operation).event(0, String::new(), None)).await;
        answer.unwrap_or_else(|error| Err(failed(error.to_string())))
    }

    /// Signals an operation of an entity without waiting for its result. When this returns, the signal is durable and takes effect once; a
    /// failure of the operation is only logged.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the key is invalid or the entity cannot be loaded; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, the signal may have been sent or not, but never in
    /// part.
    pub async fn signal<O: EntityOperation>(&self, call: EntityCall<O>) -> Result<(), RuntimeError> {
        let operation = call.into_operation().map_err(invalid)?;
        let entity = operation.entity.clone();
        self.tell(entity, EntityWork::Signal(operation).event(0, String::new(), None)).await
    }

    /// Signals an operation by name, as [`signal`](Self::signal) does, with JSON input: `null` if the operation takes no argument, the
    /// argument itself if it takes one, and an object keyed by argument name if it takes several. The entity's name matches
    /// case-insensitively, as with [`start_named`](Self::start_named).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the worker has no such entity, or no worker has opened the store yet; when the worker is in this process and
    /// its entity has no such operation or cannot read the input (elsewhere the entity skips the signal, and its status has a report);
    /// otherwise as for [`signal`](Self::signal).
    ///
    /// ```standalone_crate
    /// use dacapo::EntityId;
    ///
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// struct Counter { value: i64 }
    ///
    /// #[dacapo::entity]
    /// impl Counter {
    ///     fn add(&mut self, n: i64) -> i64 { self.value += n; self.value }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let visits = EntityId::named("counter", "visits");
    /// runtime.signal_named(&visits, "add", 2).await?;
    /// let state = runtime.state_named(&visits).await?;
    /// assert_eq!(state.expect("it was given one").as_str(), r#"{"value":2}"#);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// As [`signal`](Self::signal).
    pub async fn signal_named(&self, entity: &EntityId, operation: &str, input: impl Serialize) -> Result<(), RuntimeError> {
        let name = self.entity_named(entity.name()).await?.ok_or_else(|| {
            let message = format!(
                "no worker has opened this store yet, so nobody knows whether there is an entity `{}`; open it once with your program",
                entity.name()
            );
            RuntimeError::new(ErrorKind::Invalid, message)
        })?;
        let entity = EntityId::named(name, entity.key()).checked().map_err(invalid)?;
        let input = Payload::encode(&input).map_err(invalid)?;
        if let Backend::Worker(worker) = &self.backend
            && let Some(failure) =
                worker.registry().entity(entity_name(&entity)).and_then(|known| known.refuses(operation, &input))
        {
            let message = format!("cannot signal `{operation}` to `{entity}`: {failure}");
            return Err(RuntimeError::new(ErrorKind::Invalid, message));
        }
        self.check_length(format_args!("the input of `{operation}`"), &input)?;
        let (operation, at) = (operation.to_owned().into(), String::new());
        let event = Event::EntityOperationSignaled { id: 0, entity: entity.clone(), operation, input, at, caller: None };
        self.tell(entity, event).await
    }

    async fn tell(&self, entity: String, event: Event) -> StoreResult<()> {
        match &self.backend {
            Backend::Worker(worker) => worker.operate(&entity, event).await.map(|_| ()),
            Backend::Store(_) => {
                let children = vec![new_entity(&entity, self.now())];
                self.apply(Batch { children, tell: vec![(entity, event)], ..Batch::default() }).await.map(|_| ())
            }
        }
    }

    /// The last recorded state of an entity, read without calling the entity; `None` if no operation has set one, or if it was deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the key is invalid or the recorded state does not fit the type; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn state_of<E: Entity>(&self, key: &str) -> Result<Option<E>, RuntimeError> {
        let id = EntityId::new::<E>(key).checked().map_err(invalid)?;
        let state = self.recorded_state(id).await?;
        state.map(|state| state.decode()).transpose().map_err(|failure: Failure| {
            let why = self.store().payloads().values().told(failure);
            RuntimeError::new(ErrorKind::Invalid, format!("the state of `{}` cannot be read: {why}", EntityId::new::<E>(key)))
        })
    }

    /// The last recorded state of an entity by name, like [`state_of`](Self::state_of).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the name or the key is invalid; or an error from the store.
    ///
    /// # Cancel safety
    /// This method is cancel safe: it only reads.
    pub async fn state_named(&self, entity: &EntityId) -> Result<Option<Payload>, RuntimeError> {
        let name = self.entity_name(entity.name()).await?;
        self.recorded_state(EntityId::named(name, entity.key()).checked().map_err(invalid)?).await
    }

    /// The name of an entity type as it is registered, or as it was given if it is not: one of another build.
    pub(super) async fn entity_name(&self, given: &str) -> StoreResult<String> {
        match self.entity_named(given).await {
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(given.to_owned()),
            named => Ok(named?.unwrap_or_else(|| given.to_owned())),
        }
    }

    async fn recorded_state(&self, id: String) -> StoreResult<Option<Payload>> {
        let read = async move |store: PayloadStore| {
            let Some(found) = store.find(Lookup::Id(id)).await? else { return Ok(None) };
            store.turn(found.key, End::Last).await
        };
        Ok(state_in(self.ask(read).await?))
    }
}

/// The state that the last turn of an entity tells.
pub(super) fn state_in(last: Option<Turn>) -> Option<Payload> {
    last?.events.into_iter().find_map(|event| match event {
        Event::EntityState { state, .. } => state,
        _ => None,
    })
}

fn invalid(failure: Failure) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, failure.to_string())
}
