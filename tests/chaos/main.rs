//! A storm: a worker on a disk that fails at random, killed with SIGKILL again and again, while its clients ask for everything there is.
//!
//! The worker is this test binary itself, which runs one test, `child`, with a library preloaded that makes its calls on the files of the
//! database fail. What it was asked, what it answered and which activities began stands in a journal; after each kill the database is
//! compared with it, and from time to time the disk is whole again and everything must come to its end. One seed chooses everything but
//! the moments at which the kills meet the program: `DACAPO_SEED` repeats it, `DACAPO_KILLS` says how many kills a long storm has.

mod calm;
mod faults;
mod journal;
mod ledger;
mod orchestrations;
mod snapshot;
#[path = "../support/mod.rs"]
mod support;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use faults::Faults;
use ledger::Ledger;
use snapshot::Snapshot;
use support::{Process, block_on};

/// How many kills there are between two calms.
const BETWEEN_CALMS: u64 = 20;

/// The process that is killed. Does nothing in the process of the tests.
#[test]
fn child() {
    let Ok(round) = std::env::var("DACAPO_STORM_CHILD") else { return };
    let (round, seed) = round.split_once(' ').expect("a round and a seed");
    let (round, seed) = (round.parse().expect("a number"), seed.parse().expect("a number"));
    let folder = std::env::current_dir().expect("a folder");
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("an executor");
    executor.block_on(worker::work(&folder, round, seed));
}

#[test]
fn a_short_storm_loses_nothing() {
    storm(20);
}

#[test]
#[ignore = "takes as long as DACAPO_KILLS says; `.ci/nightly` runs it"]
fn a_long_storm_loses_nothing() {
    storm(std::env::var("DACAPO_KILLS").map_or(2_000, |kills| kills.parse().expect("DACAPO_KILLS is a number")));
}

fn storm(kills: u64) {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
    let seed = std::env::var("DACAPO_SEED").map_or(now, |seed| seed.parse().expect("DACAPO_SEED is a number"));
    println!("DACAPO_SEED={seed}");
    let mut storm = Storm::new(seed);
    while storm.kills < kills {
        let is_calm = storm.kills % BETWEEN_CALMS == BETWEEN_CALMS - 1;
        storm.round(is_calm);
        if is_calm && storm.calms.is_multiple_of(5) {
            println!("{}", storm.figures());
        }
    }
    println!("{}", storm.figures());
}

