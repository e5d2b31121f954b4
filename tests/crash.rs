//! Orchestrations in a process that is killed with SIGKILL, again and again, and started again each time.
//!
//! The process is this test binary itself, which runs one test, `child`, with a program to run in its environment. Every
//! activity begins by writing a line to a log; the log and the database show what ran and what was recorded. The kills are
//! random; `DACAPO_SEED` repeats those of a failure.

mod support;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use dacapo::store::{Event as Recorded, Timestamp, Turn};
use dacapo::{Client, Event, Retry, Runtime, Status, activity, orchestrator};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::de::DeserializeOwned;
use support::{Process, block_on};

/// How many activities of a child run at once.
const AT_ONCE: usize = 8;
/// The instance id of the one orchestration of each test.
const ID: &str = "the one";

/// The file that activities write to, as state of the child's runtime.
struct Log(PathBuf);

impl Log {
    /// Writes a line; what `write` has taken outlives the process.
    fn line(&self, text: impl std::fmt::Display) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).expect("the log");
        file.write_all(format!("{text}\n").as_bytes()).expect("room in the log");
    }
}

/// The value of one item, so that a result in a wrong place shows.
fn value_of(index: u32) -> u64 {
    u64::from(index) * 1_000_003 + 7
}

#[activity]
async fn item(index: u32) -> u64 {
    dacapo::state::<Log>().line(format!("{index} {}", dacapo::activity::attempt()));
    tokio::time::sleep(Duration::from_millis(u64::from(index % 5))).await;
    value_of(index)
}

#[orchestrator]
async fn fan_out(width: u32) -> Vec<u64> {
    join_all((0..width).map(item)).await
}

#[activity]
async fn step(number: u32, sum: u64) -> u64 {
    dacapo::state::<Log>().line(number);
    tokio::time::sleep(Duration::from_millis(1)).await;
    sum.wrapping_mul(31).wrapping_add(value_of(number))
}

#[orchestrator]
async fn chain(length: u32) -> u64 {
    let mut sum = 1;
    for number in 0..length {
        sum = step(number, sum).await;
    }
    sum
}

const BACKOFF: Duration = Duration::from_millis(1_500);

/// Fails twice. The second attempt hangs until there is a file `gate` beside the log.
#[activity(retry = Retry::fixed(BACKOFF).max_attempts(3))]
async fn flaky() -> dacapo::Result<u32> {
    let (log, attempt) = (dacapo::state::<Log>(), dacapo::activity::attempt());
    log.line(attempt);
    if attempt == 2 && !log.0.with_file_name("gate").exists() {
        std::future::pending::<()>().await;
    }
    if attempt < 3 { Err(dacapo::Error::msg("not yet")) } else { Ok(attempt) }
}

#[orchestrator]
async fn persist() -> dacapo::Result<u32> {
    flaky().await
}

#[orchestrator]
async fn nap(milliseconds: u64) -> u64 {
    dacapo::sleep(Duration::from_millis(milliseconds)).await;
    milliseconds
}

const NUMBER: Event<u32> = Event::new("number");

#[orchestrator]
async fn gather(count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(NUMBER.wait().await);
    }
    numbers
}

/// Starts an orchestration, or finds it started, and waits for its end.
macro_rules! finish {
    ($runtime:ident, $orchestrator:ident($($argument:expr)?)) => {{
        match $runtime.start($orchestrator($($argument)?)).id(ID).await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
        $runtime.attach($orchestrator, ID).result().await?;
    }};
}

/// The process that is killed. Does nothing in the process of the tests.
#[test]
fn child() -> dacapo::Result<()> {
    let Ok(program) = std::env::var("DACAPO_CRASH_CHILD") else {
        return Ok(());
    };
    let folder = std::env::current_dir()?;
    let (orchestrator, argument) = program.split_once(' ').unwrap_or((&program, "0"));
    let argument = argument.parse::<u32>()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let runtime =
            Runtime::builder(url(&folder)).state(Log(folder.join("log"))).max_concurrent_activities(AT_ONCE).open().await?;
        match orchestrator {
            "fan_out" => finish!(runtime, fan_out(argument)),
            "chain" => finish!(runtime, chain(argument)),
            "persist" => finish!(runtime, persist()),
            "nap" => finish!(runtime, nap(argument.into())),
            "gather" => finish!(runtime, gather(argument as usize)),
            other => return Err(dacapo::Error::msg(format!("no program `{other}`"))),
        }
        Ok(runtime.shutdown().await?)
    })
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("crash.db").display())
}

