//! An auction in rounds: everybody bids at once, the price of a round depends on the round before.

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bid {
    bidder: String,
    cents: u64,
}

#[activity]
async fn ask(bidder: String, above: u64) -> Option<Bid> {
    (above < 1_000).then_some(Bid { bidder, cents: above + 1 })
}

#[activity]
async fn announce(winner: Option<Bid>) {
    println!("{winner:?}");
}

#[orchestrator]
pub async fn auction(mut bidders: Vec<String>, start: u64) -> Option<Bid> {
    let mut best: Option<Bid> = None;
    for round in 1..=100u32 {
        let above = best.as_ref().map_or(start, |bid| bid.cents);
        let bids: Vec<Bid> =
            join_all(bidders.iter().map(|bidder| ask(bidder.clone(), above))).await.into_iter().flatten().collect();
        bidders = bids.iter().map(|bid| bid.bidder.clone()).collect();
        let Some(top) = bids.into_iter().max_by_key(|bid| bid.cents) else { break };
        println!("round {round}: {top:?}");
        best = Some(top);
        if bidders.len() == 1 {
            break;
        }
    }
    announce(best.clone()).await;
    best
}

fn main() {}
