//! Eternal orchestrations: an execution ends, the next begins, nothing is lost and nothing grows.

mod support;
#[path = "support/wait.rs"]
mod wait;

use std::future::IntoFuture as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo::store::{Event as Recorded, MemoryStore, Synchronous};
use dacapo::{Event, FailureKind, Payload, Runtime, Status, activity, orchestrator};
use futures::future::join_all;
use support::{Process, block_on};
use wait::{reaches, reported, until};

#[activity]
async fn add(sum: u64, n: u64) -> u64 {
    sum + n
}

/// Adds up 1 to `last`, one number in each execution.
#[orchestrator]
async fn sums(n: u64, last: u64, sum: u64) -> u64 {
    let sum = add(sum, n).await;
    if n == last {
        return sum;
    }
    dacapo::set_custom_status(&n);
    dacapo::continue_as_new(sums(n + 1, last, sum)).await
}

async fn memory() -> Runtime {
    Runtime::open("memory:").await.expect("it opens")
}

#[tokio::test]
async fn a_history_holds_one_execution_and_says_which() -> dacapo::Result<()> {
    let runtime = memory().await;
    let run = runtime.start(sums(1, 50, 0)).id("sum").await?;
    assert_eq!(run.result().await?, 1275);
    let status = run.status().await?;
    assert_eq!((status.execution(), status.runtime_status()), (50, Status::Completed));
    assert_eq!(status.input().map(Payload::as_str), Some(r#"{"n":50,"last":50,"sum":1225}"#));
    assert_eq!(run.custom_status::<u64>().await?, Some(49), "a status outlives its execution");
    let history = runtime.history("sum").await?;
    let events: Vec<_> = history.iter().flat_map(|turn| &turn.events).collect();
    assert!(matches!(events[0], Recorded::ContinueAsNew { execution: 49 }), "{events:?}");
    assert!(matches!(events[1], Recorded::ExecutionStarted { .. }), "{events:?}");
    assert!(matches!(events[2], Recorded::TaskScheduled { id: 50, .. }), "the calls are counted on: {events:?}");
    assert_eq!(events.len(), 5, "{events:?}");
    Ok(())
}

const LETTER: Event<char> = Event::new("letter");
const GO: Event<()> = Event::new("go");

/// Takes one letter in each execution, and asks for three at once.
#[orchestrator]
async fn spells(mut word: String, letters: usize) -> String {
    if word.is_empty() {
        GO.wait().await;
    }
    let first = dacapo::select! {
        letter = LETTER.wait() => letter,
        letter = LETTER.wait() => letter,
        letter = LETTER.wait() => letter,
    };
    word.push(first);
    if word.len() == letters {
        return word;
    }
    dacapo::continue_as_new(spells(word, letters)).await
}

#[tokio::test]
async fn events_that_were_not_taken_are_kept_in_order() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let runtime = Runtime::with_store(store.clone()).open().await?;
    let run = runtime.start(spells(String::new(), 8)).id("word").await?;
    for letter in "daca".chars() {
        run.raise(LETTER, letter).await?;
    }
    run.raise(GO, ()).await?;
    until("the fifth execution", async || run.status().await.is_ok_and(|status| status.execution() == 5)).await;
    drop(runtime);
    let runtime = Runtime::with_store(store).open().await?;
    let run = runtime.attach(spells, "word");
    for letter in "pooo".chars() {
        run.raise(LETTER, letter).await?;
    }
    assert_eq!(run.result().await?, "dacapooo");
    Ok(())
}

/// Holds two waits to which letters were given when it continues without having looked.
#[orchestrator]
async fn leaves_two(round: u32) -> String {
    if round == 0 {
        let (mut first, mut second) = (LETTER.wait(), LETTER.wait());
        dacapo::select! { _ = &mut first => (), _ = &mut second => (), () = GO.wait() => () }
        GO.wait().await;
        return dacapo::continue_as_new(leaves_two(1)).await;
    }
    let mut word = String::new();
    for _ in 0..3 {
        word.push(LETTER.wait().await);
    }
    word
}

#[tokio::test]
async fn events_given_to_waits_that_end_with_their_execution_go_back_in_order() -> dacapo::Result<()> {
    let runtime = memory().await;
    let run = runtime.start(leaves_two(0)).await?;
    run.raise(GO, ()).await?;
    run.raise(LETTER, 'a').await?;
    run.raise(LETTER, 'b').await?;
    run.raise(GO, ()).await?;
    run.raise(LETTER, 'c').await?;
    assert_eq!(run.result().await?, "abc");
    Ok(())
}

/// Whether `spins` is to look at what was raised to it.
static LOOKS: AtomicBool = AtomicBool::new(false);

/// Waits for nothing: each execution begins the next in its first turn.
#[orchestrator]
async fn spins() -> String {
    if !dacapo::side_effect(|| LOOKS.load(Ordering::SeqCst)) {
        return dacapo::continue_as_new(spins()).await;
    }
    let mut word = String::new();
    for _ in 0..3 {
        word.push(LETTER.wait().await);
    }
    word
}

#[tokio::test]
async fn a_run_that_never_waits_answers_and_keeps_what_is_raised() -> dacapo::Result<()> {
    let runtime = memory().await;
    let run = runtime.start(spins()).id("spins").await?;
    for letter in "abc".chars() {
        let raised = tokio::time::timeout(Duration::from_secs(20), run.raise(LETTER, letter));
        raised.await.expect("it is answered")?;
    }
    let resumed = tokio::time::timeout(Duration::from_secs(20), runtime.resume("spins", "").into_future()).await;
    resumed.expect("it is answered").expect_err("it is not suspended");
    LOOKS.store(true, Ordering::SeqCst);
    assert_eq!(run.result().await?, "abc");
    Ok(())
}

#[activity]
async fn never(_n: u32) {
    let _held = dacapo::state::<Alive>();
    std::future::pending::<()>().await;
}

/// Counts who holds it.
struct Alive;

#[orchestrator]
async fn waits_for_ever() {
    GO.wait().await;
}

/// Leaves an activity, a timer and a child behind.
#[orchestrator(allow(unused_call, reason = "continue-as-new must cancel what is under way"))]
async fn moves_on(round: u32) -> u32 {
    let _left = (never(round).start(), waits_for_ever().id(format!("child-{round}")).start());
    let _timer = dacapo::timeout(Duration::from_secs(1), GO.wait()).await;
    if round == 2 {
        return round;
    }
    dacapo::continue_as_new(moves_on(round + 1)).await
}

#[tokio::test]
async fn what_still_runs_is_cancelled() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let runtime = Runtime::with_store(store.clone()).state(Alive).open().await?;
    let run = runtime.start(moves_on(1)).id("moving").await?;
    reaches(&runtime, "child-1", Status::Running).await;
    run.raise(GO, ()).await?;
    reaches(&runtime, "child-1", Status::Terminated).await;
    until("it has moved", async || runtime.history("moving").await.is_ok_and(|history| history.len() > 1)).await;
    assert_eq!(run.status().await?.execution(), 2);
    drop(runtime);
    let runtime = Runtime::with_store(store).state(Alive).open().await?;
    let run = runtime.attach(moves_on, "moving");
    assert_eq!(run.status().await?.execution(), 2);
    assert_eq!(run.result().await?, 2, "the timer of the second execution is the one that counts");
    Ok(())
}

