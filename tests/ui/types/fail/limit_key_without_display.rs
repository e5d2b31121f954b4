#[derive(serde::Serialize, serde::Deserialize)]
struct Tenant(u32);

#[dacapo::activity(max_concurrent = 2, limit_key = tenant)]
async fn send(tenant: Tenant) {
    drop(tenant);
}

fn main() {}
