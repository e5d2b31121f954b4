#[dacapo::orchestrator(retry = dacapo::Retry::none(), timeout = 3, max_concurrent = 3)]
async fn run() {}

fn main() {}
