#[dacapo::activity]
async fn store<T: Send>(value: T) -> T {
    value
}

fn main() {}
