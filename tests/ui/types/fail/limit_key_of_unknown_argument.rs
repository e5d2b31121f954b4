#[dacapo::activity(max_concurrent = 2, limit_key = item.tenant)]
async fn send(tenant: String) {
    drop(tenant);
}

fn main() {}
