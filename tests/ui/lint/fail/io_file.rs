//! A file is read again in every replay.

#[dacapo::orchestrator]
async fn load(path: String) -> dacapo::Result<String> {
    Ok(std::fs::read_to_string(path)?)
}

fn main() {}
