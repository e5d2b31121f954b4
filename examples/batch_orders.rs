//! Batch: every line of an order file is priced by a call of its own, many at once, and the batch survives `kill -9`.
//!
//! ```sh
//! cargo run --release --example batch_orders -- --sample orders.csv           # writes 500 lines, some of them wrong
//! cargo run --release --example batch_orders -- orders.csv                    # a receipt for each, and the summary
//! cargo run --release --example batch_orders -- orders.csv --one-by-one       # the same in a loop, and how much longer it takes
//! ```
//!
//! `serve` does the same for `curl -i localhost:7071/orchestrators/process_batch --json '"orders.csv"'`. A line that cannot be ordered
//! is rejected with its number and does not stop the rest. Take `#[sequential]` from the loop below and it does not compile:
//! `tests/ui/lint/fail/real_41_batch_orders.rs` shows what the compiler says.

mod begin;
mod resume;
mod serve;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use dacapo::{Client, Error, Retry, ReuseId, Runtime, activity, orchestrator, try_fan_out};
use serde::{Deserialize, Serialize};

/// Prices the lines of an order file and writes a receipt for each.
#[derive(Parser)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A CSV file with the columns customer, item and quantity
    #[arg(required_unless_present = "sample")]
    file: Option<PathBuf>,
    /// Writes a new file to try this with, and ends
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    sample: Option<PathBuf>,
    /// How many lines the sample has
    #[arg(long, value_name = "N", default_value_t = 500, requires = "sample")]
    lines: u64,
    /// Afterwards does it all again in a loop, one line after another, and compares
    #[arg(long)]
    one_by_one: bool,
    /// How long the price service takes, in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value_t = 5)]
    latency: u64,
    /// Where the receipts go, those of each run into a new folder
    #[arg(long, global = true, value_name = "FOLDER", default_value = "receipts")]
    receipts: PathBuf,
    #[command(flatten)]
    store: serve::Store,
    /// The name of this batch; without it one is made of the path
    #[arg(long)]
    id: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Durable Functions' HTTP API until Ctrl-C: `process_batch` takes the path of a file and gives the summary
    Serve(serve::Listen),
}

/// A line of the file as it stands there, or why it cannot be read.
#[derive(Serialize, Deserialize)]
struct Row {
    line: u64,
    fields: Result<Fields, String>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    customer: String,
    item: String,
    quantity: String,
}

/// What was ordered with one line.
#[derive(Serialize, Deserialize)]
struct Receipt {
    line: u64,
    customer: String,
    item: String,
    quantity: u32,
    cents: u64,
}

/// A line that is wrong. That is a result like another, no failure of the batch.
#[derive(Serialize, Deserialize)]
struct Rejection {
    line: u64,
    reason: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Summary {
    lines: usize,
    cents: u64,
    /// In cents.
    customers: BTreeMap<String, u64>,
    rejected: Vec<Rejection>,
}

/// What there is to buy, and its price in cents.
const PRICES: [(&str, u64); 4] = [("lamp", 4_900), ("chair", 8_900), ("table", 24_900), ("shelf", 12_900)];

/// What the activities use.
struct Shop {
    receipts: PathBuf,
    /// Stands for the way to a price service and back.
    latency: Duration,
}

/// Reads the file. A line that is no record is one to reject later; only a file that is none of ours is refused.
#[activity]
fn load(file: PathBuf) -> dacapo::Result<Vec<Row>> {
    let unreadable = |error: csv::Error| Error::msg(format!("could not read `{}`: {error}", file.display()));
    let text = read(&file).map_err(csv::Error::from).map_err(unreadable)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&text[..]);
    let header = reader.headers().map_err(unreadable)?.clone();
    if let Some(missing) = ["customer", "item", "quantity"].iter().find(|name| !header.iter().any(|column| column == **name)) {
        return Err(Error::msg(format!("`{}` has no column `{missing}` in its first line", file.display())));
    }
    let (mut rows, mut line, mut counted) = (Vec::new(), 1, 0);
    for record in reader.byte_records() {
        let record = record.map_err(unreadable)?;
        let begin = record.position().map_or(counted, |position| begin_at(&text, position));
        line += ends_of_lines(&text[counted..begin]);
        counted = begin;
        let fields = csv::StringRecord::from_byte_record(record).map_err(|_| "it is not UTF-8".to_owned()).and_then(|record| {
            match record.len() == header.len() {
                true => record.deserialize(Some(&header)).map_err(|error| error.to_string()),
                false => Err(format!("it has {} fields instead of {}", record.len(), header.len())),
            }
        });
        rows.push(Row { line, fields });
    }
    Ok(rows)
}

