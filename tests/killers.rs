//! The run of an activity that aborts the process each time is parked, and whatever ran beside it is not.
//!
//! The process is this test binary itself, which runs one test, `child`, with a folder in its environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo::{Client, Event, ReuseId, Runtime, Status, activity, orchestrator};
use futures::future::try_join_all;

const FOLDER: &str = "DACAPO_KILLERS";
const INNOCENTS: &str = "DACAPO_INNOCENTS";

/// Set where the killer begins after the innocent that runs beside it.
const KILLS_LATE: &str = "DACAPO_KILLS_LATE";

/// Set where the process dies, for another reason, as soon as an innocent activity runs.
const DIES: &str = "DACAPO_DIES";

const GO: Event<()> = Event::new("go");

/// How many innocent activities run in this process.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

struct Folder(PathBuf);

/// Aborts once all that are to run beside it do, unless there is a file `safe`.
#[activity]
async fn kill(card: String) -> usize {
    let folder = dacapo::state::<Folder>();
    if folder.0.join("safe").exists() {
        return card.len();
    }
    if !folder.0.join("died").exists() {
        while RUNNING.load(Ordering::SeqCst) < innocents() as usize {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        std::fs::write(folder.0.join("died"), "").expect("it is written");
    }
    std::process::abort()
}

#[orchestrator]
async fn killer() -> usize {
    kill("4111-1111".to_owned()).await
}

/// Waits for the first death, and takes a moment then.
#[activity]
async fn innocent(n: u32) -> u32 {
    RUNNING.fetch_add(1, Ordering::SeqCst);
    let folder = dacapo::state::<Folder>();
    if !folder.0.join("died").exists() {
        return std::future::pending().await;
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    n
}

#[orchestrator]
async fn good(n: u32) -> u32 {
    let mut sum = 0;
    #[sequential]
    for _ in 0..3 {
        sum += innocent(n).await;
    }
    sum
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}?synchronous=NORMAL", folder.join("test.db").display())
}

fn innocents() -> u32 {
    std::env::var(INNOCENTS).expect("it is set").parse().expect("a number")
}

#[orchestrator]
async fn one_step(n: u32) -> u32 {
    innocent(n).await
}

/// Calls the same activity as the others, again and again.
#[orchestrator]
async fn endless() -> u32 {
    let mut n = 0;
    while n < 1_000_000 {
        n = innocent(n + 1).await;
    }
    n
}

#[orchestrator]
async fn late_killer() -> usize {
    GO.wait().await;
    kill("4111-1111".to_owned()).await
}

/// One life of the process: it ends well when every run has ended or is parked.
#[tokio::test]
async fn child() -> dacapo::Result<()> {
    let Ok(folder) = std::env::var(FOLDER) else { return Ok(()) };
    let folder = PathBuf::from(folder);
    let runtime = Runtime::builder(url(&folder)).state(Folder(folder)).open().await?;
    if std::env::var(KILLS_LATE).is_ok() {
        runtime.start(late_killer()).id("killer").reuse_id(ReuseId::UseExisting).await?;
        runtime.start(one_step(0)).id("good").reuse_id(ReuseId::UseExisting).await?;
        while RUNNING.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        runtime.raise("killer", GO, ()).await?;
        return std::future::pending().await;
    }
    if std::env::var(DIES).is_ok() {
        runtime.start(one_step(0)).id("good").reuse_id(ReuseId::UseExisting).await?;
        while RUNNING.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        std::process::abort();
    }
    // The backlog is in the order of the starts, so the killer is among the first to be taken up again.
    runtime.start(killer()).id("killer").reuse_id(ReuseId::UseExisting).await?;
    let starts =
        (0..innocents()).map(|n| runtime.start(good(n)).id(format!("good-{n}")).reuse_id(ReuseId::UseExisting).into_future());
    try_join_all(starts).await?;
    let ids = (0..innocents()).map(|n| format!("good-{n}")).chain(["killer".to_owned()]);
    for id in ids {
        let mut watch = runtime.watch(&id);
        while let Some(status) = watch.next().await? {
            if status.report().is_some() {
                break;
            }
        }
    }
    runtime.shutdown().await?;
    Ok(())
}

/// Starts the process; whether it ends well.
fn lives(folder: &Path, innocents: u32) -> bool {
    ends_well(&mut life(folder, innocents))
}

fn life(folder: &Path, innocents: u32) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("the path of this test"));
    child.args(["--exact", "child", "--nocapture"]).env(FOLDER, folder).env(INNOCENTS, innocents.to_string());
    child
}

