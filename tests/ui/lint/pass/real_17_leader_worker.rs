//! A leader hands out work until the queue of the plan is empty; at most four pieces run at a time.

use std::collections::VecDeque;

use dacapo::{activity, orchestrator};
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Piece {
    name: String,
    depth: u32,
}

#[activity]
async fn explore(piece: Piece) -> dacapo::Result<Vec<Piece>> {
    if piece.depth > 2 { Ok(vec![]) } else { Ok(vec![Piece { depth: piece.depth + 1, ..piece }]) }
}

#[orchestrator]
pub async fn crawl(root: Piece) -> dacapo::Result<usize> {
    let mut queue = VecDeque::from([root]);
    let mut running = FuturesUnordered::new();
    let mut seen = 0;
    loop {
        while running.len() < 4 {
            let Some(piece) = queue.pop_front() else { break };
            running.push(explore(piece));
        }
        let Some(found) = running.next().await else { break };
        seen += 1;
        queue.extend(found?);
        if seen % 10 == 0 {
            dacapo::set_custom_status(&format!("{seen} explored, {} waiting", queue.len()));
        }
    }
    Ok(seen)
}

fn main() {}
