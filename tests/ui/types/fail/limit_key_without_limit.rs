#[dacapo::activity(limit_key = tenant)]
async fn send(tenant: String) {
    drop(tenant);
}

fn main() {}
