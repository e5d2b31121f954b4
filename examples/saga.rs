//! Saga: reserve, charge, ship; what was done before a step that fails is undone in reverse order.
//!
//! ```sh
//! cargo run --example saga -- lamp            # goes through
//! cargo run --example saga -- piano           # cannot be shipped: the money goes back, then the piano to the shelf
//! cargo run --example saga -- lamp --price 99999
//! ```
//!
//! The shop is a real database (`saga-shop.db`), and each step writes to it under the number of its order and the key of its call, so
//! that a step that is run again after a crash does nothing twice. Kill it and run the same line again: it goes on with the order it was
//! at; `--id second` orders a second one. `serve` takes orders over HTTP:
//! `curl -i localhost:7071/orchestrators/order --json '{"item": "piano", "euros": 100}'`.

mod begin;
mod resume;
mod serve;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Error, Retry, ReuseId, Runtime, activity, orchestrator};
use rusqlite::{Connection, params};
use serde::Deserialize;

/// Buys something, or leaves everything as it was.
#[derive(Parser)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    purchase: Option<Purchase>,
    /// The name of this order; without it one is made of item and price
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    store: serve::Store,
    /// The database of the shop
    #[arg(long, global = true, value_name = "FILE", default_value = "saga-shop.db")]
    shop: PathBuf,
    /// How long the way back from the shop takes, in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value_t = 0)]
    latency: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C
    Serve(serve::Listen),
}

#[derive(PartialEq, clap::Args, Deserialize)]
struct Purchase {
    /// `lamp`, `chair` or `piano`
    item: String,
    /// In euros; the account has 1,000
    #[arg(long = "price", default_value_t = 100)]
    euros: u32,
}

/// The shop: its shelf, the account of the customer, and a journal with one line for each step that took effect.
struct Shop {
    database: Mutex<Connection>,
    latency: Duration,
}

impl Shop {
    fn open(path: &Path, latency: Duration) -> dacapo::Result<Self> {
        let closed = |error| Error::msg(format!("could not open the shop `{}`: {error}", path.display()));
        let connection = Connection::open(path).map_err(closed)?;
        let filled = connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS shelf (item TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0));
             CREATE TABLE IF NOT EXISTS account (only_row INTEGER PRIMARY KEY, euros INTEGER NOT NULL CHECK (euros >= 0));
             CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, step TEXT NOT NULL);
             INSERT OR IGNORE INTO shelf VALUES ('lamp', 10), ('chair', 4), ('piano', 1);
             INSERT OR IGNORE INTO account VALUES (1, 1000);",
        );
        filled.map_err(closed)?;
        Ok(Self { database: Mutex::new(connection), latency })
    }

    /// Changes the shop once for each call of an activity, however often its attempts run.
    async fn once(&self, order: &str, step: &str, change: impl FnOnce(&Connection) -> dacapo::Result<()>) -> dacapo::Result<()> {
        self.change(order, step, change)?;
        tokio::time::sleep(self.latency).await;
        Ok(())
    }

    fn change(&self, order: &str, step: &str, change: impl FnOnce(&Connection) -> dacapo::Result<()>) -> dacapo::Result<()> {
        let mut connection = self.database.lock().map_err(|_| Error::msg("the shop is closed"))?;
        let transaction = connection.transaction()?;
        // The key of a call is unique in one history, and the shop outlives that.
        let key = format!("{order}/{}", dacapo::activity::idempotency_key());
        if transaction.execute("INSERT OR IGNORE INTO journal VALUES (?1, ?2)", params![key, step])? == 1 {
            change(&transaction)?;
        }
        Ok(transaction.commit()?)
    }

    fn print(&self) -> dacapo::Result<()> {
        let connection = self.database.lock().map_err(|_| Error::msg("the shop is closed"))?;
        let mut journal = connection.prepare("SELECT step FROM journal ORDER BY rowid")?;
        let steps = journal.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let shelf: i64 = connection.query_row("SELECT sum(count) FROM shelf", [], |row| row.get(0))?;
        let euros: i64 = connection.query_row("SELECT euros FROM account", [], |row| row.get(0))?;
        println!("{}\n{shelf} things on the shelf, {euros} € in the account", steps.join("\n"));
        Ok(())
    }
}

/// A way back is tried for long: what it would leave behind is somebody's money.
const PATIENT: Retry = Retry::exponential(Duration::from_millis(100)).max_attempts(9);

