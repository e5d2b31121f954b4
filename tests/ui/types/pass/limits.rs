//! Limits of activities, and what they are counted by.

use dacapo::{PerMinute, PerSecond, RateLimit, activity};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item {
    tenant: String,
    shard: u32,
}

const SLOW: RateLimit = RateLimit::PerHour(10);

fn calls() -> u32 {
    1000
}

#[activity(max_concurrent = 10, rate_limit = PerMinute(1000))]
async fn both(item: Item) -> u32 {
    item.shard
}

#[activity(rate_limit = SLOW)]
fn named(_item: Item) {}

#[activity(rate_limit = PerSecond(calls()), limit_key = item.tenant)]
async fn by_a_field(item: Item) {
    drop(item);
}

#[activity(max_concurrent = 2, limit_key = format!("{tenant}/{}", item.shard % 4))]
async fn by_two_arguments(tenant: String, item: Item, _unused: Vec<u8>) {
    drop((tenant, item));
}

#[activity(max_concurrent = 2, limit_key = number % 4)]
async fn by_a_number(number: u32) -> u32 {
    number
}

fn main() {
    let item = || Item { tenant: "a".into(), shard: 1 };
    let _ = (both(item()), named(item()), by_a_field(item()), by_two_arguments("a".into(), item(), Vec::new()), by_a_number(1));
}
