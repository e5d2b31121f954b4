use dacapo::{activity, orchestrator};

#[orchestrator(version = 0)]
async fn checkout() {}

#[orchestrator(inline, version = 2)]
async fn helper() {}

#[activity(version = 2)]
async fn charge() {}

#[orchestrator(version = "2")]
async fn refund() {}

fn main() {}
