//! A rule that does not exist cannot be switched off.

#[dacapo::orchestrator(allow(time, reason = "it is only logged"))]
async fn greet(name: String) -> String {
    name
}

fn main() {}
