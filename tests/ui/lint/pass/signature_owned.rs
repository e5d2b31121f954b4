//! Owned arguments of many shapes; borrowed and generic ones where a function runs inside its caller.

use std::collections::BTreeMap;

use dacapo::{activity, orchestrator};

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[orchestrator(inline)]
async fn all<T: Into<u64> + Copy + Send + Sync>(items: &[T]) -> u64 {
    let mut sum = 0;
    #[sequential]
    for item in items {
        sum += price((*item).into()).await;
    }
    sum
}

#[orchestrator]
async fn shapes((a, b): (u64, u64), list: Vec<Option<u32>>, map: BTreeMap<String, [u8; 4]>, name: Box<str>) -> u64 {
    let list: Vec<u32> = list.into_iter().flatten().collect();
    a + b + all(&list).await + map.len() as u64 + name.len() as u64
}

fn main() {}
