//! `let _ =` does not make a call run.

#[dacapo::activity]
async fn notify(name: String) -> dacapo::Result<()> {
    drop(name);
    Ok(())
}

#[dacapo::orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    let _ = notify(name).retry(dacapo::Retry::none());
    Ok(())
}

fn main() {}