/// A child that takes three executions, with a failure in the last.
#[orchestrator]
async fn child(round: u32) -> Result<u32, String> {
    let fresh = dacapo::new_uuid().to_string();
    if round < 3 {
        return dacapo::continue_as_new(child(round + 1)).await;
    }
    Err(format!("given up after {round} with {fresh}"))
}

#[orchestrator]
async fn parent() -> String {
    child(1).id("the child").await.expect_err("it gives up")
}

#[tokio::test]
async fn a_parent_waits_for_the_last_execution() -> dacapo::Result<()> {
    let runtime = memory().await;
    let run = runtime.start(parent()).id("the parent").await?;
    assert!(run.result().await?.starts_with("given up after 3 with "));
    let child = runtime.status("the child").await?;
    assert_eq!((child.execution(), child.parent_id()), (3, Some("the parent")));
    Ok(())
}

#[orchestrator]
async fn unique(round: u32, mut seen: Vec<String>) -> Vec<String> {
    seen.push(dacapo::new_uuid().to_string());
    if round == 20 { seen } else { dacapo::continue_as_new(unique(round + 1, seen)).await }
}

#[tokio::test]
async fn a_uuid_is_not_made_again_by_the_next_execution() -> dacapo::Result<()> {
    let runtime = memory().await;
    let mut seen = runtime.start(unique(1, Vec::new())).await?.result().await?;
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 20);
    Ok(())
}

