#[dacapo::orchestrator(rate_limit = dacapo::PerMinute(10), limit_key = tenant)]
async fn send(tenant: String) {
    drop(tenant);
}

fn main() {}
