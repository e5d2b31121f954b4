//! One state of the machine reads a file.

use std::fs;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    New,
    Verified(u32),
    Signed(String),
    Active,
    Refused,
}

#[activity]
async fn verify(customer: String) -> dacapo::Result<u32> {
    Ok(customer.len() as u32)
}

#[activity]
async fn activate(contract: String) -> dacapo::Result<bool> {
    Ok(!contract.is_empty())
}

#[orchestrator]
async fn open_account(customer: String) -> dacapo::Result<State> {
    let mut state = State::New;
    while !matches!(state, State::Active | State::Refused) {
        state = match state {
            State::New => State::Verified(verify(customer.clone()).await?),
            State::Verified(score) if score < 10 => State::Refused,
            State::Verified(_) => {
                let template = fs::read_to_string("contract.txt")?;
                State::Signed(template.replace("{customer}", &customer))
            }
            State::Signed(contract) if activate(contract.clone()).await? => State::Active,
            State::Signed(_) => State::Refused,
            done => done,
        };
        dacapo::set_custom_status(&state);
    }
    Ok(state)
}

fn main() {}