fn ends_well(child: &mut Command) -> bool {
    child.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs").success()
}

/// Starts the process until it ends well; gives how often it has died.
fn deaths(folder: &Path, innocents: u32) -> u32 {
    (0..20).find(|_| lives(folder, innocents)).expect("it dies again and again")
}

/// Runs a killer beside so many innocents, until it is parked and they have completed.
async fn the_killer_is_found(innocents: u32) -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    assert_eq!(deaths(folder.path(), innocents), 5);
    let client = Client::connect(&url(folder.path())).await?;
    let status = client.status("killer").await?;
    let report = status.report().expect("it is parked");
    for part in ["died 5 times", "activity `kill`", "4111-1111", "dacapo resume killer"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert_eq!(client.counts().await?.of(Status::Completed), u64::from(innocents), "nobody else is parked");

    std::fs::write(folder.path().join("safe"), "")?;
    let runtime = Runtime::builder(url(folder.path())).state(Folder(folder.path().to_owned())).open().await?;
    until_parked(&runtime, "killer").await?;
    runtime.resume("killer", "mended").await?;
    assert_eq!(runtime.attach(killer, "killer").result().await?, 9);
    Ok(())
}

async fn until_parked(client: &Client, id: &str) -> dacapo::Result<()> {
    let mut watch = client.watch(id);
    while watch.next().await?.is_some_and(|status| status.report().is_none()) {}
    Ok(())
}

#[tokio::test]
async fn one_that_is_alone_is_set_aside_and_tried_again_when_resumed() -> dacapo::Result<()> {
    the_killer_is_found(0).await
}

#[tokio::test]
async fn a_hundred_innocents_that_ran_beside_it_complete() -> dacapo::Result<()> {
    the_killer_is_found(100).await
}

/// The killer is the first to be taken up again, but the last that began when the process died.
#[tokio::test]
async fn an_innocent_beside_one_instant_killer_completes_after_the_first_restart() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    for _ in 0..2 {
        assert!(!ends_well(life(folder.path(), 0).env(KILLS_LATE, "1")), "it dies");
    }
    let client = Client::connect(&url(folder.path())).await?;
    assert_eq!(client.status("good").await?.runtime_status(), Status::Completed);
    assert_eq!(client.status("killer").await?.report(), None);
    Ok(())
}

/// Of two that ran at the first death one is tried first; by the second restart the other has had its turn at the latest.
#[tokio::test]
async fn an_innocent_goes_on_long_before_the_killer_is_set_aside() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    for _ in 0..3 {
        assert!(!lives(folder.path(), 1), "it dies");
    }
    let client = Client::connect(&url(folder.path())).await?;
    let history = serde_json::to_string(&client.history("good-0").await?)?;
    assert!(history.contains("TaskCompleted"), "{history}");
    assert_eq!(client.status("killer").await?.report(), None);
    Ok(())
}

/// More of its activity comes than can ever be tried before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_is_tried_though_its_activity_is_called_without_end() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    for _ in 0..2 {
        assert!(!ends_well(life(folder.path(), 1).env(DIES, "")));
    }
    std::fs::write(folder.path().join("died"), "")?;
    let runtime = Runtime::builder(url(folder.path())).state(Folder(folder.path().to_owned())).open().await?;
    runtime.start(endless()).id("endless").await?;
    let ended = tokio::time::timeout(Duration::from_secs(60), runtime.attach(one_step, "good").result()).await;
    assert_eq!(ended.expect("it is tried")?, 0);
    Ok(())
}

/// What was not running when the process died has nothing to answer for, and a clean end is no death.
#[tokio::test]
async fn a_shutdown_while_an_activity_runs_is_no_death() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    for _ in 0..7 {
        let before = RUNNING.load(Ordering::SeqCst);
        let state = Folder(folder.path().to_owned());
        let runtime = Runtime::builder(url(folder.path())).state(state).grace_period(Duration::ZERO).open().await?;
        runtime.start(good(1)).id("good").reuse_id(ReuseId::UseExisting).await?;
        while RUNNING.load(Ordering::SeqCst) == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        runtime.shutdown().await?;
    }
    let client = Client::connect(&url(folder.path())).await?;
    assert_eq!(client.status("good").await?.report(), None);
    Ok(())
}
