//! Numbers in hexadecimal, names like those of the rule, `Arc` without its address.

use std::sync::Arc;

fn type_name(kind: u8) -> &'static str {
    if kind == 0 { "plain" } else { "special" }
}

#[dacapo::orchestrator]
async fn show(kind: u8) -> String {
    let shared = Arc::new(kind);
    let same = *shared == *Arc::clone(&shared);
    format!("{:#x} {:e} {} {same} {}", kind, 1.5, type_name(kind), usize::from(kind) as u64)
}

fn main() {}