#[orchestrator]
async fn first_half(n: u64) -> u64 {
    let n = add(n, 1).await;
    dacapo::continue_as_new(second_half(n)).await
}

#[orchestrator]
async fn second_half(n: u64) -> u64 {
    GO.wait().await;
    add(n, 10).await
}

#[tokio::test]
async fn another_orchestrator_can_go_on_when_it_returns_the_same() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let runtime = Runtime::with_store(store.clone()).open().await?;
    let run = runtime.start(first_half(1)).id("halves").await?;
    until("the second half", async || run.status().await.is_ok_and(|status| status.name() == "second_half")).await;
    drop(runtime);
    let runtime = Runtime::with_store(store).open().await?;
    runtime.raise("halves", GO, ()).await?;
    assert_eq!(runtime.attach(second_half, "halves").result().await?, 12);
    Ok(())
}

#[orchestrator]
async fn another_type(n: u32) -> u32 {
    let branch = async move { dacapo::continue_as_new(second_half(1)).await };
    if n == 0 { n } else { u32::try_from(branch.await).unwrap_or(0) }
}

#[orchestrator]
async fn another_id(n: u32) -> u32 {
    dacapo::continue_as_new(another_id(n + 1).id("elsewhere")).await
}

#[tokio::test]
async fn what_cannot_continue_fails_and_says_why() -> dacapo::Result<()> {
    let runtime = memory().await;
    let failure = runtime.start(another_type(1)).await?.result().await.expect_err("the types differ");
    assert!(
        failure.message().contains("`another_type` cannot continue as `second_half`, which returns another type"),
        "{failure}"
    );
    assert_eq!(failure.kind(), FailureKind::Runtime);
    let failure = runtime.start(another_id(1)).await?.result().await.expect_err("the id stays");
    assert!(failure.message().contains("remove `.id(\"elsewhere\")`"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_next_execution_that_is_not_registered_parks_the_one_that_asked() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let build = || Runtime::with_store(store.clone()).only_registered().register(add).register(first_half);
    let runtime = build().open().await?;
    let run = runtime.start(first_half(1)).id("halves").await?;
    let status = reported(&runtime, run.id()).await;
    assert!(status.report().is_some_and(|report| report.contains("no orchestrator named `second_half`")), "{status:?}");
    drop(runtime);
    let runtime = build().register(second_half).open().await?;
    runtime.raise("halves", GO, ()).await?;
    assert_eq!(runtime.attach(second_half, "halves").result().await?, 12, "nothing was lost");
    Ok(())
}

#[tokio::test]
async fn an_endless_run_can_be_terminated() -> dacapo::Result<()> {
    let runtime = memory().await;
    let run = runtime.start(sums(1, u64::MAX, 0)).id("endless").await?;
    until("the sixth execution", async || run.status().await.is_ok_and(|status| status.execution() > 5)).await;
    run.terminate("enough").await?;
    assert_eq!(run.result().await.expect_err("it was ended").kind(), FailureKind::Terminated);
    Ok(())
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages =
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("the second number is the resident pages");
    pages * 4096
}

fn size_of(database: &Path) -> u64 {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(format!("{}{suffix}", database.display())).ok())
        .map(|file| file.len())
        .sum()
}

/// `DACAPO_EXECUTIONS=100000 cargo test --release --test continue_as_new flat -- --nocapture` runs the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_file_stay_flat() -> dacapo::Result<()> {
    let executions = std::env::var("DACAPO_EXECUTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("flat.db");
    let url = format!("sqlite:{}", database.display());
    let runtime = Runtime::builder(url).synchronous(Synchronous::Normal).open().await?;
    let run = runtime.start(sums(1, executions, 0)).id("eternal").await?;
    let begun = std::time::Instant::now();
    let warm = u32::try_from(executions / 2)?;
    while run.status().await?.execution() < warm {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (file, memory) = (size_of(&database), resident());
    assert_eq!(run.result().await?, executions * (executions + 1) / 2);
    let (file_after, memory_after) = (size_of(&database), resident());
    println!("{executions} executions in {:?}: file {file} -> {file_after}, memory {memory} -> {memory_after}", begun.elapsed());
    assert!(file_after <= file + 256 * 1024, "the file grew from {file} to {file_after}");
    assert!(memory_after <= memory + 4 * 1024 * 1024, "memory grew from {memory} to {memory_after}");
    runtime.shutdown().await?;
    assert!(size_of(&database) < 1024 * 1024, "{} bytes are left", size_of(&database));
    Ok(())
}

const LAST: u64 = 2_000;

/// The process that is killed. Does nothing in the process of the tests.
#[test]
fn killed() -> dacapo::Result<()> {
    let Ok(url) = std::env::var("DACAPO_CONTINUE_CHILD") else {
        return Ok(());
    };
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let runtime = Runtime::open(&url).await?;
        match runtime.start(sums(1, LAST, 0)).id("eternal").await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
        runtime.attach(sums, "eternal").result().await?;
        Ok(runtime.shutdown().await?)
    })
}

