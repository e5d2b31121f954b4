//! Stores that earlier versions left behind are opened, read, continued and finished by this one.
//!
//! `README.md` beside this file says what a set is and how to add one.

mod left;
mod runs;
mod runs_2;
#[path = "../support/wait.rs"]
mod wait;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dacapo::store::{Event as Recorded, SqliteStore, Synchronous};
use dacapo::{Client, InstanceStatus, Runtime, Status};
use left::{Left, left_in};
use runs::{GO, LATER, Tally, Time, WORD, builder, large, payloads};

/// The sets, the oldest first.
const SETS: &[&str] = &["v1", "v2"];
/// What the next set is named when it is written.
const WRITES_TO: &str = "v2";
/// The key of the codec of a sealed store.
const KEY: u8 = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Without a codec, with the write-ahead log that the kill left.
    Plain,
    /// With a codec, checkpointed.
    Sealed,
}

impl Set {
    fn file(self) -> &'static str {
        match self {
            Self::Plain => "plain.db",
            Self::Sealed => "sealed.db",
        }
    }

    fn key(self) -> Option<u8> {
        (self == Self::Sealed).then_some(KEY)
    }
}

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// A copy of a store of a set, in a folder that is deleted with it.
struct Copy {
    folder: tempfile::TempDir,
    version: &'static str,
    set: Set,
}

impl Copy {
    fn of(version: &'static str, set: Set) -> Self {
        let copy = tempfile::tempdir().expect("a folder for the test");
        for suffix in ["", "-wal"] {
            let name = format!("{}{suffix}", set.file());
            let original = folder(version).join(&name);
            if original.exists() {
                std::fs::copy(original, copy.path().join(name)).expect("it can be copied");
            }
        }
        Self { folder: copy, version, set }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.set.file())
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// A client without a worker. The store is migrated, and nothing in it goes on.
    async fn client(&self) -> Client {
        let store = SqliteStore::open(self.path(), Synchronous::Normal).await.expect("it can be opened and migrated");
        drop(store);
        let client = Client::connect(&self.url()).await.expect("it can be opened");
        client.payloads(payloads(self.set.key()))
    }

    async fn runtime(&self) -> Runtime {
        builder(&self.url(), Time::Read, self.set.key()).open().await.expect("it can be opened")
    }
}

/// Runs a check on both stores of every set, at once.
async fn each(check: impl AsyncFn(Copy) -> dacapo::Result<()>) -> dacapo::Result<()> {
    let sets = SETS.iter().flat_map(|version| [Set::Plain, Set::Sealed].map(|set| Copy::of(version, set)));
    futures::future::try_join_all(sets.map(|copy| check(copy))).await.map(drop)
}