#[activity]
async fn reserve(order: String, item: String) -> dacapo::Result<()> {
    let take =
        |shop: &Connection| match shop.execute("UPDATE shelf SET count = count - 1 WHERE item = ?1 AND count > 0", [&item])? {
            0 => Err(Error::msg(format!("there is no {item} on the shelf"))),
            _ => Ok(()),
        };
    dacapo::state::<Shop>().once(&order, &format!("reserved {item}"), take).await
}

#[activity(retry = PATIENT)]
async fn put_back(order: String, item: String) -> dacapo::Result<()> {
    let put = |shop: &Connection| {
        shop.execute("UPDATE shelf SET count = count + 1 WHERE item = ?1", [&item])?;
        Ok(())
    };
    dacapo::state::<Shop>().once(&order, &format!("put back {item}"), put).await
}

#[activity]
async fn charge(order: String, euros: u32) -> dacapo::Result<()> {
    let take = |shop: &Connection| match shop.execute("UPDATE account SET euros = euros - ?1 WHERE euros >= ?1", [euros])? {
        0 => Err(Error::msg(format!("there are no {euros} € in the account"))),
        _ => Ok(()),
    };
    dacapo::state::<Shop>().once(&order, &format!("charged {euros} €"), take).await
}

#[activity(retry = PATIENT)]
async fn refund(order: String, euros: u32) -> dacapo::Result<()> {
    let give = |shop: &Connection| {
        shop.execute("UPDATE account SET euros = euros + ?1", [euros])?;
        Ok(())
    };
    dacapo::state::<Shop>().once(&order, &format!("refunded {euros} €"), give).await
}

/// The carrier takes nothing that is heavy, and is asked three times.
#[activity(retry = Retry::fixed(Duration::from_millis(10)).max_attempts(3))]
async fn ship(order: String, item: String) -> dacapo::Result<()> {
    if item == "piano" {
        return Err(Error::msg("the carrier takes no pianos"));
    }
    dacapo::state::<Shop>().once(&order, &format!("shipped {item}"), |_| Ok(())).await
}

/// A step that has been taken.
enum Done {
    Reserved,
    Charged,
}

/// Takes the steps one after another; `done` tells how far it came.
#[orchestrator(inline)]
async fn buy(number: &str, item: &str, euros: u32, done: &mut Vec<Done>) -> dacapo::Result<()> {
    reserve(number.to_owned(), item.to_owned()).await?;
    done.push(Done::Reserved);
    charge(number.to_owned(), euros).await?;
    done.push(Done::Charged);
    ship(number.to_owned(), item.to_owned()).await
}

/// Buys, or undoes what was done, the last step first. What cannot be undone stops no other step.
#[orchestrator]
async fn order(item: String, euros: u32) -> dacapo::Result<String> {
    let number = dacapo::new_uuid().to_string();
    let mut done = Vec::new();
    let Err(error) = buy(&number, &item, euros, &mut done).await else {
        return Ok(format!("{item} is on its way"));
    };
    let mut left = String::new();
    #[sequential]
    for step in done.into_iter().rev() {
        let undone = match step {
            Done::Reserved => put_back(number.clone(), item.clone()).await,
            Done::Charged => refund(number.clone(), euros).await,
        };
        if let Err(error) = undone {
            left += &format!("; not undone: {error}");
        }
    }
    let said = format!("{item} was not bought: {error}{left}");
    if left.is_empty() { Ok(said) } else { Err(Error::msg(said)) }
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    let shop = Shop::open(&args.shop, Duration::from_millis(args.latency))?;
    let runtime = Runtime::builder(args.store.url).state(shop);
    let purchase = match (args.command, args.purchase) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, runtime, Router::new()).await,
        (None, Some(purchase)) => purchase,
        (None, None) => return Err(Error::msg("give something to buy, or `serve`")),
    };
    let Purchase { item, euros } = &purchase;
    let id = args.id.unwrap_or_else(|| resume::id(format!("{} for {euros} €", resume::part_of_id(item))));
    let runtime = runtime.open().await?;
    resume::check(&runtime, &id, &purchase).await?;
    let run = runtime.start(order(item.clone(), *euros)).id(&id).reuse_id(ReuseId::UseExisting).await?;
    let ended = run.result().await;
    runtime.shutdown().await?;
    println!("{}", ended.map_err(resume::failed(&id))?);
    Shop::open(&args.shop, Duration::ZERO)?.print()
}
