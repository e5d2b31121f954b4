//! The size of a chunk is read from the environment, which can differ when the run is replayed.

use std::env;

use dacapo::{activity, orchestrator};
use futures::future::join_all;

#[activity]
async fn list_files(bucket: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![bucket])
}

#[activity]
async fn import_file(file: String) -> dacapo::Result<u64> {
    Ok(file.len() as u64)
}

#[orchestrator]
async fn import(bucket: String) -> dacapo::Result<(u64, usize)> {
    let files = list_files(bucket).await?;
    let size = env::var("IMPORT_CHUNK").ok().and_then(|size| size.parse().ok()).unwrap_or(20usize).max(1);
    let (mut rows, mut failed) = (0, 0);
    for (number, chunk) in files.chunks(size).enumerate() {
        for result in join_all(chunk.iter().cloned().map(import_file)).await {
            match result {
                Ok(count) => rows += count,
                Err(_) => failed += 1,
            }
        }
        dacapo::set_custom_status(&format!("chunk {number} done"));
    }
    Ok((rows, failed))
}

fn main() {}
