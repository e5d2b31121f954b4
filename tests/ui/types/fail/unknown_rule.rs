#[dacapo::orchestrator(allow(time, reason = "it is only logged"))]
async fn run() {}

fn main() {}
