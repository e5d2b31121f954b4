//! A subscription: renewed at each period's end until it is cancelled or a payment fails for good.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

const CANCEL: Event<()> = Event::new("cancel");

#[derive(Clone, Serialize, Deserialize)]
pub struct Subscription {
    customer: String,
    cents: u64,
    period: Duration,
}

#[derive(Serialize, Deserialize)]
pub enum End {
    Cancelled { periods: u32 },
    Unpaid { periods: u32, why: String },
}

#[activity]
async fn charge(customer: String, cents: u64) -> Result<String, String> {
    if cents == 0 { Err("no amount".into()) } else { Ok(customer) }
}

#[activity]
async fn say_goodbye(customer: String) {
    drop(customer);
}

#[orchestrator(inline)]
async fn charge_patiently(customer: &str, cents: u64) -> Result<(), String> {
    let mut last = String::new();
    for days in [0, 1, 3, 7] {
        dacapo::sleep(Duration::from_secs(days * 86_400)).await;
        match charge(customer.to_owned(), cents).await {
            Ok(_receipt) => return Ok(()),
            Err(why) => last = why,
        }
    }
    Err(last)
}

#[orchestrator]
pub async fn subscription(subscription: Subscription) -> End {
    let Subscription { customer, cents, period } = subscription;
    let mut periods = 0;
    let end = loop {
        if let Err(why) = charge_patiently(&customer, cents).await {
            break End::Unpaid { periods, why };
        }
        periods += 1;
        if dacapo::timeout(period, CANCEL.wait()).await.is_ok() {
            break End::Cancelled { periods };
        }
    };
    say_goodbye(customer).await;
    end
}

fn main() {}
