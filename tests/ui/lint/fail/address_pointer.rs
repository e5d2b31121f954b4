//! An address in a text.

#[dacapo::orchestrator]
async fn show(name: String) -> String {
    format!("{:p}", &name)
}

fn main() {}
