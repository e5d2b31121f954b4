//! The best bid lives in a static lock that every run of the process shares.

use std::sync::Mutex;

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bid {
    bidder: String,
    cents: u64,
}

static BEST: Mutex<Option<Bid>> = Mutex::new(None);

#[activity]
async fn ask(bidder: String, above: u64) -> Option<Bid> {
    (above < 1_000).then_some(Bid { bidder, cents: above + 1 })
}

#[orchestrator]
async fn auction(bidders: Vec<String>, start: u64) -> Option<Bid> {
    let mut above = start;
    for _ in 0..10 {
        let bids = join_all(bidders.iter().map(|bidder| ask(bidder.clone(), above))).await;
        let Some(top) = bids.into_iter().flatten().max_by_key(|bid| bid.cents) else { break };
        above = top.cents;
        if let Ok(mut best) = BEST.lock() {
            *best = Some(top);
        }
    }
    ask("the house".to_owned(), above).await
}

fn main() {}
