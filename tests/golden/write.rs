//! Writes a set: two stores that were killed, and what was exported of them.
//!
//! Three processes work on each store, one after another: a worker that shuts down in order, a worker of a build that has changed, and
//! a client without a worker. The last two are killed. The processes are this test binary, as in `tests/crash.rs`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dacapo::store::Event as Recorded;
use dacapo::{Client, EntityId, Overlap, Payload, Runtime, Status, Timetable, TraceContext};

use crate::runs::{self, GO, LATER, NEVER, Tally, Time, WORD, builder, large};
use crate::wait::{reaches, reported, until};
use crate::{KEY, Set, WRITES_TO, runs_2};

const PHASE: &str = "DACAPO_GOLDEN_PHASE";
const STORE: &str = "DACAPO_GOLDEN_STORE";
const IS_SEALED: &str = "DACAPO_GOLDEN_SEALED";
const DRIFTED: &str = "DACAPO_GOLDEN_DRIFTED";
const READY: &str = "golden: ready to be killed";

/// Writes the set that `WRITES_TO` names. See the README beside it.
#[test]
#[ignore = "it writes the golden files of this version, which is done once"]
fn write_a_set() -> dacapo::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(WRITES_TO);
    assert!(!folder.exists(), "`{}` is there already; a set is never written again", folder.display());
    let place = tempfile::tempdir()?;
    for set in [Set::Plain, Set::Sealed] {
        let store = place.path().join(set.file());
        for phase in ["1", "2", "3"] {
            run(&store, set, phase)?;
        }
        if set == Set::Sealed {
            // Folded into the database, as an orderly end does it.
            rusqlite::Connection::open(&store)?.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
    }
    std::fs::create_dir_all(&folder)?;
    for file in [Set::Plain.file().to_owned(), format!("{}-wal", Set::Plain.file()), Set::Sealed.file().to_owned()] {
        std::fs::copy(place.path().join(&file), folder.join(&file))?;
    }
    let exported = Command::new(tool()).arg("--store").arg(url(&place.path().join(Set::Plain.file()))).arg("export").output()?;
    assert!(exported.status.success(), "{exported:?}");
    std::fs::write(folder.join("plain.jsonl"), exported.stdout)?;
    tokio::runtime::Runtime::new()?.block_on(record(&place.path().join(Set::Plain.file()), &folder.join("histories")))
}

/// Records all histories that the code of `runs` follows.
async fn record(store: &Path, folder: &Path) -> dacapo::Result<()> {
    let client = Client::connect(&url(store)).await?;
    for run in client.query().page_size(10_000).await?.instances() {
        let is_ours = !run.name().starts_with("dacapo:") && !run.instance_id().starts_with('@');
        if is_ours && run.name() != "drifts" {
            dacapo::testing::record(&client, run.instance_id(), folder).await?;
        }
    }
    Ok(())
}

/// The command `dacapo` as this build has it.
fn tool() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let tool = test.ancestors().nth(2).expect("a target folder").join("dacapo");
    assert!(tool.exists(), "`{}` is missing; build it with `cargo build -p dacapo-cli`", tool.display());
    tool
}

fn url(store: &Path) -> String {
    format!("sqlite:{}", store.display())
}

/// Runs a phase in a process of its own, and kills it when it says so.
fn run(store: &Path, set: Set, phase: &str) -> dacapo::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "write::child", "--nocapture"]).stdin(Stdio::null()).stdout(Stdio::piped());
    command.env(PHASE, phase).env(STORE, store).env(IS_SEALED, if set == Set::Sealed { "yes" } else { "" });
    if phase == "2" {
        command.env(DRIFTED, "yes");
    }
    let mut child = command.spawn()?;
    let said = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let is_ready = std::io::BufRead::lines(said).any(|line| line.is_ok_and(|line| line.ends_with(READY)));
    child.kill()?;
    let status = child.wait()?;
    assert!(if phase == "1" { status.success() } else { is_ready && status.code().is_none() }, "phase {phase}: {status}");
    Ok(())
}

