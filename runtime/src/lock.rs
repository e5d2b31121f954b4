//! The one kind of mutex: it is never poisoned, and has a place in the order in which locks are taken.
//!
//! Invariant: whoever holds a lock takes only locks that come later in [`Order`]. Debug builds check it.

use std::ops::{Deref, DerefMut};
#[cfg(feature = "sqlite")]
use std::sync::{Condvar, TryLockError};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The order in which locks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// A closure of a test, which may do what it wants.
    #[cfg(feature = "testing")]
    User,
    /// What was handed out of the inbox.
    Inbox,
    /// Which machines are in memory.
    Residents,
    /// One machine.
    Machine,
    /// Which attempts of activities wait. One that is cancelled may be dropped under it, and with it the place of a suspect.
    Queues,
    /// The connection that writes to a database.
    #[cfg(feature = "sqlite")]
    Writer,
    /// The thread that watches files.
    #[cfg(feature = "sqlite")]
    Watcher,
    /// All others: nothing is locked while one of them is held, but for the time of a test.
    Leaf,
    /// The time of a test, which anybody may ask for.
    #[cfg(feature = "testing")]
    Time,
}

/// A value behind a mutex.
pub(crate) struct Lock<T> {
    order: Order,
    value: Mutex<T>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(order: Order, value: T) -> Self {
        Self { order, value: Mutex::new(value) }
    }

    /// A lock under which no other is taken.
    pub(crate) const fn leaf(value: T) -> Self {
        Self::new(Order::Leaf, value)
    }

    /// Waits for the lock. One whose holder has panicked is as good as any: what is behind it is left as it should be by every panic.
    pub(crate) fn lock(&self) -> Held<'_, T> {
        let taken = Taken::take(self.order);
        Held { value: self.value.lock().unwrap_or_else(PoisonError::into_inner), _taken: taken }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::leaf(T::default())
    }
}

#[cfg(feature = "sqlite")]
impl<T> Lock<T> {
    /// The same, unless somebody holds it.
    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        let value = self.value.try_lock();
        let value = value.or_else(|failed| match failed {
            TryLockError::Poisoned(poisoned) => Ok(poisoned.into_inner()),
            TryLockError::WouldBlock => Err(()),
        });
        value.ok().map(|value| Held { value, _taken: Taken::take(self.order) })
    }
}

/// A lock that is held until this is dropped.
pub(crate) struct Held<'l, T> {
    value: MutexGuard<'l, T>,
    _taken: Taken,
}

impl<'l, T> Held<'l, T> {
    /// Gives the lock up until somebody tells that what is behind it has changed.
    #[cfg(feature = "sqlite")]
    pub(crate) fn wait(self, changed: &Condvar) -> Self {
        let Self { value, _taken } = self;
        Self { value: changed.wait(value).unwrap_or_else(PoisonError::into_inner), _taken }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(debug_assertions)]
mod checked {
    use std::cell::RefCell;

    use super::Order;

    thread_local! {
        static HELD: RefCell<Vec<Order>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) struct Taken(Order);

    impl Taken {
        pub(super) fn take(order: Order) -> Self {
            HELD.with_borrow_mut(|held| {
                let last = held.iter().copied().max();
                assert!(last.is_none_or(|last| last < order), "a lock of the order {order:?} is taken under one of {last:?}");
                held.push(order);
            });
            Self(order)
        }
    }

    impl Drop for Taken {
        fn drop(&mut self) {
            // A thread that ends has no list any more.
            let _ = HELD.try_with(|held| {
                let mut held = held.borrow_mut();
                if let Some(at) = held.iter().rposition(|order| *order == self.0) {
                    held.remove(at);
                }
            });
        }
    }
}

#[cfg(not(debug_assertions))]
mod checked {
    use super::Order;

    pub(super) struct Taken;

    impl Taken {
        pub(super) fn take(_order: Order) -> Self {
            Self
        }
    }
}

use checked::Taken;

#[cfg(test)]
mod tests {
    use super::{Lock, Order};

    #[test]
    #[cfg(debug_assertions)]
    fn a_lock_that_is_taken_out_of_order_is_found() {
        let (residents, machine) = (Lock::new(Order::Residents, ()), Lock::new(Order::Machine, ()));
        {
            let _first = residents.lock();
            let _second = machine.lock();
        }
        let _first = machine.lock();
        let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(residents.lock())));
        assert!(wrong.is_err());
    }

    #[test]
    fn a_panic_under_a_lock_does_not_close_it() {
        let lock = Lock::leaf(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}
