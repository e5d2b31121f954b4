//! Macros of one's own whose arguments hold nothing that matters, and an await bound by `let` first.

macro_rules! double {
    ($value:expr) => {
        $value * 2
    };
}

macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        std::collections::BTreeMap::from([$(($key, $value)),*])
    };
}

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn twice(item: u64) -> u64 {
    let price = price(item).await;
    let prices = map! { "one" => price, "two" => double!(price) };
    prices.values().sum()
}

fn main() {}
