#[dacapo::activity(max_concurrent = 0)]
async fn ping() {}

fn main() {}
