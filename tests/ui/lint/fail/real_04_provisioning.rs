//! The hosts look started, but calls are lazy: without `.start()` each begins when it is awaited.

use dacapo::{activity, orchestrator};

#[activity]
async fn create_network(name: String) -> dacapo::Result<String> {
    Ok(format!("net-{name}"))
}

#[activity]
async fn create_host(network: String, number: u32) -> dacapo::Result<String> {
    Ok(format!("{number}.{network}"))
}

#[activity]
async fn create_zone(name: String) -> dacapo::Result<String> {
    Ok(name)
}

#[activity]
async fn attach(zone: String, hosts: Vec<String>) -> dacapo::Result<()> {
    println!("{zone}: {hosts:?}");
    Ok(())
}

#[orchestrator]
async fn provision(name: String, count: u32) -> dacapo::Result<Vec<String>> {
    let zone = create_zone(name.clone()).start();
    let network = create_network(name).await?;
    let calls: Vec<_> = (0..count).map(|number| create_host(network.clone(), number)).collect();
    let mut hosts = Vec::new();
    for call in calls {
        let host = call.await?;
        hosts.push(host);
    }
    attach(zone.await?, hosts.clone()).await?;
    Ok(hosts)
}

fn main() {}
