//! What the programs share that fan out and name every item that failed.

use dacapo::Error;

/// The results, or one error that names each item that failed, with its reason.
pub(crate) fn all_or_named<T>(names: impl Iterator<Item = String>, results: Vec<dacapo::Result<T>>) -> dacapo::Result<Vec<T>> {
    let (count, mut succeeded, mut failed) = (results.len(), Vec::new(), Vec::new());
    for (name, result) in names.zip(results) {
        match result {
            Ok(value) => succeeded.push(value),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    if failed.is_empty() {
        return Ok(succeeded);
    }
    Err(Error::msg(format!("{} of {count} items failed: {}", failed.len(), failed.join("; "))))
}
