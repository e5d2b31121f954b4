//! A call as a statement of its own never runs.

#[dacapo::activity]
async fn notify(name: String) -> dacapo::Result<()> {
    drop(name);
    Ok(())
}

#[dacapo::orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    notify(name);
    Ok(())
}

fn main() {}
