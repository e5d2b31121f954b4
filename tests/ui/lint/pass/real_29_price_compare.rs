//! Compares prices: every shop is asked at once with a deadline of its own, late shops are left out.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Offer {
    shop: String,
    cents: u64,
}

#[activity]
async fn ask_shop(shop: String, article: String) -> dacapo::Result<Offer> {
    Ok(Offer { cents: article.len() as u64, shop })
}

#[orchestrator]
pub async fn compare(article: String, shops: Vec<String>) -> dacapo::Result<Vec<Offer>> {
    let patience = Duration::from_secs(10);
    let asked = shops.iter().map(|shop| dacapo::timeout(patience, ask_shop(shop.clone(), article.clone())));
    let answers = join_all(asked).await;
    let mut offers = Vec::new();
    for (shop, answer) in shops.iter().zip(answers) {
        match answer {
            Ok(Ok(offer)) => offers.push(offer),
            Ok(Err(error)) => println!("{shop} failed: {error}"),
            Err(_) => println!("{shop} was late"),
        }
    }
    offers.sort_by_key(|offer| offer.cents);
    offers.truncate(3);
    Ok(offers)
}

fn main() {}
