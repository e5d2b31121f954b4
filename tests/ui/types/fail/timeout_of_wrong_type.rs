#[dacapo::activity(timeout = "30s")]
async fn ping() {}

fn main() {}
