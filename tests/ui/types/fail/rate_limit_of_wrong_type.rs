#[dacapo::activity(rate_limit = 1000)]
async fn ping() {}

fn main() {}
