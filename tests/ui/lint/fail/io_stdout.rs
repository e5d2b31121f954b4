//! What is written by hand is written again in every replay.

use std::io::Write as _;

#[dacapo::orchestrator]
async fn greet(name: String) -> dacapo::Result<()> {
    writeln!(std::io::stdout(), "{name}")?;
    Ok(())
}

fn main() {}
