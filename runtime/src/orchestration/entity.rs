//! Calls and signals of entities, and the lock of several.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::entity::{EntityId, EntityOperation};
use crate::kernel::engine::scope::{self, Call};
use crate::kernel::engine::work::Operation;
use crate::kernel::entity;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::function::{Recorded, Returned};
use crate::orchestration::checked::{self, Checked};
use crate::orchestration::durable::Durable;

/// An operation of an entity, not asked for yet: `Counter::at("visits").add(1)`.
///
/// Awaited in an orchestrator it is called, and gives what the operation returns. [`signal`](Self::signal) asks for it and waits for
/// nothing. Passed to [`Client::call`](crate::Client::call) or [`Client::signal`](crate::Client::signal) it does the same from outside.
///
/// # Cancel safety
/// This future is not cancel safe: when it is dropped after its first poll, the operation takes effect and its result is lost.
#[must_use = "an operation does nothing until it is awaited or signalled in an orchestrator, or passed to a client"]
pub struct EntityCall<O: EntityOperation> {
    operation: Option<Result<Operation, Failure>>,
    call: Option<Call>,
    site: &'static Location<'static>,
    kind: PhantomData<fn() -> O>,
}

/// Nothing in a call is pinned in place.
impl<O: EntityOperation> Unpin for EntityCall<O> {}

impl<O: EntityOperation> EntityCall<O> {
    #[doc(hidden)]
    #[track_caller]
    pub fn new(id: &EntityId, input: &O::Input) -> Self {
        let operation =
            id.checked().and_then(|entity| Ok(Operation { entity, name: O::NAME, input: (O::codec().encode)(input)? }));
        Self { operation: Some(operation), call: None, site: Location::caller(), kind: PhantomData }
    }

    /// Asks for the operation and waits for nothing, in an orchestrator or in an operation of another entity. The signal is part of the
    /// turn or the operation that gives it: it arrives once if that is recorded, and else never. Signals from one to another arrive in
    /// their order.
    ///
    /// # Panics
    /// Elsewhere; use [`Client::signal`](crate::Client::signal) there.
    pub fn signal(mut self) {
        let Some(operation) = self.operation.take().and_then(entity::signal) else { return };
        let told = scope::with(|scope| scope.signal_entity(operation, self.site));
        told.unwrap_or_else(|| {
            panic!(
                "the operation `{name}` was signalled outside a runtime, where nothing would be recorded; \
                 write `runtime.signal(..{name}(..)).await`, or signal it in an `#[orchestrator]` or in an operation of an entity",
                name = O::NAME
            )
        });
    }

    /// The same call with the engine's failures visible: `Result<T, Failure>`, whatever the operation returns.
    pub fn checked(self) -> CheckedEntityCall<O> {
        Checked(self)
    }

    /// What is asked for.
    pub(crate) fn into_operation(self) -> Result<Operation, Failure> {
        self.operation
            .unwrap_or_else(|| Err(Failure::new(FailureKind::Runtime, "the call was polled in an orchestrator already")))
    }

    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<Recorded> {
        if let Some(operation) = self.operation.take() {
            self.call = scope::with(|scope| scope.call_entity(operation, self.site));
        }
        let Some(call) = &mut self.call else {
            panic!(
                "the operation `{name}` of an entity was awaited outside an orchestrator, where nothing would be recorded; \
                 write `runtime.call(..{name}(..)).await`, or await it in an `#[orchestrator]`",
                name = O::NAME
            )
        };
        call.poll(cx, O::NAME)
    }
}

impl<O: EntityOperation> Future for EntityCall<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let recorded = std::task::ready!(self.poll_recorded(cx));
        scope::settle(O::NAME, O::Kind::restore(recorded))
    }
}

#[diagnostic::do_not_recommend]
impl<O: EntityOperation> Durable for EntityCall<O> {
    fn is_failure(output: &O::Output) -> bool {
        O::Kind::is_failure(output)
    }
}

impl<O: EntityOperation> checked::Call for EntityCall<O> {
    type Ok = <O::Kind as Returned<O::Output>>::Ok;

    fn poll_checked(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Ok, Failure>> {
        self.poll_recorded(cx).map(O::Kind::checked)
    }
}

/// An operation whose failure is a value, from [`EntityCall::checked`].
pub type CheckedEntityCall<O> = Checked<EntityCall<O>>;

/// Entities that can be locked together: one, a tuple, a vector or an array of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of entities",
    note = "write `dacapo::lock((Account::at(\"a\"), Account::at(\"b\")))`, or pass a `Vec` of entities of one type"
)]
pub trait Lockset {
    /// Adds them to a list.
    fn add_to(self, list: &mut Vec<EntityId>);
}

