//! Provisioning: the network first, then hosts and DNS side by side, started early and collected later.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Plan {
    name: String,
    hosts: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Host {
    address: String,
}

#[activity]
async fn create_network(name: String) -> dacapo::Result<String> {
    Ok(format!("net-{name}"))
}

#[activity]
async fn create_host(network: String, number: u32) -> dacapo::Result<Host> {
    Ok(Host { address: format!("{number}.{network}") })
}

#[activity]
async fn create_zone(name: String) -> dacapo::Result<String> {
    Ok(format!("{name}.example.org"))
}

#[activity]
async fn attach(zone: String, hosts: Vec<Host>) -> dacapo::Result<()> {
    println!("{zone}: {} hosts", hosts.len());
    Ok(())
}

#[orchestrator]
pub async fn provision(plan: Plan) -> dacapo::Result<Vec<Host>> {
    let zone = create_zone(plan.name.clone()).start();
    let network = create_network(plan.name.clone()).await?;
    let handles: Vec<_> = (0..plan.hosts).map(|number| create_host(network.clone(), number).start()).collect();

    let mut ready = Vec::with_capacity(handles.len());
    for handle in handles {
        ready.push(handle.await?);
        dacapo::set_custom_status(&format!("{}/{} hosts", ready.len(), plan.hosts));
    }
    attach(zone.await?, ready.clone()).await?;
    Ok(ready)
}

fn main() {}
