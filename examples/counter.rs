//! Entity: counters that outlive the program. Many calls add to one of them at the same time, and none is lost or counted twice.
//!
//! ```sh
//! cargo run --example counter -- visits --add 1 --times 1000   # a thousand, many at once
//! cargo run --example counter -- visits                        # what it is now
//! cargo run --example counter -- visits --reset
//! ```
//!
//! Kill it while it adds and run the same line again: it goes on with the additions that are left. `serve` adds for whoever asks:
//!
//! ```sh
//! curl -i localhost:7071/orchestrators/add_up --json '{"name": "visits", "add": 1, "times": 1000}'
//! curl -i 'localhost:7071/runtime/webhooks/durabletask/entities/counter/visits?op=add' --json 5
//! curl localhost:7071/runtime/webhooks/durabletask/entities/counter/visits
//! ```

mod begin;
mod serve;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, ReuseId, Runtime, entity, orchestrator, try_fan_out};
use serde::{Deserialize, Serialize};

/// Adds to a counter, and tells what it is.
#[derive(Parser)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    addition: Option<Addition>,
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
    /// Begin at nought again
    #[arg(long)]
    #[serde(default)]
    reset: bool,
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
    /// A failed operation changes nothing.
    fn add(&mut self, amount: i64) -> dacapo::Result<()> {
        let too_far = || Error::msg(format!("{} and {amount} are more than a counter can hold", self.value));
        self.value = self.value.checked_add(amount).ok_or_else(too_far)?;
        self.changes += 1;
        Ok(())
    }

    fn value(&self) -> i64 {
        self.value
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Makes all additions, 32 at once and each of them once, and returns what the counter is then.
#[orchestrator]
async fn add_up(addition: Addition) -> dacapo::Result<i64> {
    let Addition { name, add, times, reset } = addition;
    if reset {
        Counter::at(&name).reset().await;
    }
    if add != 0 {
        try_fan_out(0..times, |_| Counter::at(&name).add(add)).limit(32).await?;
    }
    Ok(Counter::at(&name).value().await)
}

/// What a killed program has begun and not ended.
async fn unfinished(client: &Client, id: &str) -> dacapo::Result<Option<Addition>> {
    match client.status(id).await {
        Err(error) if error.is_not_found() => Ok(None),
        Ok(status) if status.runtime_status().is_terminal() => Ok(None),
        found => Ok(found?.input().map(|input| input.decode()).transpose()?),
    }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    let url = args.store.url;
    let addition = match (args.command, args.addition) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, Runtime::builder(url), Router::new()).await,
        (None, Some(addition)) => addition,
        (None, None) => return Err(Error::msg("give the name of a counter, or `serve`")),
    };
    let (name, id) = (addition.name.clone(), format!("add to {}", addition.name));
    // A runtime that is open goes on with it, and may end it before it is asked for.
    let begun = unfinished(&Client::connect(&url).await?, &id).await?;
    let runtime = Runtime::open(&url).await?;
    if begun.is_some() {
        println!("going on with what was begun");
        runtime.attach(add_up, &id).result().await?;
    }
    let is_change = addition.add != 0 || addition.reset;
    if begun.as_ref() != Some(&addition) && is_change {
        runtime.start(add_up(addition)).id(id).reuse_id(ReuseId::ReplaceTerminal).await?.result().await?;
    }
    let counter = runtime.state_of::<Counter>(&name).await?.unwrap_or_default();
    println!("{name} is {} after {} changes", counter.value, counter.changes);
    runtime.shutdown().await?;
    Ok(())
}