/// The processes that work on a store. Does nothing in the process of the tests.
#[tokio::test(flavor = "multi_thread")]
async fn child() -> dacapo::Result<()> {
    let Ok(phase) = std::env::var(PHASE) else { return Ok(()) };
    let store = url(Path::new(&std::env::var(STORE)?));
    let key = (!std::env::var(IS_SEALED)?.is_empty()).then_some(KEY);
    let builder = builder(&store, Time::Written, key);
    match &*phase {
        "1" => {
            let runtime = builder.open().await?;
            at_first(&runtime, &Client::connect(&store).await?.payloads(runs::payloads(key))).await?;
            Ok(runtime.shutdown().await?)
        }
        "2" => changed(all_but_one(builder).open().await?).await,
        _ => without_a_worker(Client::connect(&store).await?.payloads(runs::payloads(key))).await,
    }
}

/// Every function but `goes_missing`.
fn all_but_one(builder: dacapo::Builder) -> dacapo::Builder {
    macro_rules! register {
        ($($function:ident)*; $($since:ident)*) => {
            builder.only_registered().register_entity::<Tally>()$(.register(runs::$function))*$(.register(runs_2::$since))*
        };
    }
    register! {
        double echo hangs item flaky opens child finishes fails sums compensates waits naps works fans_out retries retries_a_child
        parent collects carries measure measures gives_up drifts versioned_1 versioned_2 patched keeps counts holds fails_locked greets;
        busy asks checks hands_over
    }
}

async fn is_killed() -> ! {
    println!("\n{READY}");
    std::io::stdout().flush().expect("somebody listens");
    std::future::pending().await
}

/// Waits until the history has so many events that are as wanted.
async fn records(client: &Client, id: &str, count: usize, wanted: impl Fn(&Recorded) -> bool) {
    until(id, async || {
        let history = client.history(id).await.unwrap_or_default();
        history.iter().flat_map(|turn| &turn.events).filter(|event| wanted(event)).count() >= count
    })
    .await;
}

fn is_completed(event: &Recorded) -> bool {
    matches!(event, Recorded::TaskCompleted { .. })
}

/// Waits until so many attempts of a run have said how far they are.
async fn heartbeats(id: &str, count: i64) -> dacapo::Result<()> {
    let database = rusqlite::Connection::open(std::env::var(STORE)?)?;
    let sql = "SELECT count(*) FROM heartbeat JOIN instance ON instance.key = heartbeat.instance WHERE id = ?1";
    let said = || database.query_row(sql, [id], |row| row.get::<_, i64>(0));
    until("heartbeats", async || said().is_ok_and(|said| said >= count)).await;
    Ok(())
}

