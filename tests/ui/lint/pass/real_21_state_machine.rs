//! A state machine: an enum, a loop, one activity per state.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum State {
    New,
    Verified { score: u32 },
    Signed { contract: String },
    Active,
    Refused(String),
}

impl State {
    fn is_final(&self) -> bool {
        matches!(self, Self::Active | Self::Refused(_))
    }
}

#[activity]
async fn verify(customer: String) -> dacapo::Result<u32> {
    Ok(customer.len() as u32)
}

#[activity]
async fn sign(customer: String, score: u32) -> dacapo::Result<String> {
    Ok(format!("{customer}-{score}"))
}

#[activity]
async fn activate(contract: String) -> dacapo::Result<()> {
    drop(contract);
    Ok(())
}

#[orchestrator]
pub async fn open_account(customer: String) -> dacapo::Result<State> {
    let mut state = State::New;
    while !state.is_final() {
        state = match state {
            State::New => State::Verified { score: verify(customer.clone()).await? },
            State::Verified { score } if score < 10 => State::Refused(format!("score {score} is too low")),
            State::Verified { score } => State::Signed { contract: sign(customer.clone(), score).await? },
            State::Signed { contract } => match activate(contract).await {
                Ok(()) => State::Active,
                Err(error) => State::Refused(error.to_string()),
            },
            done => done,
        };
        dacapo::set_custom_status(&state);
    }
    Ok(state)
}

fn main() {}
