#[dacapo::activity(crate = vendor::engine)]
async fn ping() {}

fn main() {}
