//! The draw is shuffled with the thread's generator, as an argument of a method.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Player {
    name: String,
    rating: u32,
}

#[activity]
async fn play(home: String, away: String) -> dacapo::Result<bool> {
    Ok(home > away)
}

#[orchestrator]
async fn tournament(mut players: Vec<Player>) -> dacapo::Result<Option<Player>> {
    players.sort_by_key(|player| player.rating);
    while players.len() > 1 {
        let middle = players.len() / 2;
        players[middle..].shuffle(&mut rand::rng());
        let games = players.chunks_exact(2).map(|pair| play(pair[0].name.clone(), pair[1].name.clone()));
        let home_won = try_join_all(games).await?;
        let winners = players.chunks(2).enumerate().map(|(number, pair)| match home_won.get(number) {
            Some(false) => pair[1].clone(),
            _ => pair[0].clone(),
        });
        players = winners.collect();
    }
    Ok(players.pop())
}

fn main() {}
