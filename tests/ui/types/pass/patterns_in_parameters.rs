//! Patterns, `mut`, `_`, raw names and names that the expansion uses itself.
#![deny(warnings)]

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Point {
    x: i64,
    y: i64,
}

#[activity]
async fn norm(Point { x, y }: Point, mut scale: i64, (a, _): (i64, i64), _: bool) -> i64 {
    scale += a;
    (x * x + y * y) * scale
}

#[activity]
fn taken(arg1: u8, (_a, _b): (u8, u8), [_c, ..]: [u8; 3]) -> u8 {
    arg1
}

#[orchestrator]
async fn names(input: u32, payload: u32, encoder: u32, decoder: u32, value: u32, r#type: u32) -> u32 {
    let total: u32 = bare(r#type, input).await;
    total + payload + encoder + decoder + value
}

#[activity]
async fn bare(r#match: u32, mut all: u32) -> u32 {
    all += r#match;
    all
}

#[orchestrator]
async fn run(point @ Point { .. }: Point) -> i64 {
    taken(1, (2, 3), [4, 5, 6]).await;
    names(1, 2, 3, 4, 5, 6).await;
    norm(point, 2, (1, 1), true).await
}

fn main() {
    let _ = run(Point { x: 1, y: 2 });
}
