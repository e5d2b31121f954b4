//! Human interaction: an expense waits for a decision, reminds, escalates, and is refused when nobody decides in time.
//!
//! ```sh
//! cargo run --example approval -- run                              # the worker; leave it running, kill it, start it again
//! cargo run --example approval -- request lunch 25                 # small: approved at once
//! cargo run --example approval -- request conference 900           # waits for a decision
//! cargo run --example approval -- decide conference yes --by Ada   # from another terminal
//! cargo run --example approval -- show conference
//! ```

use std::time::Duration;

use clap::{Parser, Subcommand};
use dacapo::{Client, ErrorKind, Event, Runtime, activity, orchestrator};
use serde::{Deserialize, Serialize};

/// Asks people, and goes on without them when they do not answer.
#[derive(Parser)]
struct Args {
    /// The database that all terminals share
    #[arg(long, global = true, value_name = "URL", default_value = "sqlite:approval.db")]
    store: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs requests until it is stopped
    Run,
    /// Asks for an expense to be approved
    Request {
        /// The name of the request
        name: String,
        /// In euros
        amount: u32,
        /// How long each of the two has to decide, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 3 * 24 * 60 * 60)]
        patience: u64,
    },
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
    println!("to {who}: {text}");
}

/// Asks the manager, then the director, and says how it ended.
#[orchestrator]
async fn expense(name: String, amount: u32, patience: Duration) -> String {
    if amount < SMALL {
        return format!("{name} is approved, nobody needs to be asked for {amount} €");
    }
    #[sequential]
    for who in ["the manager", "the director"] {
        dacapo::set_custom_status(&format!("waits for {who}"));
        tell(who.to_owned(), format!("please decide about {name}, {amount} €")).await;
        if let Ok(decision) = dacapo::timeout(patience, DECISION.wait()).await {
            let verb = if decision.approved { "approved" } else { "refused" };
            return format!("{name} is {verb} by {}", decision.by);
        }
    }
    format!("{name} is refused, nobody has decided")
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    match args.command {
        Command::Run => {
            let runtime = Runtime::open(&args.store).await?;
            println!("running; stop with Ctrl-C");
            tokio::signal::ctrl_c().await?;
            runtime.shutdown().await?;
        }
        Command::Request { name, amount, patience } => {
            let call = expense(name.clone(), amount, Duration::from_secs(patience));
            Client::connect(&args.store).await?.start(call).id(&name).await?;
            println!("{name} is asked for");
        }
        Command::Decide { name, answer, by } => {
            let decision = Decision { approved: answer == "yes", by };
            match Client::connect(&args.store).await?.raise(&name, DECISION, decision).await {
                Err(error) if error.kind() == ErrorKind::Finished => println!("{name} is decided already"),
                other => other?,
            }
        }
        Command::Show { name } => {
            let status = Client::connect(&args.store).await?.status(&name).await?;
            let said = status.output().or(status.custom_status()).map(|said| said.decode::<String>()).transpose()?;
            println!("{}: {}", status.runtime_status(), said.unwrap_or_default());
        }
    }
    Ok(())
}
