//! Entity: counters that outlive the program. Many tasks add to one of them at the same time, and none is lost.
//!
//! ```sh
//! cargo run --example counter -- visits --add 1 --times 1000   # a thousand at once
//! cargo run --example counter -- visits                        # what it is now
//! cargo run --example counter -- visits --reset
//! ```

use clap::Parser;
use dacapo::{Runtime, entity};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

/// Adds to a counter, and tells what it is.
#[derive(Parser)]
struct Args {
    /// The name of the counter
    name: String,
    /// How much to add
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    add: i64,
    /// How often, all at the same time
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Begin at nought again
    #[arg(long)]
    reset: bool,
    /// The database that keeps the counters
    #[arg(long, value_name = "URL", default_value = "sqlite:counter.db")]
    store: String,
}

/// What is kept of a counter.
#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
    changes: u64,
}

/// Its operations run one at a time, each in one transaction with its answer.
#[entity]
impl Counter {
    fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.changes += 1;
        self.value
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    let runtime = Runtime::open(&args.store).await?;
    let client = runtime.client();
    if args.reset {
        client.call(Counter::at(&args.name).reset()).await?;
    }
    if args.add != 0 {
        try_join_all((0..args.times).map(|_| client.call(Counter::at(&args.name).add(args.add)))).await?;
    }
    let counter = client.state_of::<Counter>(&args.name).await?.unwrap_or_default();
    println!("{} is {} after {} changes", args.name, counter.value, counter.changes);
    runtime.shutdown().await?;
    Ok(())
}