/// A value of so many levels.
fn deep(levels: usize) -> Payload {
    let text = format!("{}{}", r#"{"a":["#.repeat(levels / 2), "]}".repeat(levels / 2));
    Payload::from_json(text).expect("it is JSON")
}

async fn at_first(runtime: &Runtime, elsewhere: &Client) -> dacapo::Result<()> {
    ended(runtime, elsewhere).await?;
    waiting(runtime, elsewhere).await?;
    entities(runtime).await?;
    schedules(runtime).await?;
    since_v2(runtime, elsewhere).await
}

/// The kinds of runs that `v2` added.
async fn since_v2(runtime: &Runtime, elsewhere: &Client) -> dacapo::Result<()> {
    runtime.start(runs::waits(2)).id("poisoned-elsewhere").await?;
    records(runtime, "poisoned-elsewhere", 1, is_completed).await;

    runtime.start(runs::waits(3)).id("put-aside").await?;
    records(runtime, "put-aside", 1, is_completed).await;
    elsewhere.raise_named("put-aside", GO.name(), "no number").await?;
    reaches(runtime, "put-aside", Status::Suspended).await;
    runtime.resume("put-aside", "that was no number").without_event(1).await?;
    records(runtime, "put-aside", 1, |event| matches!(event, Recorded::ExecutionResumed { .. })).await;

    let not_taken = runtime.start(runs::waits(4)).id("not-taken").await?;
    runtime.start(runs::waits(5)).id("not-taken-yet").await?;
    for id in ["not-taken", "not-taken-yet"] {
        for word in ["one", "two"] {
            runtime.raise(id, WORD, word.to_owned()).await?;
        }
    }
    not_taken.raise(GO, 1).await?;
    not_taken.result().await?;

    runtime.start(runs_2::asks()).id("asks").await?;
    records(runtime, "asks", 1, |event| matches!(event, Recorded::TaskFailed { retry_at: Some(_), .. })).await;
    runtime.start(runs_2::checks(6)).id("checks").await?;
    elsewhere.raise_named("checks", GO.name(), "no number").await?;
    records(runtime, "checks", 1, is_completed).await;
    let hands_over = runtime.start(runs_2::hands_over(1)).id("hands-over").await?;
    hands_over.raise(WORD, "for the second generation".to_owned()).await?;
    hands_over.raise(GO, 1).await?;
    until("the second execution", async || hands_over.status().await.is_ok_and(|status| status.execution() == 2)).await;

    let tally = EntityId::named("tally", "reported");
    elsewhere.signal_named(&tally, "add", "no number").await?;
    runtime.signal_named(&tally, "add", 2).await?;
    reported(runtime, "@tally@reported").await;
    Ok(())
}

async fn ended(runtime: &Runtime, elsewhere: &Client) -> dacapo::Result<()> {
    let finished = runtime.start(runs::finishes(vec![3, 1, 2])).id("finished").tag("tenant", "acme").tag("stra\u{df}e", "\"7\"");
    finished.await?.result().await?;
    runtime.start(runs::fails("/nowhere".into())).id("failed").await?.result().await.expect_err("there is no such file");
    runtime.start(runs::sums(vec![1, 13, 3])).id("broken").tag("tenant", "acme").await?.result().await.expect_err("by 13");
    runtime.start(runs::fails_locked("locked by a failure".into())).id("failed-locked").await?.result().await.expect_err("by 13");
    runtime.start(runs::waits(1)).id("poisoned").await?;
    records(runtime, "poisoned", 1, is_completed).await;
    elsewhere.raise_named("poisoned", GO.name(), "no number").await?;
    reaches(runtime, "poisoned", Status::Suspended).await;
    let terminated = runtime.start(runs::waits(1)).id("terminated").await?;
    terminated.terminate("enough").await?;
    runtime.start(runs::keeps(deep(98), false)).id("deep").await?.result().await?;
    let odd = Payload::from_json(r#"{"dacapo:sealed":1,"b":1e400,"a":[18446744073709551616,"\u0000"]}"#.to_owned())?;
    runtime.start(runs::keeps(odd, false)).id("odd").await?.result().await?;

    runtime.start(runs::compensates(14)).id("rewound").await?.raise(GO, 1).await?;
    reaches(runtime, "rewound", Status::Failed).await;
    runtime.rewind("rewound", "14 was repaired").await?;
    records(runtime, "rewound", 1, is_completed).await;
    Ok(())
}

async fn waiting(runtime: &Runtime, elsewhere: &Client) -> dacapo::Result<()> {
    let context = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("a=b"));
    runtime.start(runs::waits(1)).id("event").tag("tenant", "acme").await?;
    runtime.start(runs::waits(2)).id("traced").trace_context(context.expect("it is one")).await?;
    runtime.start(runs::waits(3)).id("doomed").await?;
    runtime.start(runs::waits(4)).id("suspended").await?;
    records(runtime, "suspended", 1, is_completed).await;
    runtime.suspend("suspended", "an incident").await?;
    runtime.raise("suspended", GO, 40).await?;

    runtime.start(runs::naps(true)).id("timer").await?;
    runtime.start(runs::naps(false)).id("long-timer").await?;
    runtime.start(runs::waits(5)).id("later").after(LATER).tag("when", "later").await?;
    runtime.start(runs::waits(6)).id("much-later").after(NEVER).await?;
    runtime.start(runs::works(3)).id("activity").await?;
    runtime.start(runs::fans_out(vec![1, 2, 3, 4, 5])).id("fan-out").await?;
    runtime.start(runs::retries()).id("retries").await?;
    runtime.start(runs::retries_a_child()).id("retries-child").await?;
    runtime.start(runs::parent(7)).id("parent").await?;
    runtime.start(runs::keeps(deep(98), true)).id("deep-waiting").await?;
    runtime.start(runs::carries(large())).id("large").await?;

    runtime.start(runs::measures(2)).id("measured").await?;
    runtime.start(runs::measures(50)).id("measured-large").await?;
    runtime.start(runs::gives_up(1)).id("gave-up").await?;

    runtime.start(runs::drifts(8)).id("drifts").await?;
    runtime.start(runs::goes_missing(9)).id("goes-missing").await?;
    elsewhere.start(runs::versioned_1(10)).id("version-1").await?;
    runtime.start(runs::versioned_2(11)).id("version-2").await?;
    runtime.start(runs::patched(12)).id("patched").await?;
    let eternal = runtime.start(runs::collects(0, Vec::new())).id("eternal").await?;
    for word in ["one", "two", "three", "four"] {
        eternal.raise(WORD, word.to_owned()).await?;
    }
    until("the fourth execution", async || eternal.status().await.is_ok_and(|status| status.execution() == 4)).await;

    let begun = [
        "parent-named",
        "parent-detached",
        "drifts",
        "goes-missing",
        "version-1",
        "patched",
        "event",
        "traced",
        "doomed",
        "measured",
        "measured-large",
    ];
    for id in begun {
        records(runtime, id, 1, is_completed).await;
    }
    records(runtime, "gave-up", 1, |event| matches!(event, Recorded::TimerFired { .. })).await;
    runtime.raise("event", WORD, "nobody asks for it".to_owned()).await?;
    records(runtime, "large", 2, is_completed).await;
    records(runtime, "fan-out", 2, is_completed).await;
    let is_retried = |event: &Recorded| {
        matches!(
            event,
            Recorded::TaskFailed { retry_at: Some(_), .. } | Recorded::SubOrchestrationInstanceFailed { retry_at: Some(_), .. }
        )
    };
    records(runtime, "retries", 1, is_retried).await;
    records(runtime, "retries-child", 1, is_retried).await;
    heartbeats("activity", 1).await?;
    heartbeats("fan-out", 3).await
}

async fn entities(runtime: &Runtime) -> dacapo::Result<()> {
    runtime.call(Tally::at("plain").add(3)).await?;
    runtime.call(Tally::at("gone").add(3)).await?;
    runtime.call(Tally::at("gone").delete()).await?;
    runtime.start(runs::counts("counted".into())).id("counts").await?;
    let is_answered = |event: &Recorded| matches!(event, Recorded::EntityOperationCompleted { .. });
    records(runtime, "counts", 1, is_answered).await;
    runtime.start(runs::holds(vec!["b".into(), "a".into()])).id("holder").await?;
    records(runtime, "holder", 1, is_answered).await;
    runtime.start(runs::holds(vec!["b".into(), "c".into()])).id("queues").await?;
    runtime.start(runs::counts("a".into())).id("locked-out").await?;
    records(runtime, "queues", 1, |event| matches!(event, Recorded::EntityLockRequested { .. })).await;
    records(runtime, "locked-out", 1, |event| matches!(event, Recorded::EntityOperationCalled { .. })).await;
    Ok(runtime.signal(Tally::at("a").note("from a client".into())).await?)
}

async fn schedules(runtime: &Runtime) -> dacapo::Result<()> {
    let yearly = || Timetable::cron("0 2 1 1 *").time_zone("Europe/Berlin");
    runtime
        .schedule("often")
        .create(Timetable::every(LATER).jitter(Duration::from_millis(1)), runs::greets("Ada".into()))
        .await?;
    runtime.schedule("paused").create(yearly(), runs::greets("Grace".into())).await?;
    runtime.schedule("paused").pause("holidays").await?;
    let buffering = runtime.schedule("buffering");
    buffering.create(yearly(), runs::waits(20)).overlap(Overlap::BufferOne).await?;
    for _ in 0..3 {
        buffering.trigger().await?;
    }
    until("one is left out", async || buffering.describe().await.is_ok_and(|known| known.skipped() == 1)).await;
    let paused = runtime.schedule("paused");
    until("it is paused", async || paused.describe().await.is_ok_and(|known| known.paused().is_some())).await;
    Ok(())
}

/// What a worker does that has other code, until it is killed.
async fn changed(runtime: Runtime) -> dacapo::Result<()> {
    for id in ["drifts", "goes-missing"] {
        runtime.raise(id, GO, 100).await?;
        reaches(&runtime, id, Status::Suspended).await;
        assert!(runtime.status(id).await?.report().is_some(), "`{id}` is parked");
    }
    runtime.start(runs::works(5)).id("killed").await?;
    heartbeats("killed", 1).await?;
    is_killed().await
}

/// What a client leaves while no worker runs.
async fn without_a_worker(client: Client) -> dacapo::Result<()> {
    client.raise("event", GO, 10).await?;
    client.suspend("traced", "nobody is there").await?;
    client.terminate("doomed", "nobody is there").await?;
    client.signal(Tally::at("plain").add(4)).await?;
    client.signal(Tally::at("new").note(large())).await?;
    client.start_named("waits", 21).id("started-elsewhere").tag("tenant", "acme").await?;
    client.raise("started-elsewhere", GO, 1).await?;
    client.raise_named("poisoned-elsewhere", GO.name(), "no number").await?;
    is_killed().await
}
