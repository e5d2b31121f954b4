//! Payment providers, tried in the order of their fees until one takes the money.

use std::time::Duration;

use dacapo::{Retry, activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provider {
    name: String,
    fee: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    id: String,
    cents: u64,
}

#[activity]
async fn pay(provider: String, payment: Payment) -> dacapo::Result<String> {
    if payment.cents > 1_000_000 { Err(dacapo::Error::msg("too much")) } else { Ok(format!("{provider}/{}", payment.id)) }
}

#[orchestrator]
pub async fn settle(payment: Payment, mut providers: Vec<Provider>) -> dacapo::Result<String> {
    if payment.cents == 0 {
        return Err(dacapo::Error::msg("nothing to pay"));
    }
    providers.sort_by_key(|provider| provider.fee);
    let mut errors = Vec::new();
    for provider in &providers {
        let attempt = pay(provider.name.clone(), payment.clone()).retry(Retry::none()).timeout(Duration::from_secs(20)).await;
        match attempt {
            Ok(receipt) => return Ok(receipt),
            Err(error) => errors.push(format!("{}: {error}", provider.name)),
        }
    }
    Err(dacapo::Error::msg(errors.join("; ")))
}

fn main() {}