/// A folder with a database and a log, and the program that works there.
struct Stage {
    folder: tempfile::TempDir,
    program: String,
    random: StdRng,
}

impl Stage {
    fn new(program: impl Into<String>) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
        let seed = std::env::var("DACAPO_SEED").map_or(now, |seed| seed.parse().expect("DACAPO_SEED is a number"));
        println!("DACAPO_SEED={seed}");
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            program: program.into(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn start(&self) -> Process {
        let test = std::env::current_exe().expect("the path of this test");
        let mut command = Command::new(test);
        command
            .args(["--exact", "child", "--nocapture"])
            .env("DACAPO_CRASH_CHILD", &self.program)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Process::spawn(&mut command)
    }

    /// Starts the program once more and waits for its good end.
    fn finish(&self) -> Status {
        let mut process = self.start();
        process.run_until("the program has ended", || false);
        assert!(!process.kill(), "the program ended by a signal");
        let client = block_on(async { Client::connect(&url(self.folder.path())).await?.status(ID).await });
        client.expect("the orchestration is there").runtime_status()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line in the log");
        text.lines().map(str::to_owned).collect()
    }

    fn history(&self) -> Vec<Turn> {
        support::history(&self.folder.path().join("crash.db"), ID)
    }

    /// Waits until the log has so many lines.
    fn run_until_lines(&self, process: &mut Process, count: usize) -> bool {
        process.run_until("lines in the log", || self.lines_now() >= count)
    }

    /// The lines of the log while it is being written.
    fn lines_now(&self) -> usize {
        std::fs::read(self.log()).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
    }

    /// A random place in the part of the run that belongs to one of `kills` kills, so that they spread over all of it.
    fn place_of(&mut self, kill: u32, kills: u32, length: u32) -> u32 {
        let part = length / (kills + 1);
        kill * part + self.random.random_range(1..=part)
    }

    /// Waits a moment that no event marks, so that the kill after it hits anything.
    fn lag(&mut self, longest: Duration) {
        std::thread::sleep(longest.mul_f64(self.random.random()));
    }
}

fn events(history: &[Turn]) -> impl Iterator<Item = &Recorded> {
    history.iter().flat_map(|turn| &turn.events)
}

/// What the orchestration returned.
fn result<T: DeserializeOwned>(history: &[Turn]) -> T {
    match events(history).last() {
        Some(Recorded::ExecutionCompleted { result }) => result.decode().expect("a result of the declared type"),
        other => panic!("the history ends with {other:?}"),
    }
}

/// The first arguments of the completed calls of an activity.
fn completed(history: &[Turn], name: &str) -> BTreeSet<u32> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Input {
        Bare(u32),
        Keyed { number: u32 },
    }
    let number = |(input, _): &(dacapo::Payload, dacapo::Payload)| match input.decode().expect("the recorded input") {
        Input::Bare(number) | Input::Keyed { number } => number,
    };
    support::completed(history, name).iter().map(number).collect()
}

/// The numbers in lines of a log, which come from runs between two kills: none twice.
fn distinct(lines: &[String]) -> BTreeSet<u32> {
    let number = |line: &String| line.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    let numbers: BTreeSet<u32> = lines.iter().map(number).collect();
    assert_eq!(numbers.len(), lines.len(), "an activity ran twice without a kill in between");
    numbers
}

