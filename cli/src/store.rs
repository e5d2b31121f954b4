//! The store that the worker has open, or had.
//!
//! Invariant: the tool makes no store (`mode=rw`): a name that is wrong would be answered with nothing.

use dacapo::{Client, Error, Payloads};

pub(crate) async fn connect(store: Option<&str>) -> dacapo::Result<Client> {
    let Some(url) = store.filter(|url| !url.is_empty()) else {
        return Err(Error::msg("no store was named; say which with `--store sqlite:orders.db`, or set DACAPO_STORE to it"));
    };
    if url.starts_with("memory:") {
        return Err(Error::msg("a store in memory belongs to its process; there is nothing of it to see from here"));
    }
    let Some(sqlite) = url.strip_prefix("sqlite:") else { return Ok(client(url).await?) };
    // Of two settings of one name the last holds.
    let separator = if sqlite.contains('?') { '&' } else { '?' };
    Ok(client(&format!("{url}{separator}mode=rw")).await?)
}

/// Its worker may have been built without the feature that compresses.
async fn client(url: &str) -> Result<Client, dacapo::RuntimeError> {
    Ok(Client::connect(url).await?.payloads(Payloads::default().compress(false)))
}
