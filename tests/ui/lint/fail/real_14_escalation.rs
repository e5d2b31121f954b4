//! The loop that pages never ends: only the inner loop is left by `break`.

use std::time::Duration;

use dacapo::{activity, orchestrator};

#[activity]
async fn open_incidents(team: String) -> Vec<String> {
    vec![team]
}

#[activity]
async fn acknowledged(incident: String) -> bool {
    incident.is_empty()
}

#[activity]
async fn page(who: String, incident: String) {
    println!("{who}: {incident}");
}

#[orchestrator]
async fn on_call(team: String, rota: Vec<String>) -> u32 {
    let mut paged = 0;
    loop {
        for incident in open_incidents(team.clone()).await {
            #[sequential]
            for who in &rota {
                if acknowledged(incident.clone()).await {
                    break;
                }
                page(who.clone(), incident.clone()).await;
                paged += 1;
                dacapo::sleep(Duration::from_secs(300)).await;
            }
        }
        println!("{paged} paged");
        dacapo::sleep(Duration::from_secs(60)).await;
    }
}

fn main() {}
