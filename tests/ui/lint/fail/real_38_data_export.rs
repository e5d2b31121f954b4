//! Three services are joined by tokio's macro in place of the library's.

use dacapo::{activity, orchestrator};
use serde_json::{Value, json};
use tokio::try_join;

#[activity]
async fn profile(customer: String) -> dacapo::Result<Value> {
    Ok(json!({ "customer": customer }))
}

#[activity]
async fn orders(customer: String) -> dacapo::Result<Vec<Value>> {
    Ok(vec![json!(customer)])
}

#[activity]
async fn logs(customer: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![customer])
}

#[activity]
async fn pack(content: Value) -> dacapo::Result<String> {
    Ok(content.to_string())
}

#[orchestrator]
async fn export(customer: String) -> dacapo::Result<String> {
    let (profile, orders, logs) = try_join!(profile(customer.clone()), orders(customer.clone()), logs(customer))?;
    let content = json!({ "profile": profile, "orders": orders, "logs": logs, "id": dacapo::instance_id() });
    let archive = pack(content).await?;
    debug_assert!(!archive.is_empty());
    Ok(archive)
}

fn main() {}
