use dacapo as engine;

#[dacapo::activity(crate = engine)]
async fn ping() {}

fn main() {}
