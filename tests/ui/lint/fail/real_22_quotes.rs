//! Two quotes look asked for side by side; the second call begins when the first has come back.

use std::time::Duration;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Quote {
    carrier: String,
    cents: u64,
}

#[activity]
async fn ask(carrier: String, weight: u32) -> dacapo::Result<Quote> {
    Ok(Quote { carrier, cents: u64::from(weight) * 3 })
}

#[activity]
async fn ship(quote: Quote) -> dacapo::Result<String> {
    Ok(quote.carrier)
}

#[orchestrator]
async fn ship_cheaply(weight: u32) -> dacapo::Result<String> {
    let patience = Duration::from_secs(20);
    let by_land = ask("land".to_owned(), weight).timeout(patience);
    let by_air = ask("air".to_owned(), weight).timeout(patience);
    let land = by_land.await?;
    let air = by_air.await?;
    let best = if land.cents <= air.cents { land } else { air };
    dacapo::set_custom_status(&best);
    ship(best).await
}

fn main() {}
