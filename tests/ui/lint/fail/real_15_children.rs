//! The children are only built: nothing in the closure awaits them.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;

#[activity]
async fn deploy(region: String, version: String) -> dacapo::Result<bool> {
    Ok(region != version)
}

#[activity]
async fn roll_back(region: String) -> dacapo::Result<()> {
    drop(region);
    Ok(())
}

#[orchestrator]
async fn clean_up(region: String) -> dacapo::Result<()> {
    roll_back(region).await
}

#[orchestrator]
async fn deploy_everywhere(regions: Vec<String>, version: String) -> dacapo::Result<usize> {
    let healthy = try_join_all(regions.iter().map(|region| deploy(region.clone(), version.clone()))).await?;
    let ill: Vec<&String> = regions.iter().zip(&healthy).filter(|(_, ok)| !**ok).map(|(region, _)| region).collect();
    ill.iter().for_each(|region| {
        println!("{region} is ill");
        clean_up(region.to_string());
    });
    Ok(regions.len() - ill.len())
}

fn main() {}
