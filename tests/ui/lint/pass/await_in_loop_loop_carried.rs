//! Exemption 1: what an iteration got goes into the calls of the next.

use std::collections::{BTreeMap, VecDeque};

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    at: u64,
    log: Vec<u64>,
}

#[activity]
async fn combine(left: u64, right: u64) -> dacapo::Result<u64> {
    Ok(left + right)
}

#[activity]
async fn page(cursor: Option<u64>) -> dacapo::Result<(Vec<u64>, Option<u64>)> {
    Ok((vec![], cursor))
}

#[activity]
async fn step(state: State) -> dacapo::Result<State> {
    Ok(state)
}

#[orchestrator]
async fn assigned(items: Vec<u64>) -> dacapo::Result<u64> {
    let mut sum = 0;
    for item in items {
        sum = combine(sum, item).await?;
    }
    Ok(sum)
}

#[orchestrator]
async fn cursor() -> dacapo::Result<Vec<u64>> {
    let (mut cursor, mut all) = (None, vec![]);
    loop {
        let (items, next) = page(cursor).await?;
        all.extend(items);
        cursor = next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

#[orchestrator]
async fn collected(items: Vec<u64>) -> dacapo::Result<Vec<u64>> {
    let mut results = vec![];
    for item in items {
        results.push(combine(item, results.len() as u64).await?);
    }
    Ok(results)
}

#[orchestrator]
async fn fields(items: Vec<u64>) -> dacapo::Result<State> {
    let mut state = State::default();
    for item in items {
        let sum = combine(state.at, item).await?;
        state.at = sum;
        state.log.push(sum);
    }
    for _ in 0..3 {
        let next = step(state.clone()).await?;
        std::mem::replace(&mut state, next);
    }
    Ok(state)
}

#[orchestrator]
async fn walked(roots: Vec<u64>) -> dacapo::Result<usize> {
    let mut queue = VecDeque::from(roots);
    let mut seen = 0;
    while let Some(item) = queue.pop_front() {
        let (children, _) = page(Some(item)).await?;
        queue.extend(children);
        seen += 1;
    }
    Ok(seen)
}

#[orchestrator]
async fn condition(mut left: u64) -> dacapo::Result<u64> {
    let mut rounds = 0;
    while left > 10 {
        left = left.saturating_sub(combine(1, rounds).await?);
        rounds += 1;
    }
    Ok(rounds)
}

#[orchestrator]
async fn memo(items: Vec<u64>) -> dacapo::Result<BTreeMap<u64, u64>> {
    let mut known = BTreeMap::new();
    for item in items {
        if !known.contains_key(&item) {
            let result = combine(item, item).await?;
            known.insert(item, result);
        }
    }
    Ok(known)
}

fn main() {}
