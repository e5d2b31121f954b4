//! Approval with reminders: wait for a decision, remind the boss three times, expire.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use serde::{Deserialize, Serialize};

const APPROVAL: Event<Decision> = Event::new("approval");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    Approved,
    Rejected,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    Paid(String),
    Rejected,
    Expired,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Expense {
    who: String,
    boss: String,
    cents: u64,
}

#[activity]
async fn send_mail(to: String, text: String) -> dacapo::Result<()> {
    println!("{to}: {text}");
    Ok(())
}

#[activity]
async fn pay(expense: Expense) -> dacapo::Result<String> {
    Ok(format!("{} cents to {}", expense.cents, expense.who))
}

#[orchestrator]
pub async fn expense(expense: Expense) -> dacapo::Result<Outcome> {
    if expense.cents < 2_000 {
        return Ok(Outcome::Paid(pay(expense).await?));
    }
    send_mail(expense.boss.clone(), format!("{} asks for {} cents", expense.who, expense.cents)).await?;
    for reminder in 1..=3 {
        match dacapo::timeout(Duration::from_secs(86_400), APPROVAL.wait()).await {
            Ok(Decision::Approved) => return Ok(Outcome::Paid(pay(expense).await?)),
            Ok(Decision::Rejected) => return Ok(Outcome::Rejected),
            Err(_) => send_mail(expense.boss.clone(), format!("reminder {reminder}")).await?,
        }
    }
    Ok(Outcome::Expired)
}

fn main() {}
