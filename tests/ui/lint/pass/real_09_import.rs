//! Imports files in chunks of twenty, and counts what was imported.

use dacapo::{Retry, activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Report {
    imported: u64,
    failed: Vec<String>,
}

impl Report {
    fn record(&mut self, file: &str, result: dacapo::Result<u64>) {
        match result {
            Ok(rows) => self.imported += rows,
            Err(error) => self.failed.push(format!("{file}: {error}")),
        }
    }
}

#[activity(retry = Retry::none())]
async fn list_files(bucket: String) -> dacapo::Result<Vec<String>> {
    Ok(vec![bucket])
}

#[activity]
async fn import_file(file: String) -> dacapo::Result<u64> {
    Ok(file.len() as u64)
}

#[orchestrator]
pub async fn import(bucket: String) -> dacapo::Result<Report> {
    let files = list_files(bucket).await?;
    let mut report = Report::default();
    let chunks = files.len().div_ceil(20);
    for (number, chunk) in files.chunks(20).enumerate() {
        let results = join_all(chunk.iter().cloned().map(import_file)).await;
        for (file, result) in chunk.iter().zip(results) {
            report.record(file, result);
        }
        dacapo::set_custom_status(&format!("chunk {} of {chunks}", number + 1));
    }
    Ok(report)
}

fn main() {}
