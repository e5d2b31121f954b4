//! A fan-out of children: one sub-orchestration per region, each with an id of its own.

use std::collections::BTreeMap;

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    version: String,
    regions: Vec<String>,
}

#[activity]
async fn deploy(region: String, version: String) -> dacapo::Result<()> {
    println!("{region} {version}");
    Ok(())
}

#[activity]
async fn smoke_test(region: String) -> dacapo::Result<bool> {
    Ok(!region.is_empty())
}

#[activity]
async fn roll_back(region: String) -> dacapo::Result<()> {
    drop(region);
    Ok(())
}

#[orchestrator]
pub async fn deploy_region(region: String, version: String) -> dacapo::Result<bool> {
    deploy(region.clone(), version).await?;
    let healthy = smoke_test(region.clone()).await?;
    if !healthy {
        roll_back(region).await?;
    }
    Ok(healthy)
}

#[orchestrator]
pub async fn deploy_everywhere(release: Release) -> dacapo::Result<BTreeMap<String, String>> {
    let parent = dacapo::instance_id();
    let children = release
        .regions
        .iter()
        .map(|region| deploy_region(region.clone(), release.version.clone()).id(format!("{parent}/{region}")).checked());
    let outcomes = join_all(children).await;
    let mut report = BTreeMap::new();
    for (region, outcome) in release.regions.iter().zip(outcomes) {
        let text = match outcome {
            Ok(true) => "healthy".to_owned(),
            Ok(false) => "rolled back".to_owned(),
            Err(failure) => format!("failed: {failure}"),
        };
        report.insert(region.clone(), text);
    }
    Ok(report)
}

fn main() {}
