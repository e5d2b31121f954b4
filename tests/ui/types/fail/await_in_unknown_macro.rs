use dacapo::{activity, orchestrator};

macro_rules! twice {
    ($value:expr) => {
        $value + $value
    };
}

#[activity]
async fn price(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run() -> u32 {
    twice!(price(1).await)
}

fn main() {}
