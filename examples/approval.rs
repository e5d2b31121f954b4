//! Human interaction: an expense waits for a decision, reminds, escalates, and is refused when nobody decides in time.
//!
//! ```sh
//! cargo run --example approval -- serve                            # the worker; leave it running, kill it, start it again
//! cargo run --example approval -- request lunch 25                 # small: approved at once
//! cargo run --example approval -- request conference 900           # waits for a decision
//! cargo run --example approval -- decide conference yes --by Ada   # from another terminal
//! cargo run --example approval -- show conference
//! ```
//!
//! Or all of it over HTTP: `POST /orchestrators/expense/NAME` asks, `raiseEvent/decision` decides, the status shows.

mod begin;
mod serve;

use std::io::{self, Write as _};
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, ErrorKind, Event, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// Asks people, and goes on without them when they do not answer.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: serve::Store,
}

#[derive(Subcommand)]
enum Command {
    /// Runs what is asked for, and serves Durable Functions' HTTP API, until Ctrl-C
    Serve(serve::Listen),
    /// Asks for an expense to be approved
    Request(Expense),
    /// Decides
    Decide {
        /// The name of the request
        name: String,
        /// `yes` or `no`
        #[arg(value_parser = ["yes", "no"])]
        answer: String,
        /// Who decides
        #[arg(long, default_value = "somebody")]
        by: String,
    },
    /// Shows how far a request is
    Show {
        /// The name of the request
        name: String,
    },
}

/// What is asked for.
#[derive(clap::Args, Serialize, Deserialize)]
struct Expense {
    /// The name of the request
    name: String,
    /// In euros
    amount: u32,
    /// How long each of the two has to decide, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = THREE_DAYS)]
    #[serde(default = "three_days")]
    patience: u64,
}

const THREE_DAYS: u64 = 3 * 24 * 60 * 60;

fn three_days() -> u64 {
    THREE_DAYS
}

/// What a person has decided.
#[derive(Serialize, Deserialize)]
struct Decision {
    approved: bool,
    by: String,
}

const DECISION: Event<Decision> = Event::new("decision");

/// Below this nobody is asked.
const SMALL: u32 = 100;

/// Tells somebody. A real one sends a mail, with `dacapo::activity::idempotency_key()` as its message id.
#[activity]
async fn tell(who: String, text: String) {
    // Nobody may be reading.
    let _ = writeln!(io::stdout(), "to {who}: {text}");
}

/// Asks the manager, then the director, and says how it ended.
#[orchestrator]
async fn expense(asked: Expense) -> String {
    let Expense { name, amount, patience } = asked;
    if amount < SMALL {
        return format!("{name} is approved, nobody needs to be asked for {amount} €");
    }
    #[sequential]
    for who in ["the manager", "the director"] {
        dacapo::set_custom_status(&format!("waits for {who}"));
        tell(who.to_owned(), format!("please decide about {name}, {amount} €")).await;
        if let Ok(decision) = dacapo::timeout(Duration::from_secs(patience), DECISION.wait()).await {
            let verb = if decision.approved { "approved" } else { "refused" };
            return format!("{name} is {verb} by {}", decision.by);
        }
    }
    format!("{name} is refused, nobody has decided")
}

/// How far a request is: what was decided or why it has failed, or else whom it waits for, or why it is parked.
async fn show(client: &Client, name: &str) -> dacapo::Result<String> {
    let status = client.status(name).await?;
    let said = match (status.failure(), status.output()) {
        (Some(failure), _) => Some(failure.to_string().trim_start_matches("terminated: ").to_owned()),
        (None, Some(output)) => Some(output.decode()?),
        (None, None) if status.report().is_some() => status.report().and_then(|report| report.lines().next()).map(str::to_owned),
        (None, None) => status.custom_status().map(|said| said.decode()).transpose()?,
    };
    Ok(format!("{}: {}", status.runtime_status(), said.unwrap_or_default()))
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let Args { command, store: serve::Store { url } } = begin::arguments();
    match command {
        Command::Serve(listen) => serve::serve(listen, Runtime::builder(url), Router::new()).await?,
        Command::Request(asked) => {
            let name = asked.name.clone();
            match Client::connect(&url).await?.start(expense(asked)).id(&name).await {
                Err(error) if error.is_already_exists() => {
                    return Err(Error::msg(format!("`{name}` is asked for already: see `show {name}`, or give another name")));
                }
                started => started.map(|_| println!("{name} is asked for"))?,
            }
        }
        Command::Decide { name, answer, by } => {
            let sent = format!("{name}: `{answer}` by {by} is sent; `show {name}` tells who was first");
            let decision = Decision { approved: answer == "yes", by };
            let client = Client::connect(&url).await?;
            match client.raise(&name, DECISION, decision).await {
                Err(error) if error.kind() == ErrorKind::Finished => {
                    println!("{name} waits for nobody. {}", show(&client, &name).await?);
                }
                raised => raised.map(|()| println!("{sent}"))?,
            }
        }
        Command::Show { name } => println!("{}", show(&Client::connect(&url).await?, &name).await?),
    }
    Ok(())
}
