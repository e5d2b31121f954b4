//! The key of a transfer is a new one in every replay.

use dacapo::{activity, orchestrator};
use uuid::Uuid as TransferId;

#[activity]
async fn withdraw(key: String, account: String, cents: u64) -> dacapo::Result<()> {
    println!("{key}: -{cents} {account}");
    Ok(())
}

#[activity]
async fn deposit(key: String, account: String, cents: u64) -> dacapo::Result<()> {
    println!("{key}: +{cents} {account}");
    Ok(())
}

#[orchestrator]
async fn transfer(from: String, to: String, cents: u64) -> dacapo::Result<String> {
    let namespace = TransferId::nil();
    println!("{}", TransferId::new_v5(&namespace, from.as_bytes()));
    let key = TransferId::new_v4().to_string();
    withdraw(key.clone(), from.clone(), cents).await?;
    if let Err(error) = deposit(key.clone(), to, cents).await {
        deposit(format!("{key}-undo"), from, cents).await?;
        return Err(error);
    }
    Ok(key)
}

fn main() {}
