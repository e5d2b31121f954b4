//! A race whose outcome is the same whoever wins, with the rule switched off.

use dacapo::{activity, orchestrator};
use futures::FutureExt as _;

#[activity]
async fn copy_of(mirror: String) -> String {
    mirror
}

#[orchestrator(allow(race, reason = "both mirrors give the same copy"))]
async fn any(first: String, second: String) -> String {
    let mut first = copy_of(first).fuse();
    let mut second = copy_of(second).fuse();
    futures::select! {
        copy = first => copy,
        copy = second => copy,
    }
}

#[orchestrator(allow(race, reason = "the order of two sums does not matter"))]
async fn both(first: String, second: String) -> usize {
    let (first, second) = tokio::join!(copy_of(first), copy_of(second));
    first.len() + second.len()
}

fn main() {}
