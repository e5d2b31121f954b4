use dacapo::Retry;

#[dacapo::orchestrator(retry = Retry::none(), max_concurrent = 3)]
async fn run() {}

fn main() {}
