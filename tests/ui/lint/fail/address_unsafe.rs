//! `unsafe` code can do anything.

#[dacapo::orchestrator]
async fn text(bytes: Vec<u8>) -> String {
    unsafe { String::from_utf8_unchecked(bytes) }
}

fn main() {}
