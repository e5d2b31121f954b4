//! Entities in a process that is killed with SIGKILL, again and again, and after each commit of a scenario.
//!
//! The process is this test binary itself, which runs one test, `child`.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use dacapo::store::Event as Recorded;
use dacapo::testing::crash_everywhere;
use dacapo::{Client, ReuseId, Runtime, entity, orchestrator};
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use support::{Process, block_on};

const ROUNDS: u64 = 400;
const RUNS: u64 = 4;

/// Money, and how often it was moved.
#[derive(Default, Serialize, Deserialize)]
struct Account {
    balance: i64,
    moves: u64,
}

#[entity]
impl Account {
    fn change(&mut self, amount: i64) -> i64 {
        self.balance += amount;
        self.moves += 1;
        Total::at("of all").count().signal();
        self.balance
    }

    fn balance(&self) -> i64 {
        self.balance
    }
}

/// What all accounts have signalled.
#[derive(Default, Serialize, Deserialize)]
struct Total {
    moves: u64,
}

#[entity]
impl Total {
    fn count(&mut self) {
        self.moves += 1;
    }

    fn moves(&self) -> u64 {
        self.moves
    }
}

/// Moves one coin, with both accounts locked.
#[orchestrator(inline)]
async fn move_one(from: &str, to: &str) {
    let (from, to) = (Account::at(from), Account::at(to));
    let guard = dacapo::lock((from.clone(), to.clone())).await;
    let (before, after) = (from.balance().await, from.change(-1).await);
    assert_eq!(before - 1, after, "nobody came between, and nothing was lost");
    to.change(1).await;
    drop(guard);
}

/// Moves coins to and fro, one after the other.
#[orchestrator]
async fn moves(first: String, second: String, rounds: u64) {
    #[sequential]
    for _ in 0..rounds {
        move_one(&first, &second).await;
    }
}

/// The process that is killed. Does nothing in the process of the tests.
#[test]
fn child() -> dacapo::Result<()> {
    if std::env::var_os("DACAPO_CRASH_CHILD").is_none() {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let runtime = Runtime::open("sqlite:crash.db?synchronous=NORMAL").await?;
        let starts = (0..RUNS).map(|n| {
            let (from, to) = if n % 2 == 0 { ("a", "b") } else { ("b", "a") };
            runtime.start(moves(from.into(), to.into(), ROUNDS / RUNS)).id(format!("{n}")).reuse_id(ReuseId::UseExisting)
        });
        let runs = try_join_all(starts.map(std::future::IntoFuture::into_future)).await?;
        join_all(runs.iter().map(|run| run.result())).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(runtime.shutdown().await?)
    })
}

async fn counted(client: &Client) -> u64 {
    client.state_of::<Total>("of all").await.expect("it is readable").map_or(0, |total| total.moves)
}

fn start(folder: &Path) -> Process {
    let test = std::env::current_exe().expect("the path of this test");
    let mut command = Command::new(test);
    command.args(["--exact", "child", "--nocapture"]).env("DACAPO_CRASH_CHILD", "1").current_dir(folder);
    Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()))
}

/// What the accounts have signalled, read while the process runs.
fn counted_in(database: &Path) -> u64 {
    let events = support::history(database, "@total@of all").into_iter().flat_map(|turn| turn.events);
    let mut state = events.filter_map(|event| match event {
        Recorded::EntityState { state, .. } => state,
        _ => None,
    });
    state.next_back().map_or(0, |state| state.decode::<Total>().expect("it is a total").moves)
}

#[test]
fn every_message_takes_effect_once_whatever_is_killed_when() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("crash.db");
    let (mut kills, mut places) = (0, Vec::new());
    for kill in 1..=12 {
        let mut process = start(folder.path());
        let target = kill * 2 * ROUNDS / 14;
        if !process.run_until("some were moved", || counted_in(&database) >= target) {
            break;
        }
        std::thread::sleep(Duration::from_micros(kill * 137 % 900));
        if !process.kill() {
            break;
        }
        kills += 1;
        places.push(counted_in(&database));
    }
    println!("{kills} kills, after so many operations: {places:?}");
    assert!(kills >= 8, "the run was over after {kills} kills");
    let mut process = start(folder.path());
    process.run_until("the program has ended", || false);
    assert!(!process.kill(), "the program ended by a signal");
    block_on(async {
        let runtime = Runtime::open(&format!("sqlite:{}", database.display())).await?;
        for run in 0..RUNS {
            runtime.attach(moves, format!("{run}")).result().await?;
        }
        for key in ["a", "b"] {
            assert_eq!(runtime.call(Account::at(key).balance()).await?, 0, "as much came as went");
            let state = runtime.state_of::<Account>(key).await?.expect("it was changed");
            assert_eq!(state.moves, ROUNDS, "each call took effect once");
        }
        while counted(&runtime).await < 2 * ROUNDS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(runtime.call(Total::at("of all").moves()).await?, 2 * ROUNDS, "each signal took effect once");
        Ok(())
    })
}

#[test]
fn a_crash_after_any_commit_changes_nothing() {
    let moved = crash_everywhere(|harness| {
        let runs = [harness.start(moves("a".into(), "b".into(), 2)), harness.start(moves("b".into(), "a".into(), 1))];
        runs.iter().for_each(|run| run.result().expect("it ends well"));
        harness.client(|client| async move {
            let balance = client.call(Account::at("a").balance()).await.expect("it answers");
            (balance, client.call(Total::at("of all").moves()).await.expect("it answers"))
        })
    });
    assert_eq!(moved, (-1, 6));
}
