#[dacapo::activity(timeout)]
async fn ping() {}

#[dacapo::activity(max_concurrent = )]
async fn pong() {}

fn main() {}
