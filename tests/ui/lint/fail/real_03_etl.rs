//! The last notification is built and never sent.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

#[activity]
async fn extract(table: String) -> dacapo::Result<String> {
    Ok(format!("/tmp/{table}"))
}

#[activity]
async fn load(file: String) -> dacapo::Result<u64> {
    Ok(file.len() as u64)
}

#[activity]
async fn notify(channel: String, text: String) -> dacapo::Result<()> {
    println!("{channel}: {text}");
    Ok(())
}

#[orchestrator]
async fn nightly(tables: Vec<String>) -> dacapo::Result<u64> {
    let files = try_join_all(tables.into_iter().map(extract)).await?;
    notify("etl".into(), format!("{} files extracted", files.len())).await?;
    let rows: u64 = try_join_all(files.into_iter().map(load)).await?.iter().sum();
    if rows == 0 {
        return Err(dacapo::Error::msg("nothing was loaded"));
    }
    let _ = notify("etl".into(), format!("{rows} rows loaded"));
    Ok(rows)
}

fn main() {}