#[test]
fn a_fan_out_of_1000_outlives_26_kills() {
    const WIDTH: u32 = 1_000;
    const KILLS: u32 = 26;
    let mut stage = Stage::new(format!("fan_out {WIDTH}"));
    let (mut done, mut seen, mut kills) = (BTreeSet::new(), 0, Vec::new());
    for kill in 0..KILLS {
        let mut process = stage.start();
        let target = seen + stage.place_of(kill, KILLS, WIDTH).saturating_sub(done.len() as u32).max(1) as usize;
        if !stage.run_until_lines(&mut process, target) {
            break;
        }
        stage.lag(Duration::from_millis(4));
        if !process.kill() {
            break;
        }

        let (lines, history) = (stage.lines(), stage.history());
        let ran = distinct(&lines[seen..]);
        let again: Vec<_> = ran.intersection(&done).collect();
        assert!(again.is_empty(), "recorded before kill {}, and ran again: {again:?}", kills.len());
        let now = completed(&history, "item");
        assert!(now.is_superset(&done), "a kill undid what was recorded");
        assert!(now.iter().all(|item| done.contains(item) || ran.contains(item)), "recorded without having run");
        (done, seen) = (now, lines.len());
        kills.push(done.len());
    }
    println!("{} kills, at so many recorded completions: {kills:?}", kills.len());
    assert!(kills.len() >= 20, "the run was over after {} kills: {kills:?}", kills.len());
    let quarters: BTreeSet<_> = kills.iter().map(|at| 4 * at / WIDTH as usize).collect();
    assert_eq!(quarters.len(), 4, "the kills were not spread: {kills:?}");
    assert_eq!(stage.finish(), Status::Completed);
    let (lines, history) = (stage.lines(), stage.history());
    assert!(distinct(&lines[seen..]).is_disjoint(&done), "recorded before the last kill, and ran again");
    assert_eq!(result::<Vec<u64>>(&history), (0..WIDTH).map(value_of).collect::<Vec<_>>(), "the results, in input order");
    assert_eq!(completed(&history, "item"), (0..WIDTH).collect());
    let count = |wanted: fn(&Recorded) -> bool| events(&history).filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Recorded::TaskScheduled { .. })), WIDTH as usize);
    assert_eq!(count(|event| matches!(event, Recorded::TaskCompleted { .. })), WIDTH as usize);
    assert!(lines.iter().all(|line| line.ends_with(" 1")), "an interrupted attempt is made again under its number");
}

#[test]
fn a_chain_repeats_at_most_the_step_under_way() {
    const LENGTH: u32 = 300;
    const KILLS: u32 = 12;
    let mut stage = Stage::new(format!("chain {LENGTH}"));
    let (mut done, mut seen, mut kills) = (0, 0, 0);
    for kill in 0..KILLS {
        let mut process = stage.start();
        let target = seen + stage.place_of(kill, KILLS, LENGTH).saturating_sub(done).max(1) as usize;
        let reached = stage.run_until_lines(&mut process, target);
        stage.lag(Duration::from_millis(2));
        if !process.kill() || !reached {
            break;
        }
        kills += 1;
        let (lines, history) = (stage.lines(), stage.history());
        let ran = distinct(&lines[seen..]);
        let now = completed(&history, "step");
        assert_eq!(now, (0..now.len() as u32).collect(), "steps are recorded in order, none is lost");
        assert_eq!(ran, (done..done + ran.len() as u32).collect(), "it goes on with the first step that is not recorded");
        assert!(now.len() as u32 >= done + ran.len() as u32 - 1, "all steps but the one under way are recorded");
        (done, seen) = (now.len() as u32, lines.len());
    }
    assert!(kills >= 10, "the run was over after {kills} kills");
    assert_eq!(stage.finish(), Status::Completed);
    let expected = (0..LENGTH).fold(1_u64, |sum, number| sum.wrapping_mul(31).wrapping_add(value_of(number)));
    assert_eq!(result::<u64>(&stage.history()), expected);
}

#[test]
fn a_process_killed_while_it_starts_can_be_started_again() {
    let mut stage = Stage::new("fan_out 20");
    let database = stage.folder.path().join("crash.db");
    let mut before_the_first_commit = 0;
    for round in 0..12 {
        let mut process = stage.start();
        process.run_until("a database", || database.exists());
        stage.lag(Duration::from_millis(round * 2));
        process.kill();
        before_the_first_commit += u32::from(stage.lines().is_empty());
    }
    assert!(before_the_first_commit > 0, "every kill came late");
    assert_eq!(stage.finish(), Status::Completed);
    assert_eq!(result::<Vec<u64>>(&stage.history()), (0..20).map(value_of).collect::<Vec<_>>());
}

