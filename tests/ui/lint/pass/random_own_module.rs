//! A module of one's own called `rand`, and a name of one's own called `random`.

mod rand {
    pub fn random() -> u8 {
        4
    }
}

use rand::random as chosen_by_fair_dice_roll;

#[dacapo::orchestrator]
async fn roll() -> u8 {
    let random = || 3;
    self::rand::random() + chosen_by_fair_dice_roll() + random()
}

fn main() {}
