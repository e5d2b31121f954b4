#[dacapo::orchestrator(inline, name = "helper")]
async fn helper() {}

fn main() {}
