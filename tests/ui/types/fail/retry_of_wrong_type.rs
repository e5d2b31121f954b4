#[dacapo::activity(retry = 3)]
async fn ping() {}

fn main() {}
