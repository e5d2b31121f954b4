//! The token that is called, not where its path begins.

mod mail {
    #[dacapo::activity]
    pub async fn notify(name: String) -> dacapo::Result<()> {
        drop(name);
        Ok(())
    }
}

#[dacapo::orchestrator]
async fn finish(name: String) -> dacapo::Result<()> {
    let _ = mail::notify(name);
    Ok(())
}

fn main() {}