#[test]
fn a_kill_between_executions_loses_none() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("eternal.db");
    let url = format!("sqlite:{}", database.display());
    let mut kills = 0;
    for percent in [5, 20, 35, 50, 65, 80, 100] {
        let mut process = Process::spawn(
            Command::new(std::env::current_exe()?)
                .args(["--exact", "killed"])
                .env("DACAPO_CONTINUE_CHILD", &url)
                .stdout(Stdio::null()),
        );
        let target = LAST * percent / 100;
        let reached = || {
            let history = support::history(&database, "eternal");
            history.iter().flat_map(|turn| &turn.events).any(|event| match event {
                Recorded::ContinueAsNew { execution } => u64::from(*execution) >= target,
                Recorded::ExecutionCompleted { .. } => true,
                _ => false,
            })
        };
        if process.run_until("the next execution", reached) && process.kill() {
            kills += 1;
        }
    }
    assert!(kills >= 4, "it was killed {kills} times only");
    let sum = block_on(async {
        let runtime = Runtime::open(&url).await?;
        let sum = runtime.attach(sums, "eternal").result().await?;
        assert_eq!(runtime.status("eternal").await?.execution(), u32::try_from(LAST)?);
        Ok::<_, dacapo::Error>(sum)
    })?;
    assert_eq!(sum, LAST * (LAST + 1) / 2);
    Ok(())
}

#[orchestrator]
async fn shares() -> Vec<u64> {
    join_all((1..4).map(|n| sums(1, n, 0))).await
}

#[tokio::test]
async fn many_can_continue_at_once() -> dacapo::Result<()> {
    let runtime = memory().await;
    assert_eq!(runtime.start(shares()).await?.result().await?, [1, 3, 6]);
    Ok(())
}
