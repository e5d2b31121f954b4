//! A function under another name.

use rand::random as dice;

#[dacapo::orchestrator]
async fn roll() -> u8 {
    let drawn: u8 = dice();
    drawn % 6
}

fn main() {}
