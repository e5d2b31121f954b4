//! `drop` does not make a call run, either.

#[dacapo::activity]
async fn notify(name: String) -> dacapo::Result<()> {
    Err(dacapo::Error::msg(name))
}

#[dacapo::orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    drop(notify(name));
    Ok(())
}

fn main() {}
