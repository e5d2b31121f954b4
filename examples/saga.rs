//! Saga: reserve, charge, ship; what was done before a step that fails is undone in reverse order.
//!
//! ```sh
//! cargo run --example saga -- lamp            # goes through
//! cargo run --example saga -- piano           # cannot be shipped: the money goes back, then the piano to the shelf
//! cargo run --example saga -- lamp --price 99999
//! ```
//!
//! The shop is a real database (`saga-shop.db`), and each step writes to it under the key of its call, so that a step that is run
//! again after a crash does nothing twice.

use std::sync::Mutex;

use clap::Parser;
use dacapo::{Error, Retry, Runtime, activity, orchestrator};
use rusqlite::{Connection, params};

/// Buys something, or leaves everything as it was.
#[derive(Parser)]
struct Args {
    /// `lamp`, `chair` or `piano`
    item: String,
    /// In euros; the account has 1,000
    #[arg(long, default_value_t = 100)]
    price: i64,
    /// The folder of both databases
    #[arg(long, default_value = ".")]
    folder: std::path::PathBuf,
}

/// The shop: its shelf, the account of the customer, and a journal with one line for each step that took effect.
struct Shop(Mutex<Connection>);

impl Shop {
    fn open(path: &std::path::Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS shelf (item TEXT PRIMARY KEY, count INTEGER NOT NULL CHECK (count >= 0));
             CREATE TABLE IF NOT EXISTS account (only_row INTEGER PRIMARY KEY, euros INTEGER NOT NULL CHECK (euros >= 0));
             CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, step TEXT NOT NULL);
             INSERT OR IGNORE INTO shelf VALUES ('lamp', 10), ('chair', 4), ('piano', 1);
             INSERT OR IGNORE INTO account VALUES (1, 1000);",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Changes the shop once for each call of an activity, however often its attempts run.
    fn once(&self, step: &str, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> dacapo::Result<()> {
        let mut connection = self.0.lock().map_err(|_| Error::msg("the shop is closed"))?;
        let transaction = connection.transaction()?;
        let key = dacapo::activity::idempotency_key();
        if transaction.execute("INSERT OR IGNORE INTO journal VALUES (?1, ?2)", params![key, step])? == 1 {
            change(&transaction)?;
        }
        Ok(transaction.commit()?)
    }

    fn print(&self) -> dacapo::Result<()> {
        let connection = self.0.lock().map_err(|_| Error::msg("the shop is closed"))?;
        let mut journal = connection.prepare("SELECT step FROM journal ORDER BY rowid")?;
        let steps = journal.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let shelf: i64 = connection.query_row("SELECT sum(count) FROM shelf", [], |row| row.get(0))?;
        let euros: i64 = connection.query_row("SELECT euros FROM account", [], |row| row.get(0))?;
        println!("{}\n{shelf} things on the shelf, {euros} € in the account", steps.join("\n"));
        Ok(())
    }
}

fn shop() -> std::sync::Arc<Shop> {
    dacapo::state::<std::sync::Arc<Shop>>().as_ref().clone()
}

#[activity]
async fn reserve(item: String) -> dacapo::Result<()> {
    shop().once(&format!("reserved {item}"), |shop| {
        let taken = shop.execute("UPDATE shelf SET count = count - 1 WHERE item = ?1", [&item])?;
        if taken == 1 { Ok(()) } else { Err(rusqlite::Error::QueryReturnedNoRows) }
    })
}

#[activity]
async fn put_back(item: String) -> dacapo::Result<()> {
    shop().once(&format!("put back {item}"), |shop| {
        shop.execute("UPDATE shelf SET count = count + 1 WHERE item = ?1", [&item]).map(drop)
    })
}

#[activity]
async fn charge(euros: i64) -> dacapo::Result<()> {
    shop().once(&format!("charged {euros} €"), |shop| shop.execute("UPDATE account SET euros = euros - ?1", [euros]).map(drop))
}

#[activity]
async fn refund(euros: i64) -> dacapo::Result<()> {
    shop().once(&format!("refunded {euros} €"), |shop| shop.execute("UPDATE account SET euros = euros + ?1", [euros]).map(drop))
}

/// The carrier takes nothing that is heavy, and is asked three times.
#[activity(retry = Retry::fixed(std::time::Duration::from_millis(10)).max_attempts(3))]
async fn ship(item: String) -> dacapo::Result<()> {
    if item == "piano" {
        return Err(Error::msg("the carrier takes no pianos"));
    }
    shop().once(&format!("shipped {item}"), |_| Ok(()))
}

/// A step that has been taken, and how it is undone.
enum Done {
    Reserved(String),
    Charged(i64),
}

/// Takes the steps one after another; `done` tells how far it came.
#[orchestrator(inline)]
async fn buy(item: &str, euros: i64, done: &mut Vec<Done>) -> dacapo::Result<()> {
    reserve(item.to_owned()).await?;
    done.push(Done::Reserved(item.to_owned()));
    charge(euros).await?;
    done.push(Done::Charged(euros));
    ship(item.to_owned()).await
}

/// Buys, or undoes what was done, the last step first.
#[orchestrator]
async fn order(item: String, euros: i64) -> dacapo::Result<String> {
    let mut done = Vec::new();
    let Err(error) = buy(&item, euros, &mut done).await else {
        return Ok(format!("{item} is on its way"));
    };
    #[sequential]
    for step in done.into_iter().rev() {
        match step {
            Done::Reserved(item) => put_back(item).await?,
            Done::Charged(euros) => refund(euros).await?,
        }
    }
    Ok(format!("{item} was not bought: {error}"))
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args = Args::parse();
    let shop = std::sync::Arc::new(Shop::open(&args.folder.join("saga-shop.db"))?);
    let store = format!("sqlite:{}", args.folder.join("saga.db").display());
    let runtime = Runtime::builder(store).state(shop.clone()).open().await?;
    println!("{}", runtime.start(order(args.item, args.price)).await?.result().await?);
    runtime.shutdown().await?;
    shop.print()
}
