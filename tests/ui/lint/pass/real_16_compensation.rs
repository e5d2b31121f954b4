//! Compensation in reverse order, written by hand with one undo list.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tenant {
    name: String,
    plan: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Undo {
    DropDatabase(String),
    RemoveUser(String),
    CancelPlan(String),
}

#[activity]
async fn create_database(tenant: String) -> dacapo::Result<String> {
    Ok(format!("db_{tenant}"))
}

#[activity]
async fn create_user(database: String) -> dacapo::Result<String> {
    Ok(format!("{database}_admin"))
}

#[activity]
async fn subscribe(user: String, plan: String) -> dacapo::Result<String> {
    Ok(format!("{user}:{plan}"))
}

#[activity]
async fn undo_one(undo: Undo) -> dacapo::Result<()> {
    drop(undo);
    Ok(())
}

#[orchestrator(inline)]
async fn set_up(tenant: &Tenant, undo: &mut Vec<Undo>) -> dacapo::Result<String> {
    let database = create_database(tenant.name.clone()).await?;
    undo.push(Undo::DropDatabase(database.clone()));
    let user = create_user(database).await?;
    undo.push(Undo::RemoveUser(user.clone()));
    let plan = subscribe(user.clone(), tenant.plan.clone()).await?;
    undo.push(Undo::CancelPlan(plan));
    Ok(user)
}

#[orchestrator]
pub async fn onboard(tenant: Tenant) -> dacapo::Result<String> {
    let mut undo = vec![];
    let result = set_up(&tenant, &mut undo).await;
    if let Err(error) = &result {
        println!("undoing {} steps: {error}", undo.len());
        #[sequential]
        while let Some(step) = undo.pop() {
            undo_one(step).await?;
        }
    }
    result
}

fn main() {}
