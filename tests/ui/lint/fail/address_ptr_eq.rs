//! Whether two values are one place differs after a replay.

use std::sync::Arc;

#[dacapo::orchestrator]
async fn same(name: String) -> bool {
    let (a, b) = (Arc::new(name.clone()), Arc::new(name));
    Arc::ptr_eq(&a, &b)
}

fn main() {}
