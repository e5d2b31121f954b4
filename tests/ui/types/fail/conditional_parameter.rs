#[dacapo::activity]
async fn greet(name: String, #[cfg(unix)] times: u32) -> String {
    let _ = times;
    name
}

fn main() {}
