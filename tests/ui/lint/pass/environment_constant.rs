//! What is known when the program is built, and arguments called like the environment.

mod env {
    pub fn var(name: &str) -> String {
        name.to_lowercase()
    }
}

#[dacapo::orchestrator]
async fn region(region: String) -> String {
    let args = [region, env::var("REGION")];
    format!("{} {} {}", args.join("-"), env!("CARGO_PKG_NAME"), std::env!("CARGO_PKG_VERSION"))
}

fn main() {
    println!("{:?}", std::env::args());
}
