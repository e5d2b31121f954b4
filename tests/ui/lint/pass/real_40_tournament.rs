//! A tournament: every round is played at once, winners meet in the next; ties are decided by a drawn lot.

use dacapo::{activity, orchestrator};
use futures::future::try_join_all;
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Player {
    name: String,
    rating: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Score(u32, u32);

#[activity]
async fn play(home: String, away: String) -> dacapo::Result<Score> {
    Ok(Score(home.len() as u32, away.len() as u32))
}

#[orchestrator]
pub async fn tournament(mut players: Vec<Player>) -> dacapo::Result<Option<Player>> {
    let mut rng = dacapo::rng();
    players.shuffle(&mut rng);
    while players.len() > 1 {
        let bye = (players.len() % 2 == 1).then(|| players.pop()).flatten();
        let games = players.chunks(2).map(|pair| play(pair[0].name.clone(), pair[1].name.clone()));
        let scores = try_join_all(games).await?;
        let mut next = Vec::with_capacity(scores.len() + 1);
        for (pair, Score(home, away)) in players.chunks(2).zip(scores) {
            let winner = match home.cmp(&away) {
                std::cmp::Ordering::Greater => &pair[0],
                std::cmp::Ordering::Less => &pair[1],
                std::cmp::Ordering::Equal => &pair[usize::from(rng.random_bool(0.5))],
            };
            next.push(winner.clone());
        }
        next.extend(bye);
        players = next;
    }
    Ok(players.pop())
}

fn main() {}
