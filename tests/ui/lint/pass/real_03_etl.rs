//! ETL: extract all tables at once, transform each with its own chain, load in the order the foreign keys need.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Extract {
    table: String,
    file: String,
    rows: u64,
}

#[activity]
async fn extract(table: String) -> dacapo::Result<Extract> {
    Ok(Extract { file: format!("/tmp/{table}.parquet"), table, rows: 1 })
}

#[activity]
async fn clean(extract: Extract) -> dacapo::Result<Extract> {
    Ok(extract)
}

#[activity]
async fn enrich(extract: Extract, date: String) -> dacapo::Result<Extract> {
    Ok(Extract { file: format!("{}-{date}", extract.file), ..extract })
}

#[activity]
async fn load(extract: Extract) -> dacapo::Result<u64> {
    Ok(extract.rows)
}

#[orchestrator]
pub async fn nightly(tables: Vec<String>, date: String) -> dacapo::Result<u64> {
    let extracts = try_join_all(tables.into_iter().map(extract)).await?;
    let enriched = try_join_all(extracts.into_iter().filter(|extract| extract.rows > 0).map(|extract| {
        let date = date.clone();
        async move {
            let cleaned = clean(extract).await?;
            enrich(cleaned, date).await
        }
    }))
    .await?;

    let mut rows = 0;
    // The foreign keys need this order.
    #[sequential]
    for part in enriched {
        rows += load(part).await?;
        dacapo::set_custom_status(&rows);
    }
    Ok(rows)
}

fn main() {}
