#[dacapo::activity]
async fn version() -> &'static str {
    "1.0"
}

fn main() {}
