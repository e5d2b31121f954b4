//! What is done about an error of a store: the one classification, and the one back-off.

use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::kernel::error::{ErrorClass, ErrorKind};

/// The extended codes of a database file that was removed or renamed while it was open: `SQLITE_READONLY_DBMOVED`, `SQLITE_IOERR_VNODE`.
#[cfg(feature = "sqlite")]
const MOVED: [i32; 2] = [1032, 6922];

/// The kind and the class of what SQLite says. See <https://sqlite.org/rescode.html>.
#[cfg(feature = "sqlite")]
pub(super) fn classify(error: &rusqlite::Error) -> (ErrorKind, ErrorClass) {
    use rusqlite::ErrorCode as Code;
    let Some(error) = error.sqlite_error() else {
        // A row that is not what the schema says.
        return (ErrorKind::Unreadable, ErrorClass::Permanent);
    };
    let class = match error.code {
        Code::TooBig => return (ErrorKind::TooLarge, ErrorClass::Permanent),
        _ if MOVED.contains(&error.extended_code) => ErrorClass::Fatal,
        Code::NotADatabase => ErrorClass::Fatal,
        Code::DatabaseCorrupt
        | Code::InternalMalfunction
        | Code::NotFound
        | Code::ConstraintViolation
        | Code::TypeMismatch
        | Code::ApiMisuse
        | Code::ParameterOutOfRange
        | Code::Unknown => ErrorClass::Permanent,
        _ => ErrorClass::Passing,
    };
    (ErrorKind::Store, class)
}

/// How often a database must look damaged to be taken for damaged, about two seconds in all.
#[cfg(feature = "sqlite")]
const DOUBTS: u32 = 5;

/// The pauses between tries: doubled from 50 milliseconds to about three seconds, each with up to a quarter more, so that those who failed
/// together do not all come back together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The pause before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = Duration::from_millis(50 << self.tries.min(6));
        self.tries += 1;
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        pause + pause.mul_f64((random >> 40) as f64 / f64::from(1 << 26))
    }

    /// Whether a database that looks damaged deserves another try: SQLite says the same of a read that the disk has failed
    /// (`SQLITE_IOERR_CORRUPTFS`), which may pass.
    #[cfg(feature = "sqlite")]
    pub(super) fn doubts_damage(self, error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) && self.tries < DOUBTS
    }

    /// Whether this failure is to be logged: the first, the second, the fourth and so on, so that a long outage fills no disk.
    pub(crate) fn is_news(self) -> bool {
        (self.tries + 1).is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn pauses_grow_to_a_bound_and_are_not_the_same() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..12).map(|_| backoff.pause()).collect();
        for (pause, least) in pauses.iter().zip([50, 100, 200, 400, 800, 1600, 3200, 3200, 3200, 3200, 3200, 3200]) {
            let least = Duration::from_millis(least);
            assert!((least..=least.mul_f64(1.26)).contains(pause), "{pauses:?}");
        }
        assert!(pauses[6..].windows(2).any(|two| two[0] != two[1]), "{pauses:?}");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn damage_is_believed_when_it_is_seen_again_and_again() {
        use rusqlite::ffi::{self, Error};
        let error = |code| rusqlite::Error::SqliteFailure(Error::new(code), None);
        let mut backoff = Backoff::default();
        let tries = std::iter::from_fn(|| backoff.doubts_damage(&error(ffi::SQLITE_CORRUPT)).then(|| backoff.pause())).take(99);
        assert_eq!(tries.count(), 5);
        assert!(!Backoff::default().doubts_damage(&error(ffi::SQLITE_NOTADB)));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn errors_of_sqlite_are_told_apart_by_what_the_next_try_will_bring() {
        use rusqlite::ffi::{self, Error};

        use super::{ErrorClass::*, classify};
        use crate::kernel::error::ErrorKind;
        for (code, class) in [
            (ffi::SQLITE_FULL, Passing),
            (ffi::SQLITE_BUSY, Passing),
            (ffi::SQLITE_IOERR_READ, Passing),
            (ffi::SQLITE_IOERR_FSYNC, Passing),
            (ffi::SQLITE_CANTOPEN, Passing),
            (ffi::SQLITE_NOMEM, Passing),
            (ffi::SQLITE_READONLY, Passing),
            (ffi::SQLITE_CORRUPT, Permanent),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Permanent),
            (ffi::SQLITE_TOOBIG, Permanent),
            (ffi::SQLITE_ERROR, Permanent),
            (ffi::SQLITE_NOTADB, Fatal),
            (ffi::SQLITE_READONLY_DBMOVED, Fatal),
            (ffi::SQLITE_IOERR_VNODE, Fatal),
        ] {
            assert_eq!(classify(&rusqlite::Error::SqliteFailure(Error::new(code), None)).1, class, "{code}");
        }
        assert_eq!(classify(&rusqlite::Error::QueryReturnedNoRows), (ErrorKind::Unreadable, Permanent));
    }
}
