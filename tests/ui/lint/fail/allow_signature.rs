//! A signature that cannot be recorded cannot be allowed.

#[dacapo::orchestrator(allow(signature, reason = "it is only a name"))]
async fn greet(name: String) -> String {
    name
}

fn main() {}
