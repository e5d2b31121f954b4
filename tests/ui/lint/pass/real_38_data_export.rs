//! A customer's data from five services into one archive: started together, put together, with a deadline over all.

use std::time::Duration;

use dacapo::{activity, orchestrator, timeout};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    customer: String,
    include_logs: bool,
}

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
pub async fn export(request: Request) -> dacapo::Result<String> {
    let customer = &request.customer;
    let gather = async {
        let (profile, orders, logs) = dacapo::try_join!(profile(customer.clone()), orders(customer.clone()), async {
            if request.include_logs { logs(customer.clone()).await } else { Ok(vec![]) }
        })?;
        Ok::<_, dacapo::Error>(json!({ "profile": profile, "orders": orders, "logs": logs, "id": dacapo::instance_id() }))
    };
    let content = match timeout(Duration::from_secs(3600), gather).await {
        Ok(content) => content?,
        Err(_) => return Err(dacapo::Error::msg(format!("{customer}'s data did not come within the hour"))),
    };
    let archive = pack(content).await?;
    debug_assert!(!archive.is_empty());
    Ok(archive)
}

fn main() {}
