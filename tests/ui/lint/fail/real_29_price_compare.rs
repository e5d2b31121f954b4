//! Every shop has ten seconds, one shop after another.

use std::collections::VecDeque;
use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Offer {
    shop: String,
    cents: u64,
}

#[activity]
async fn ask_shop(shop: String, article: String) -> dacapo::Result<Offer> {
    Ok(Offer { cents: article.len() as u64, shop })
}

#[orchestrator]
async fn compare(article: String, shops: Vec<String>) -> dacapo::Result<Vec<Offer>> {
    let mut queue = VecDeque::from(shops);
    let mut offers = Vec::new();
    let mut late = Vec::new();
    while let Some(shop) = queue.pop_front() {
        let answer = dacapo::timeout(Duration::from_secs(10), ask_shop(shop.clone(), article.clone())).await;
        match answer {
            Ok(Ok(offer)) => offers.push(offer),
            Ok(Err(error)) => println!("{shop} failed: {error}"),
            Err(_) => late.push(shop),
        }
    }
    println!("{late:?} were late");
    offers.sort_by_key(|offer| offer.cents);
    Ok(offers)
}

fn main() {}
