//! A name that begins with `_` keeps the compiler quiet, and the call never runs.

#[dacapo::activity]
async fn notify(name: String) -> dacapo::Result<()> {
    drop(name);
    Ok(())
}

#[dacapo::orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    let _sent = notify(name);
    Ok(())
}

fn main() {}
