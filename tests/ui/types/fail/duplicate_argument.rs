#[dacapo::activity(name = "a", name = "b")]
async fn ping() {}

fn main() {}
