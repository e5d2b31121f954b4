//! What fan-out gains, and what images in the history cost. Everything is measured in temporary databases.

use std::fs;
use std::time::Instant;

use dacapo::{Builder, Runtime};
use serde::Serialize;
use tempfile::TempDir;

use crate::pages::Blobs;
use crate::{OrderItem, Work};

/// One by one against all at once, with several limits.
pub(crate) async fn batches(items: &[OrderItem], work: &Work) -> dacapo::Result<()> {
    println!("{} order lines, {} ms each", items.len(), work.each.as_millis());
    let one_by_one = seconds(work, usize::MAX, "OneByOneOrchestrator", items).await?;
    println!("one by one{one_by_one:>32.2} s");
    for (limit, shown) in [(10, "10"), (100, "100"), (usize::MAX, "unlimited")] {
        let at_once = seconds(work, limit, "ProcessBatchOrchestrator", items).await?;
        println!("max_concurrent_activities {shown:<9} {at_once:>6.2} s, {:.1} times as fast", one_by_one / at_once);
    }
    Ok(())
}

async fn seconds(work: &Work, limit: usize, orchestrator: &str, items: &[OrderItem]) -> dacapo::Result<f64> {
    let folder = tempfile::tempdir()?;
    let runtime = runtime(&folder, work)?.max_concurrent_activities(limit).open().await?;
    let begun = Instant::now();
    complete(&runtime, orchestrator, items).await?;
    let seconds = begun.elapsed().as_secs_f64();
    runtime.shutdown().await?;
    Ok(seconds)
}

/// The size of the database with images in the history, and with references to them.
pub(crate) async fn pages(pages: u32, work: &Work) -> dacapo::Result<()> {
    println!("{pages} pages");
    for (shown, orchestrator) in
        [("images in the history", "RenderPagesBrokenOrchestrator"), ("references to blobs", "RenderPagesOrchestrator")]
    {
        let folder = tempfile::tempdir()?;
        let runtime = runtime(&folder, work)?.open().await?;
        complete(&runtime, orchestrator, pages).await?;
        runtime.shutdown().await?;
        println!("{shown:<24}{:>12} bytes of database", database_size(&folder)?);
    }
    Ok(())
}

fn runtime(folder: &TempDir, work: &Work) -> dacapo::Result<Builder> {
    let database = format!("sqlite:{}", folder.path().join("measure.db").display());
    Ok(Runtime::builder(database).state(work.clone()).state(Blobs::open(&folder.path().join("blobs"))?))
}

async fn complete(runtime: &Runtime, orchestrator: &str, input: impl Serialize) -> dacapo::Result<()> {
    runtime.start_named(orchestrator, input).await?.result().await?;
    Ok(())
}

/// The database and the write-ahead log beside it.
fn database_size(folder: &TempDir) -> dacapo::Result<u64> {
    let files = ["measure.db", "measure.db-wal"].map(|name| fs::metadata(folder.path().join(name)));
    Ok(files.iter().flatten().map(fs::Metadata::len).sum())
}