#[tokio::test]
async fn everything_in_an_old_store_can_be_read() -> dacapo::Result<()> {
    each(async |copy| {
        let client = copy.client().await;
        let mut listed = BTreeMap::new();
        for run in client.query().page_size(10_000).await?.instances() {
            let status = client.status(run.instance_id()).await?;
            assert_eq!((status.name(), status.runtime_status()), (run.name(), run.runtime_status()));
            let history = client.history(run.instance_id()).await?;
            assert!(!history.is_empty() && status.input().is_some(), "{status:?}");
            assert_eq!(status.output().is_some(), status.runtime_status() == Status::Completed, "{status:?}");
            assert!(
                !serde_json::to_string(&history)?.contains("dacapo:sealed\":{"),
                "a value of `{}` stays sealed",
                run.instance_id()
            );
            listed.insert(run.instance_id().to_owned(), status);
        }
        for Left { id, status, .. } in left_in(copy.version) {
            assert_eq!(listed.get(*id).map(|run| run.runtime_status()), Some(*status), "{id}");
        }
        let counts = client.counts().await?;
        assert_eq!(counts.total() as usize, listed.len());

        let finished = &listed["finished"];
        let output: runs::Finished = finished.output().expect("it has completed").decode()?;
        assert_eq!((output.doubled, output.child, output.drawn), (vec![6, 2, 4], 41, 7));
        assert_eq!(finished.tags().get("stra\u{df}e").map(String::as_str), Some("\"7\""));
        assert_eq!(finished.custom_status().map(|status| status.as_str()), Some(r#"{"done":true}"#));
        assert_eq!(client.query().tag("tenant", "acme").await?.instances().len(), 4);
        let failed = listed["failed"].failure().expect("it has failed");
        assert_eq!(failed.message(), "could not open `/nowhere`");
        assert_eq!(failed.causes(), ["no such file"]);
        assert!(listed["drifts"].report().is_some_and(|report| report.contains("double")), "{:?}", listed["drifts"].report());
        assert!(listed["goes-missing"].report().is_some_and(|report| report.contains("goes_missing")));
        assert_eq!((listed["eternal"].execution(), listed["version-2"].version()), (4, 2));
        assert_eq!(listed["parent-named"].parent_id(), Some("parent"));

        let census = client.census().await?;
        let count =
            |name: &str| census.iter().filter(|row| row.name == name).map(|row| (row.version, row.instances)).collect::<Vec<_>>();
        assert_eq!((count("versioned"), count("drifts")), (vec![(1, 1), (2, 1)], vec![(1, 1)]));
        let entities = client.entities().await?;
        let keys: Vec<_> = entities.entities().iter().map(|entity| entity.id().key()).collect();
        let added: &[&str] = if copy.version == "v1" { &[] } else { &["reported"] };
        assert_eq!(keys, [&["b", "counted", "plain"], added, &["undone"]].concat(), "those with a state");
        let tally = client.state_of::<Tally>("counted").await?.expect("it has a state");
        assert_eq!(tally, Tally { value: 5, notes: vec![large()] });

        let schedules = client.schedules().await?;
        let known: Vec<_> = schedules.iter().map(|known| (known.name(), known.paused(), known.skipped())).collect();
        assert_eq!(known, [("buffering", None, 1), ("often", None, 0), ("paused", Some("holidays"), 0)]);
        if copy.version == "v1" { Ok(()) } else { what_v2_added_can_be_read(&client, &listed).await }
    })
    .await
}

async fn what_v2_added_can_be_read(client: &Client, listed: &BTreeMap<String, InstanceStatus>) -> dacapo::Result<()> {
    for (id, part) in [("poisoned", "event 1, `go`"), ("@tally@reported", "`add`")] {
        let status = client.status(id).await?;
        assert!(status.report().is_some_and(|report| report.contains(part)), "{status:?}");
    }
    let not_taken: Vec<_> = listed["not-taken"].events_not_taken().iter().map(|event| (&*event.name, event.count)).collect();
    assert_eq!(not_taken, [("word", 2)]);
    let put_aside = serde_json::to_string(&client.history("put-aside").await?)?;
    assert!(put_aside.contains(r#""without_events":[1]"#) && put_aside.contains(r#""no number""#), "{put_aside}");
    let asks = client.history("asks").await?;
    let waits = asks.iter().filter_map(|turn| match turn.events.first()? {
        Recorded::TaskFailed { retry_at, .. } => Some(retry_at.expect("it is tried again").since(turn.at)),
        _ => None,
    });
    assert_eq!(waits.collect::<Vec<_>>(), [LATER], "the error said when");
    assert_eq!(listed["hands-over"].execution(), 2);
    let reported = client.state_of::<Tally>("reported").await?.expect("it has a state");
    assert_eq!(reported.value, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_an_old_store_goes_on_to_its_end() -> dacapo::Result<()> {
    each(async |copy| {
        let runtime = copy.runtime().await;
        finish(&runtime).await?;
        if copy.version != "v1" {
            finish_what_v2_added(&runtime).await?;
        }
        for Left { id, output, .. } in left_in(copy.version) {
            let Some(output) = output else { continue };
            let run = runtime.attach_named(*id);
            let ended = tokio::time::timeout(Duration::from_secs(200), run.result()).await;
            let result = ended.unwrap_or_else(|_| panic!("`{id}` does not end"));
            assert_eq!(result.map(|output| output.to_string()), Ok((*output).to_owned()), "{id}");
        }
        assert_eq!(runtime.attach(runs::carries, "large").result().await?, large() + &large() + "!");
        let doomed = runtime.attach(runs::waits, "doomed").result().await.expect_err("it was terminated");
        assert!(doomed.message().contains("nobody is there"), "{doomed}");
        let plain = runtime.state_of::<Tally>("plain").await?.expect("it has a state");
        assert_eq!(plain.value, 7, "the signal that waited was taken");
        let (a, new) = (runtime.state_of::<Tally>("a").await?, runtime.state_of::<Tally>("new").await?);
        assert_eq!(a.map(|tally| (tally.value, tally.notes.len())), Some((5, 2)));
        assert_eq!(new.map(|tally| tally.notes), Some(vec![large()]));
        if copy.version != "v1" {
            let told = runtime.status("not-taken-yet").await?;
            assert_eq!(told.events_not_taken().iter().map(|event| event.count).collect::<Vec<_>>(), [2]);
        }

        let unfinished = [Status::Pending, Status::Running, Status::Suspended];
        let all = unfinished.iter().fold(runtime.query(), |query, status| query.status(*status)).await?;
        assert_eq!(all.instances().iter().map(|run| run.instance_id()).collect::<Vec<_>>(), [""; 0]);
        runtime.query().finished().purge().await?;
        assert_eq!(runtime.counts().await?.total(), 0);
        Ok(runtime.shutdown().await?)
    })
    .await
}

/// Gives everything what it waits for, in an order that locks and schedules allow.
async fn finish(runtime: &Runtime) -> dacapo::Result<()> {
    runtime.rewind("broken", "13 was repaired").await?;
    until("its suspension was taken", async || status(runtime, "traced").await == Status::Suspended).await;
    for id in ["suspended", "traced"] {
        runtime.resume(id, "the incident is over").await?;
    }
    let waiting = [
        "rewound",
        "traced",
        "long-timer",
        "later",
        "parent-named",
        "parent-detached",
        "parent:3",
        "measured",
        "measured-large",
        "gave-up",
        "version-1",
        "version-2",
        "patched",
        "eternal",
        "counts",
        "holder",
        "queues",
        "locked-out",
    ];
    for id in waiting {
        runtime.raise(id, GO, 100).await?;
    }
    for word in ["five", "six"] {
        runtime.raise("eternal", WORD, word.to_owned()).await?;
    }
    runtime.raise("large", WORD, "!".to_owned()).await?;
    for id in ["deep-waiting", "much-later"] {
        runtime.terminate(id, "seen enough").await?;
    }
    schedules(runtime).await
}

async fn finish_what_v2_added(runtime: &Runtime) -> dacapo::Result<()> {
    until("an event that waited is read", async || status(runtime, "poisoned-elsewhere").await == Status::Suspended).await;
    for id in ["poisoned", "poisoned-elsewhere"] {
        runtime.resume(id, "that was no number").without_event(1).await?;
    }
    for id in ["poisoned", "poisoned-elsewhere", "put-aside", "not-taken-yet", "checks", "hands-over"] {
        runtime.raise(id, GO, 100).await?;
    }
    Ok(())
}

/// Every schedule goes on: one that was due catches up, one that was paused can be told to run, and what was buffered runs.
async fn schedules(runtime: &Runtime) -> dacapo::Result<()> {
    let runs = async |schedule: &str| runtime.query().tag("schedule", schedule).await.expect("it is readable");
    let paused = runtime.schedule("paused");
    paused.trigger().await?;
    paused.resume().await?;
    for schedule in ["often", "paused"] {
        until("a run of the schedule", async || !runs(schedule).await.instances().is_empty()).await;
        let page = runs(schedule).await;
        let greeted = runtime.attach(runs::greets, page.instances()[0].instance_id()).result().await?;
        assert!(greeted == "Hello, Ada!" || greeted == "Hello, Grace!", "{greeted}");
    }
    let first = runs("buffering").await;
    runtime.raise(first.instances()[0].instance_id(), GO, 1).await?;
    until("what was buffered", async || runs("buffering").await.instances().len() == 2).await;
    let both = runs("buffering").await;
    let second = both.instances().iter().find(|run| run.instance_id() != first.instances()[0].instance_id());
    runtime.raise(second.expect("there are two").instance_id(), GO, 1).await?;
    for run in both.instances() {
        assert_eq!(runtime.attach(runs::waits, run.instance_id()).result().await?, 41);
    }
    for schedule in ["often", "paused", "buffering"] {
        runtime.schedule(schedule).delete().await?;
    }
    Ok(())
}

async fn status(client: &Client, id: &str) -> Status {
    client.status(id).await.expect("it is there").runtime_status()
}

async fn until(what: &str, reached: impl AsyncFnMut() -> bool) {
    wait::until_within(Duration::from_secs(200), what, reached).await;
}

#[test]
fn recorded_histories_are_followed() {
    for version in SETS {
        let (followed, deep) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut recorded = 0;
        for history in std::fs::read_dir(folder(version).join("histories")).expect("a folder of histories") {
            let path = history.expect("it can be listed").path();
            let name = path.file_name().expect("it is a file");
            let is_deep = name.to_string_lossy().starts_with("deep");
            recorded += usize::from(!is_deep);
            let to = if is_deep { &deep } else { &followed };
            std::fs::copy(&path, to.path().join(name)).expect("it can be copied");
        }
        assert_eq!(dacapo::testing::replay_dir(followed.path()), recorded);
        if *version != "v1" {
            assert_eq!(dacapo::testing::replay_dir(deep.path()), 2);
            continue;
        }
        // Values are bounded since; a run that has deeper ones is parked. Its two arguments are one level more.
        let report = std::panic::catch_unwind(|| dacapo::testing::replay_dir(deep.path())).expect_err("too deep");
        let report = report.downcast_ref::<String>().expect("a text");
        assert!(report.contains("181 levels deep"), "{report}");
    }
}