#[test]
fn retries_go_on_after_kills_with_their_number_and_their_wait() {
    let stage = Stage::new("persist");
    let failed = |history: &[Turn]| events(history).filter(|event| matches!(event, Recorded::TaskFailed { .. })).count();

    // Killed while the second attempt waits for its time.
    let mut process = stage.start();
    assert!(process.run_until("the first failure is recorded", || failed(&stage.history()) == 1));
    assert!(process.kill());
    assert_eq!(stage.lines(), ["1"]);
    let retry_at = |history: &[Turn]| {
        events(history).find_map(|event| match event {
            Recorded::TaskFailed { retry_at, .. } => *retry_at,
            _ => None,
        })
    };
    let due = retry_at(&stage.history()).expect("a second attempt is planned");

    // Killed in the middle of the second attempt.
    let mut process = stage.start();
    assert!(stage.run_until_lines(&mut process, 2));
    assert!(Timestamp::now() >= due, "the second attempt came too early");
    assert!(process.kill());

    Log(stage.folder.path().join("gate")).line("open");
    assert_eq!(stage.finish(), Status::Completed);
    assert_eq!(stage.lines(), ["1", "2", "2", "3"]);
    let history = stage.history();
    assert_eq!(result::<u32>(&history), 3);
    assert_eq!(failed(&history), 2);
    assert_eq!(retry_at(&history), Some(due), "the wait was begun anew");
}

/// When the one timer of a history was set, when it was due and when it fired.
fn timer(history: &[Turn]) -> (Timestamp, Option<Timestamp>) {
    let created: Vec<_> = events(history)
        .filter_map(|event| match event {
            Recorded::TimerCreated { fire_at, .. } => Some(*fire_at),
            _ => None,
        })
        .collect();
    let fired = history.iter().find(|turn| turn.events.iter().any(|event| matches!(event, Recorded::TimerFired { .. })));
    assert_eq!(created.len(), 1, "one sleep is one timer");
    (created[0], fired.map(|turn| turn.at))
}

#[test]
fn a_sleep_that_spans_a_kill_ends_at_its_time() {
    let stage = Stage::new("nap 1500");
    let mut process = stage.start();
    assert!(process.run_until("the timer is recorded", || !stage.history().is_empty()));
    assert!(process.kill());
    let (due, fired) = timer(&stage.history());
    assert!(fired.is_none());
    assert_eq!(stage.finish(), Status::Completed);
    let history = stage.history();
    let (again, fired) = timer(&history);
    assert_eq!(again, due, "the sleep was begun anew");
    assert!(fired.is_some_and(|fired| fired >= due), "it ended before its time");
    assert_eq!(result::<u64>(&history), 1500);
}

#[test]
fn a_sleep_that_ends_while_nobody_runs_ends_at_the_next_start() {
    let stage = Stage::new("nap 1500");
    let mut process = stage.start();
    assert!(process.run_until("the timer is recorded", || !stage.history().is_empty()));
    assert!(process.kill());
    let (due, fired) = timer(&stage.history());
    assert!(fired.is_none(), "the kill came late");
    let rest = SystemTime::from(due).duration_since(SystemTime::now()).unwrap_or_default();
    std::thread::sleep(rest + Duration::from_millis(10));
    let started = SystemTime::now();
    assert_eq!(stage.finish(), Status::Completed);
    let (again, fired) = timer(&stage.history());
    assert_eq!(again, due);
    assert!(SystemTime::from(fired.expect("it fired")) >= started);
}

#[test]
fn an_acknowledged_event_is_not_lost() {
    const COUNT: u32 = 60;
    let mut stage = Stage::new(format!("gather {COUNT}"));
    let mut process = Some(stage.start());
    let running = process.as_mut().expect("it was just started");
    assert!(running.run_until("the start is recorded", || !stage.history().is_empty()));
    let (mut kills, mut raised_to_nobody) = (0, 0);
    for number in 0..COUNT {
        block_on(async { Client::connect(&url(stage.folder.path())).await?.raise(ID, NUMBER, number).await })
            .expect("the event is acknowledged");
        raised_to_nobody += u32::from(process.is_none());
        if stage.random.random_bool(0.3) {
            stage.lag(Duration::from_millis(5));
            match process.take() {
                Some(alive) => kills += u32::from(alive.kill()),
                None => process = Some(stage.start()),
            }
        }
    }
    drop(process);
    println!("{kills} kills, {raised_to_nobody} events while nobody ran");
    assert!(kills > 0, "nothing was killed");
    assert_eq!(stage.finish(), Status::Completed);
    assert_eq!(result::<Vec<u32>>(&stage.history()), (0..COUNT).collect::<Vec<_>>(), "each once, in their order");
}
