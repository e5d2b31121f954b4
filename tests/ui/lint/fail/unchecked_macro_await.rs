//! An await inside a macro that cannot be opened.

macro_rules! double {
    ($value:expr) => {
        $value * 2
    };
}

#[dacapo::activity]
async fn price(item: u64) -> u64 {
    item
}

#[dacapo::orchestrator]
async fn twice(item: u64) -> u64 {
    double!(price(item).await)
}

fn main() {}
