#[dacapo::activity(retries = 3)]
async fn ping() {}

#[dacapo::orchestrator(versions = 2)]
async fn run() {}

fn main() {}
