//! Ending the process is no way to end a run.

#[dacapo::orchestrator]
async fn check(ok: bool) {
    if !ok {
        std::process::exit(1);
    }
}

fn main() {}
