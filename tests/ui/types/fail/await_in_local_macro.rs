use dacapo::{activity, orchestrator};

#[activity]
async fn price(n: u32) -> u32 {
    n
}

#[orchestrator]
async fn run() -> u32 {
    macro_rules! get {
        ($n:expr) => {
            price($n).await
        };
    }
    get!(1)
}

fn main() {}