impl<T: Lockset> Lockset for Vec<T> {
    fn add_to(self, list: &mut Vec<EntityId>) {
        self.into_iter().for_each(|entity| entity.add_to(list));
    }
}

impl<T: Lockset, const N: usize> Lockset for [T; N] {
    fn add_to(self, list: &mut Vec<EntityId>) {
        self.into_iter().for_each(|entity| entity.add_to(list));
    }
}

macro_rules! lockset {
    ($($entity:ident)+) => {
        impl<$($entity: Lockset),+> Lockset for ($($entity,)+) {
            fn add_to(self, list: &mut Vec<EntityId>) {
                #[expect(non_snake_case, reason = "a variable for each type")]
                let ($($entity,)+) = self;
                $($entity.add_to(list);)+
            }
        }
    };
}

lockset!(A1);
lockset!(A1 A2);
lockset!(A1 A2 A3);
lockset!(A1 A2 A3 A4);

/// Locks entities for a critical section, until the guard is dropped. Meanwhile no other call or signal reaches them; all of those
/// wait in their order.
///
/// All runs lock in one order, by instance id, so none can wait for another that waits for it. For the same reason a run holds one lock
/// at a time; in its critical section it calls none but the locked entities, and awaits no sub-orchestration. What breaks this
/// fails with a message that says so. The lock ends with the guard, or with the run, however that ends.
///
/// ```standalone_crate
/// use dacapo::{Runtime, entity, orchestrator};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Account { balance: i64 }
///
/// #[entity]
/// impl Account {
///     fn deposit(&mut self, amount: i64) { self.balance += amount; }
///     fn balance(&self) -> i64 { self.balance }
/// }
///
/// #[orchestrator]
/// async fn transfer(from: String, to: String, amount: i64) -> bool {
///     let (from, to) = (Account::at(from), Account::at(to));
///     let guard = dacapo::lock((from.clone(), to.clone())).await;
///     if from.balance().await < amount {
///         return false;
///     }
///     from.deposit(-amount).await;
///     to.deposit(amount).await;
///     drop(guard);
///     true
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// let runtime = Runtime::open("memory:").await?;
/// runtime.signal(Account::at("ada").deposit(10)).await?;
/// let paid = runtime.start(transfer("ada".into(), "bob".into(), 7)).await?;
/// assert!(paid.result().await?);
/// assert_eq!(runtime.call(Account::at("bob").balance()).await?, 7);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn lock(entities: impl Lockset) -> Lock {
    let mut list = Vec::new();
    entities.add_to(&mut list);
    let ids = list.iter().map(EntityId::checked).collect::<Result<Vec<_>, _>>().and_then(|mut ids| {
        ids.sort_unstable();
        ids.dedup();
        match ids.is_empty() {
            true => Err(Failure::new(FailureKind::Forbidden, "`dacapo::lock` needs at least one entity")),
            false => Ok(ids),
        }
    });
    Lock { entities: Some(ids), call: None, site: Location::caller() }
}

/// A wait for the lock of entities, from [`lock`]. Dropping it gives up.
///
/// # Cancel safety
/// This future is not cancel safe: dropping it loses the place in the line. Those behind it move up.
#[must_use = "nothing is locked until it is awaited"]
pub struct Lock {
    entities: Option<Result<Vec<String>, Failure>>,
    call: Option<Call>,
    site: &'static Location<'static>,
}

impl Future for Lock {
    type Output = LockGuard;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard> {
        if let Some(entities) = self.entities.take() {
            let site = self.site;
            self.call = scope::with(|scope| scope.lock_entities(entities, site));
        }
        let Some(call) = &mut self.call else {
            panic!("`dacapo::lock(..)` was awaited outside an orchestrator; only an `#[orchestrator]` has critical sections")
        };
        match std::task::ready!(call.poll(cx, "dacapo::lock")) {
            Ok(_) => Poll::Ready(LockGuard { token: call.token(), lock: call.id() }),
            Err(failure) => scope::settle("dacapo::lock", Err(failure)),
        }
    }
}

#[diagnostic::do_not_recommend]
impl Durable for Lock {}

/// A critical section; dropping it ends it.
#[must_use = "the critical section ends where the guard is dropped; keep it with `let guard = ..`"]
pub struct LockGuard {
    token: u64,
    lock: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // Outside a turn the run is unloaded, and keeps its lock; a run that ends gives it back by itself.
        let _ = scope::with(|scope| (scope.token == self.token).then(|| scope.unlock_entities(self.lock)));
    }
}
