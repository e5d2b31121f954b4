#[dacapo::activity(name = ping)]
async fn ping() {}

fn main() {}
