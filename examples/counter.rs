//! Entity: counters that outlive the program. Many calls add to one of them at the same time, and none is lost or counted twice.
//!
//! ```sh
//! cargo run --example counter -- visits --add 1 --times 1000   # a thousand, many at once
//! cargo run --example counter -- visits                        # what it is now
//! cargo run --example counter -- visits --reset
//! ```
//!
//! Kill it and run the same line again: it goes on with the additions that are left. `serve` adds for whoever asks:
//!
//! ```sh
//! curl -i localhost:7071/orchestrators/add_up --json '{"name": "visits", "add": 1, "times": 1000}'
//! curl -i 'localhost:7071/runtime/webhooks/durabletask/entities/counter/visits?op=add' --json 5
//! curl localhost:7071/runtime/webhooks/durabletask/entities/counter/visits
//! ```

mod serve;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, ReuseId, Runtime, entity, fan_out, orchestrator};
use serde::{Deserialize, Serialize};

/// Adds to a counter, and tells what it is.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    addition: Option<Addition>,
    /// Begin at nought again
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

/// What is added to which counter.
#[derive(Clone, PartialEq, clap::Args, Serialize, Deserialize)]
struct Addition {
    /// The name of the counter
    name: String,
    /// How much to add
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    add: i64,
    /// How often, many at the same time
    #[arg(long, default_value_t = 1)]
    times: u32,
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

/// Makes all additions, 32 at once and each of them once, and returns what the counter is then.
#[orchestrator]
async fn add_up(addition: Addition) -> i64 {
    let Addition { name, add, times } = addition;
    let sums = fan_out(0..times, |_| Counter::at(&name).add(add)).limit(32).await;
    sums.last().copied().unwrap_or_default()
}

/// Adds, or goes on with the same addition if a program was killed in the middle of it. Another one is ended before.
async fn run(client: &Client, addition: Addition) -> dacapo::Result<()> {
    let id = format!("add to {}", addition.name);
    loop {
        match client.start(add_up(addition.clone())).id(&id).reuse_id(ReuseId::ReplaceTerminal).await {
            Err(error) if error.is_already_exists() => {
                let begun = client.status(&id).await?.input().map(|input| input.decode::<Addition>()).transpose()?;
                println!("going on with what was begun");
                client.attach(add_up, &id).result().await?;
                if begun.as_ref() == Some(&addition) {
                    return Ok(());
                }
            }
            started => return started?.result().await.map(drop).map_err(Error::from),
        }
    }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    let runtime = Runtime::builder(args.store.url);
    let addition = match (args.command, args.addition) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, runtime, Router::new()).await,
        (None, Some(addition)) => addition,
        (None, None) => return Err(Error::msg("give the name of a counter, or `serve`")),
    };
    let runtime = runtime.open().await?;
    let name = addition.name.clone();
    if args.reset {
        runtime.call(Counter::at(&name).reset()).await?;
    }
    if addition.add != 0 {
        run(&runtime.client(), addition).await?;
    }
    let counter = runtime.state_of::<Counter>(&name).await?.unwrap_or_default();
    println!("{name} is {} after {} changes", counter.value, counter.changes);
    runtime.shutdown().await?;
    Ok(())
}
