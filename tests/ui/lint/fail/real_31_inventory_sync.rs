//! The name of a log line comes from the thread that happens to drive the run.

use std::collections::HashMap;

use dacapo::{activity, orchestrator};
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stock {
    sku: String,
    count: i64,
}

#[activity]
async fn read_stock(site: String) -> dacapo::Result<Vec<Stock>> {
    Ok(vec![Stock { sku: site, count: 1 }])
}

#[activity]
async fn adjust(sku: String, by: i64, by_whom: String) -> dacapo::Result<()> {
    println!("{sku}: {by:+} {by_whom}");
    Ok(())
}

#[orchestrator]
async fn sync_stock(warehouse: String, shop: String) -> dacapo::Result<usize> {
    let (left, right) = try_join(read_stock(warehouse), read_stock(shop)).await?;
    let in_shop: HashMap<String, i64> = right.into_iter().map(|stock| (stock.sku, stock.count)).collect();
    let worker = format!("{:?}", std::thread::current().id());
    let changes = left.into_iter().filter_map(|stock| {
        let by = stock.count - in_shop.get(&stock.sku).copied().unwrap_or(0);
        (by != 0).then(|| adjust(stock.sku, by, worker.clone()))
    });
    Ok(try_join_all(changes).await?.len())
}

fn main() {}