struct Storm {
    folder: tempfile::TempDir,
    faults: Faults,
    random: StdRng,
    seed: u64,
    ledger: Ledger,
    /// How many lines of the journal are in the ledger, and how many bytes of what workers said have been looked at.
    read: (usize, usize),
    /// What was recorded when the worker was killed last.
    recorded: BTreeSet<String>,
    /// How many signals had taken effect by the last calm.
    tally: u64,
    round: u64,
    kills: u64,
    calms: u64,
    checks: u64,
    asked: u64,
    /// How often a worker could not open the database.
    refused: u64,
    errors: BTreeMap<String, u64>,
    begun: Instant,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            faults: Faults::new(folder.path(), seed),
            folder,
            random: StdRng::seed_from_u64(seed),
            seed,
            ledger: Ledger::default(),
            read: (0, 0),
            recorded: BTreeSet::new(),
            tally: 0,
            round: 0,
            kills: 0,
            calms: 0,
            checks: 0,
            asked: 0,
            refused: 0,
            errors: BTreeMap::new(),
            begun: Instant::now(),
        }
    }

    /// Lets a worker work on a failing disk and kills it. In a calm round that one, or the next, has a whole disk then, on which everything
    /// must come to its end before the kill.
    fn round(&mut self, is_calm: bool) {
        let mut process = self.storm();
        if !is_calm {
            return self.kill(process, false);
        }
        if process.has_ended() || worker::is_old(self.round) || self.random.random_bool(0.5) {
            self.kill(process, true);
            self.faults.set([0; 4]);
            self.round += u64::from(worker::is_old(self.round + 1));
            process = self.spawn();
        }
        self.faults.set([0; 4]);
        self.settle();
        self.kill(process, true);
        self.forget();
    }

    /// A worker that has worked for a while, or has refused to.
    fn storm(&mut self) -> Process {
        // One time in eight the disk is whole, and one time in eight it is in a very bad state.
        let badness = [0, 1, 1, 1, 3, 3, 10, 60][self.random.random_range(0..8)];
        let rates = [20, 20, 5, 20].map(|rate| rate * badness);
        // Three times in four the database can be opened first.
        let is_sound_at_first = self.random.random_bool(0.75);
        self.faults.set(if is_sound_at_first { [0; 4] } else { rates });
        let journal = self.path("journal");
        let length = || std::fs::metadata(&journal).map_or(0, |journal| journal.len());
        let before = length();
        let mut process = self.spawn();
        if process.run_until("the database is open", || length() > before) {
            self.faults.set(rates);
        }
        let bytes = before + self.random.random_range(0..15_000);
        let patience = Duration::from_millis(self.random.random_range(10..300));
        let begun = Instant::now();
        process.run_until("the worker works", || begun.elapsed() > patience || length() > bytes);
        process
    }

    fn spawn(&mut self) -> Process {
        self.round += 1;
        let seed: u64 = self.random.random();
        let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
        command.args(["--exact", "child", "--nocapture"]).env("DACAPO_STORM_CHILD", format!("{} {seed}", self.round));
        let said = File::options().create(true).append(true).open(self.path("said")).expect("a file for what is said");
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        self.faults.befall(&mut command, &self.database());
        Process::spawn(&mut command)
    }

    /// Kills the worker and compares what it leaves with what it has answered.
    fn kill(&mut self, mut process: Process, thorough: bool) {
        let has_ended = process.has_ended();
        process.kill();
        self.kills += u64::from(!has_ended);
        self.listen();
        if has_ended && self.ledger.refused == 0 {
            self.ledger.wrong.push("the worker ended by itself".to_owned());
        }
        self.refused += std::mem::take(&mut self.ledger.refused);
        let said = std::fs::read(self.path("said")).expect("what was said is readable");
        let news = String::from_utf8_lossy(&said[self.read.1..]).into_owned();
        self.read.1 = said.len();
        if news.contains("panicked at") {
            self.ledger.wrong.push(format!("something panicked: {news}"));
        }
        let again: Vec<_> = self.ledger.began.intersection(&self.recorded).cloned().collect();
        if !again.is_empty() {
            self.ledger.wrong.push(format!("recorded activities ran again: {again:?}"));
        }
        if let Some(snapshot) = Snapshot::of(&self.database(), thorough) {
            let (wrong, checks) = snapshot.check(&self.ledger);
            self.ledger.wrong.extend(wrong);
            self.checks += checks + self.ledger.began.len() as u64;
            self.recorded = snapshot.recorded();
        }
        self.ledger.killed();
        self.give_up_if_wrong();
    }

    /// Waits until everything has come to its end.
    fn settle(&mut self) {
        let calm = self.path("calm");
        std::fs::write(&calm, "").expect("the worker can be told");
        let path = self.path("journal");
        let (folder, read, tally) = (self.folder.path().to_owned(), &mut self.read.0, &mut self.tally);
        let listen = |ledger: &mut Ledger| listen(&path, read, ledger);
        if let Err(error) = block_on(calm::settle(&folder, &mut self.ledger, tally, listen)) {
            self.ledger.wrong.push(format!("the disk is whole, and a client was answered: {error}"));
        }
        self.calms += 1;
        std::fs::remove_file(calm).expect("the worker can be told");
        self.give_up_if_wrong();
        // They were purged.
        self.ledger.runs.clear();
    }

    /// What has come to its end is compared no more.
    fn forget(&mut self) {
        let locked = Snapshot::of(&self.database(), false).map(|snapshot| snapshot.locked().join(", ")).unwrap_or_default();
        if !locked.is_empty() {
            self.ledger.wrong.push(format!("all have ended, and these are locked: {locked}"));
            self.give_up_if_wrong();
        }
        let forgotten = std::mem::take(&mut self.ledger);
        self.asked += forgotten.asked_so_far;
        for (error, count) in forgotten.errors {
            *self.errors.entry(error).or_default() += count;
        }
        std::fs::remove_file(self.path("journal")).expect("the journal can be removed");
        self.read.0 = 0;
    }

    fn listen(&mut self) {
        listen(&self.path("journal"), &mut self.read.0, &mut self.ledger);
    }

    fn give_up_if_wrong(&mut self) {
        if self.ledger.wrong.is_empty() {
            return;
        }
        self.folder.disable_cleanup(true);
        let wrong = self.ledger.wrong.iter().map(|wrong| wrong.chars().take(4_000).collect::<String>() + "\n");
        let wrong: String = wrong.take(20).collect();
        let said = std::fs::read_to_string(self.path("said")).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(20).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        panic!("DACAPO_SEED={}, round {}, {}\n{wrong}\n{}", self.seed, self.round, self.figures(), last.join("\n"));
    }

    fn figures(&self) -> String {
        let faults: Vec<String> = self.faults.met().iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let errors: Vec<String> = self.errors.iter().map(|(error, count)| format!("\n  {count:>6} {error}")).collect();
        format!(
            "{} kills, {} calms, faults: {}; {} questions, {} checks, {} times not opened, {:?}, in {}; errors:{}",
            self.kills,
            self.calms,
            faults.join(", "),
            self.asked + self.ledger.asked_so_far,
            self.checks,
            self.refused,
            self.begun.elapsed(),
            self.folder.path().display(),
            errors.concat()
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("chaos.db")
    }
}

/// Enters the lines of the journal that are new.
fn listen(journal: &Path, read: &mut usize, ledger: &mut Ledger) {
    for entry in journal::read(journal, *read) {
        *read += 1;
        ledger.enter(entry);
    }
}
