//! What a URL says of a database.

use std::path::PathBuf;

use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::store::StoreResult;
use crate::store::sqlite::readers::MOST_READERS;
use crate::store::sqlite::{Mode, Settings, SqliteSettings, Synchronous};

/// The path and the settings of what follows `sqlite:`; what the program has `given` overrides the URL.
///
/// `?synchronous=NORMAL`, `?readers=8`, `?mode=rw` for a store that must be there, and is left as it is.
pub(super) fn parse(rest: &str, given: SqliteSettings) -> StoreResult<(PathBuf, Settings)> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(uri) = path.strip_prefix("file:") {
        let path = uri.strip_prefix("//").unwrap_or(uri);
        return Err(invalid(format!("`sqlite:{rest}` is a URI of SQLite, which is not supported; write `sqlite:{path}`")));
    }
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        let message = "an SQLite store needs a file, as in `sqlite:orders.db`; for a store in memory write `memory:`";
        return Err(invalid(message.to_owned()));
    }
    let mut settings = Settings::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("synchronous", value)) if value.eq_ignore_ascii_case("full") => settings.synchronous = Synchronous::Full,
            Some(("synchronous", value)) if value.eq_ignore_ascii_case("normal") => settings.synchronous = Synchronous::Normal,
            Some(("mode", "rwc")) => settings.mode = Mode::Create,
            Some(("mode", "rw")) => settings.mode = Mode::Existing,
            Some(("readers", value)) if value.parse::<usize>().is_ok() => settings.readers = value.parse().unwrap_or_default(),
            _ => {
                return Err(invalid(format!(
                    "`{pair}` is not a setting of an SQLite store; the settings are `synchronous=FULL` and `synchronous=NORMAL`, \
                     `readers=1` to `readers={MOST_READERS}`, `mode=rwc`, and `mode=rw` for a database that must exist"
                )));
            }
        }
    }
    settings.synchronous = given.synchronous.unwrap_or(settings.synchronous);
    settings.readers = given.readers.unwrap_or(settings.readers);
    if !(1..=MOST_READERS).contains(&settings.readers) {
        return Err(invalid(format!("invalid number of readers {}; must be 1 to {MOST_READERS}", settings.readers)));
    }
    Ok((PathBuf::from(path), settings))
}

fn invalid(message: String) -> RuntimeError {
    RuntimeError::new(ErrorKind::Invalid, message)
}
