#[dacapo::orchestrator(allow(clock))]
async fn run() {}

fn main() {}
