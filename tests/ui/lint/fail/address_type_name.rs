//! The name of a type differs from build to build.

#[dacapo::orchestrator]
async fn kind() -> String {
    std::any::type_name::<Vec<u8>>().to_owned()
}

fn main() {}
