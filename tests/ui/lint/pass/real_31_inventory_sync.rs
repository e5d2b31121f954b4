//! Brings the stock of the shop in line with the warehouse: look-ups in hash maps, calls in the order of the list.

use std::collections::{HashMap, HashSet};

use dacapo::{activity, orchestrator};
use futures::future::try_join;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stock {
    sku: String,
    count: i64,
}

#[activity]
async fn read_warehouse(site: String) -> dacapo::Result<Vec<Stock>> {
    Ok(vec![Stock { sku: site, count: 1 }])
}

#[activity]
async fn read_shop(site: String) -> dacapo::Result<Vec<Stock>> {
    Ok(vec![Stock { sku: site, count: 2 }])
}

#[activity]
async fn adjust(sku: String, by: i64) -> dacapo::Result<()> {
    println!("{sku}: {by:+}");
    Ok(())
}

#[orchestrator]
pub async fn sync_stock(site: String, ignored: HashSet<String>) -> dacapo::Result<usize> {
    let (warehouse, shop) = try_join(read_warehouse(site.clone()), read_shop(site)).await?;
    let in_shop: HashMap<String, i64> = shop.into_iter().map(|stock| (stock.sku, stock.count)).collect();
    let changes: Vec<(String, i64)> = warehouse
        .into_iter()
        .filter(|stock| !ignored.contains(&stock.sku))
        .filter_map(|stock| {
            let by = stock.count - in_shop.get(&stock.sku).copied().unwrap_or(0);
            (by != 0).then_some((stock.sku, by))
        })
        .collect();
    let count = changes.len();
    let _: Vec<()> = stream::iter(changes).map(|(sku, by)| adjust(sku, by)).buffered(16).try_collect().await?;
    Ok(count)
}

fn main() {}
