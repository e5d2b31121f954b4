//! What the worker runs.

use std::path::PathBuf;
use std::time::Duration;

use dacapo::{Codec, Event, Payloads, Retry, activity, entity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::journal::{Entry, Journal};

/// What activities know of the outside.
pub(crate) struct Outside {
    pub(crate) journal: Journal,
    pub(crate) folder: PathBuf,
}

/// Stands in every value, so that one that leaves unsealed shows.
pub(crate) const SECRET: &str = "do not show this";
pub(crate) const NUMBER: Event<u64> = Event::new("number");
const NEVER: Event<u64> = Event::new("never");
const AGAIN: Retry = Retry::fixed(Duration::from_millis(3)).max_attempts(3);

struct Mask;

impl Codec for Mask {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        plain.iter().map(|byte| byte ^ 0xa5).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.encode(encoded))
    }
}

pub(crate) fn payloads() -> Payloads {
    Payloads::default().out_of_line_above(2_000).codec(Mask)
}

fn began() -> std::sync::Arc<Outside> {
    let outside = dacapo::state::<Outside>();
    outside.journal.write(&Entry::Began(dacapo::activity::idempotency_key()));
    outside
}

#[activity]
pub(crate) async fn step(n: u64, _secret: String) -> u64 {
    began();
    tokio::time::sleep(Duration::from_millis(n % 4)).await;
    n + 1
}

/// The last of a run.
#[activity]
pub(crate) async fn finish(n: u64) -> u64 {
    began().journal.write(&Entry::Finishes(dacapo::activity::instance_id()));
    n
}

#[activity(max_concurrent = 3)]
pub(crate) async fn beats(n: u64) -> u64 {
    began();
    for beat in 0..n % 5 {
        dacapo::activity::heartbeat(&(beat, SECRET));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    n
}

#[activity]
pub(crate) async fn large(n: u64) -> String {
    began();
    SECRET.repeat(n as usize * 40)
}

#[activity(retry = AGAIN)]
pub(crate) async fn second_try(n: u64) -> dacapo::Result<u64> {
    began();
    if dacapo::activity::attempt() == 1 { Err(dacapo::Error::msg(SECRET)) } else { Ok(n) }
}

/// Fails until a file with the name of its run is there.
#[activity(retry = Retry::none())]
pub(crate) async fn brittle(n: u64) -> dacapo::Result<u64> {
    let mended = began().folder.join("mended").join(dacapo::activity::instance_id());
    if mended.exists() { Ok(n + 1) } else { Err(dacapo::Error::msg("broken")) }
}

#[orchestrator]
pub(crate) async fn chain(n: u64) -> u64 {
    let mut done = 0;
    while done < n {
        done = step(done, SECRET.into()).await;
        dacapo::set_custom_status(&(done, SECRET));
    }
    finish(done).await
}

#[orchestrator]
pub(crate) async fn fan(n: u64) -> dacapo::Result<u64> {
    let beats = join_all((0..n).map(beats)).await;
    let large = join_all((0..n).map(large)).await;
    let tried = dacapo::try_fan_out(0..n, second_try).limit(3).await?;
    dacapo::sleep(Duration::from_millis(n)).await;
    let sizes: usize = large.iter().map(String::len).sum();
    let whole = 40 * SECRET.len() * (0..n as usize).sum::<usize>();
    let right = sizes == whole && beats == tried && beats == (0..n).collect::<Vec<_>>();
    Ok(finish(u64::from(!right)).await)
}

#[orchestrator]
pub(crate) async fn parent(n: u64) -> u64 {
    let sums = join_all((0..n).map(|_| chain(2))).await;
    finish(sums.iter().sum()).await
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance: i64,
    secret: String,
}

#[entity]
impl Account {
    fn change(&mut self, amount: i64) -> i64 {
        self.balance += amount;
        SECRET.clone_into(&mut self.secret);
        self.balance
    }
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) count: u64,
}

#[entity]
impl Tally {
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.count += n;
        self.count
    }
}

/// Moves money to and fro, so that all that is left of it is what came between.
#[orchestrator]
pub(crate) async fn transfer(n: u64) -> i64 {
    let (from, to) = (Account::at(format!("{}", n % 3)), Account::at(format!("{}", 3 + n % 2)));
    let guard = dacapo::lock((from.clone(), to.clone())).await;
    let before = from.change(-7).await;
    to.change(7).await;
    step(n, SECRET.into()).await;
    let after = from.change(7).await;
    to.change(-7).await;
    drop(guard);
    finish(0).await;
    after - before - 7
}

/// Takes three events in each execution.
#[orchestrator]
pub(crate) async fn collect(n: u64, mut taken: Vec<u64>) -> Vec<u64> {
    for _ in 0..3 {
        if taken.len() as u64 == n {
            finish(n).await;
            return taken;
        }
        taken.push(NUMBER.wait().await);
        step(taken.len() as u64, SECRET.into()).await;
    }
    dacapo::continue_as_new(collect(n, taken)).await
}

#[orchestrator]
pub(crate) async fn fragile(n: u64) -> dacapo::Result<u64> {
    let first = step(n, SECRET.into()).await;
    let mended = brittle(first).await?;
    Ok(finish(mended).await)
}

#[orchestrator]
pub(crate) async fn waits(_n: u64) -> u64 {
    NEVER.wait().await
}

#[orchestrator]
pub(crate) async fn forever(n: u64) -> u64 {
    join_all((0..n).map(waits)).await.iter().sum()
}

#[orchestrator(name = "versioned")]
pub(crate) async fn first(n: u64) -> u64 {
    finish(step(n, SECRET.into()).await).await
}

#[orchestrator(name = "versioned", version = 2)]
async fn second(n: u64) -> u64 {
    let once = step(n, SECRET.into()).await;
    finish(if dacapo::patched("twice") { step(once, SECRET.into()).await } else { once }).await
}

#[orchestrator]
pub(crate) async fn ticks(n: u64) -> u64 {
    step(n, SECRET.into()).await
}