/// The content of a file. What is none, such as a pipe, could be waited for without end.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    match file.metadata()?.is_file() {
        true => fs::read(file),
        false => Err(io::Error::other("it is no file")),
    }
}

/// Where a record begins. Its position is before the empty lines that are skipped.
fn begin_at(text: &[u8], position: &csv::Position) -> usize {
    let position = position.byte() as usize;
    position + text[position..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// How many lines end in `text`: with all that ends a record for `csv`, which is `\n`, `\r\n` and a `\r` alone.
fn ends_of_lines(text: &[u8]) -> u64 {
    let is_end = |(at, byte): (usize, &u8)| *byte == b'\n' || *byte == b'\r' && text.get(at + 1) != Some(&b'\n');
    text.iter().enumerate().filter(|found| is_end(*found)).count() as u64
}

/// Prices one line and writes its receipt. The file appears when it is complete, and an attempt that is made again after a crash
/// writes the same one.
#[activity(retry = Retry::exponential(Duration::from_millis(100)).max_attempts(3))]
async fn process(row: Row, folder: String) -> dacapo::Result<Result<Receipt, Rejection>> {
    let shop = dacapo::state::<Shop>();
    tokio::time::sleep(shop.latency).await;
    let line = row.line;
    let receipt = match row.fields.and_then(|fields| price(line, fields)) {
        Ok(receipt) => receipt,
        Err(reason) => return Ok(Err(Rejection { line, reason })),
    };
    let folder = shop.receipts.join(folder);
    tokio::fs::create_dir_all(&folder).await?;
    let part = folder.join(format!("{line}.json.part"));
    tokio::fs::write(&part, serde_json::to_vec_pretty(&receipt)?).await?;
    tokio::fs::File::open(&part).await?.sync_all().await?;
    tokio::fs::rename(&part, part.with_extension("")).await?;
    Ok(Ok(receipt))
}

/// Ten pieces or more are a tenth cheaper.
fn price(line: u64, Fields { customer, item, quantity }: Fields) -> Result<Receipt, String> {
    if customer.is_empty() {
        return Err("the customer is missing".into());
    }
    let known = PRICES.iter().find(|(name, _)| *name == item);
    let (_, price) = known.ok_or_else(|| format!("`{item}` is not for sale"))?;
    let quantity = match quantity.parse() {
        Ok(quantity @ 1..=1000) => quantity,
        _ => return Err(format!("`{quantity}` is no quantity from 1 to 1000")),
    };
    let full = price * u64::from(quantity);
    let cents = if quantity >= 10 { full - full / 10 } else { full };
    Ok(Receipt { line, customer, item, quantity, cents })
}

/// All lines, 64 at once.
#[orchestrator]
async fn process_batch(file: PathBuf) -> dacapo::Result<Summary> {
    let rows = load(file).await?;
    let folder = folder_of_receipts();
    Ok(summarize(try_fan_out(rows, |row| process(row, folder.clone())).limit(64).await?))
}

/// All lines in a loop. That the next line waits for the one before must be said.
#[orchestrator]
async fn process_one_by_one(file: PathBuf) -> dacapo::Result<Summary> {
    let (folder, mut results) = (folder_of_receipts(), Vec::new());
    #[sequential]
    for row in load(file).await? {
        results.push(process(row, folder.clone()).await?);
    }
    Ok(summarize(results))
}

/// A name that only this run has, also among those of its id. An id may be longer than a name of 255 bytes, and is cut then.
fn folder_of_receipts() -> String {
    let id = dacapo::instance_id();
    let end = id.char_indices().map(|(start, c)| start + c.len_utf8()).take_while(|end| *end <= 200).last();
    format!("batch {} {}", &id[..end.unwrap_or(0)], dacapo::new_uuid())
}

fn summarize(results: Vec<Result<Receipt, Rejection>>) -> Summary {
    let mut summary = Summary { lines: results.len(), ..Summary::default() };
    for result in results {
        match result {
            Ok(receipt) => {
                summary.cents += receipt.cents;
                *summary.customers.entry(receipt.customer).or_default() += receipt.cents;
            }
            Err(rejection) => summary.rejected.push(rejection),
        }
    }
    summary
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    let args: Args = begin::arguments();
    if let Some(sample) = args.sample {
        return write_sample(&sample, args.lines);
    }
    let shop = Shop { receipts: args.receipts, latency: Duration::from_millis(args.latency) };
    let runtime = Runtime::builder(args.store.url).state(shop);
    let file = match (args.command, args.file) {
        (Some(Command::Serve(listen)), _) => return serve::serve(listen, runtime, Router::new()).await,
        (None, Some(file)) => std::path::absolute(file)?,
        (None, None) => return Err(Error::msg("give a file, or `serve`")),
    };
    let id = args.id.unwrap_or_else(|| resume::id(resume::part_of_id(file.display())));
    let runtime = runtime.open().await?;
    resume::check(&runtime, &id, &file).await?;
    let run = runtime.start(process_batch(file.clone())).id(&id).reuse_id(ReuseId::UseExisting).await?;
    print(&run.result().await.map_err(resume::failed(&id))?);
    let at_once = seconds(&runtime, &id).await?;
    println!("{at_once:.2} s, 64 at once");
    if args.one_by_one {
        let id = resume::id(format!("{id}, one by one"));
        runtime.start(process_one_by_one(file)).id(&id).reuse_id(ReuseId::UseExisting).await?.result().await?;
        let one_by_one = seconds(&runtime, &id).await?;
        println!("{one_by_one:.2} s, one by one: {:.1} times as long", one_by_one / at_once);
    }
    runtime.shutdown().await?;
    Ok(())
}

fn print(summary: &Summary) {
    for Rejection { line, reason } in &summary.rejected {
        println!("line {line} is rejected: {reason}");
    }
    let euros = |cents: u64| format!("{}.{:02} €", cents / 100, cents % 100);
    for (customer, cents) in &summary.customers {
        println!("{customer}: {}", euros(*cents));
    }
    println!("{} lines, {} rejected, {} in all", summary.lines, summary.rejected.len(), euros(summary.cents));
}

/// How long an orchestration has taken, by its own record: also after a crash, and when it had ended before this process began.
async fn seconds(client: &Client, id: &str) -> dacapo::Result<f64> {
    let status = client.status(id).await?;
    Ok(status.last_updated_at().duration_since(status.created_at())?.as_secs_f64())
}

/// Every hundredth line is wrong, each in another way.
fn write_sample(file: &Path, lines: u64) -> dacapo::Result<()> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::msg(format!("`--sample` writes a new file, and `{}` exists", file.display())),
        _ => Error::msg(format!("could not write `{}`: {error}", file.display())),
    };
    let mut sample = fs::File::create_new(file).map_err(refused)?;
    let mut text = String::from("customer,item,quantity\n");
    for number in 1..=lines {
        let customer = ["Ada", "Grace", "Edsger", "Barbara", "Donald"][number as usize % 5];
        let item = PRICES[number as usize % PRICES.len()].0;
        text += &match number % 400 {
            100 => format!("{customer},unicorn,1\n"),
            200 => format!("{customer},{item},-3\n"),
            300 => format!("{customer},{item}\n"),
            0 => format!(",{item},1\n"),
            _ => format!("{customer},{item},{}\n", number % 12 + 1),
        };
    }
    sample.write_all(text.as_bytes()).map_err(refused)?;
    println!("{lines} lines are in {}", file.display());
    Ok(())
}
