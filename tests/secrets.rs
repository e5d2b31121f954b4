//! Nothing that comes from a value leaves in clear where there is a codec: neither files nor logs nor reports nor errors show it.

mod both;
#[path = "support/log.rs"]
mod log;

use std::sync::{LazyLock, Once};
use std::time::Duration;

use both::{Kept, on_both_stores, reaches, until};
use dacapo::{Client, Codec, Event, Failure, Payloads, Runtime, Status, activity, entity, orchestrator};
use log::Log;

/// What every value here has in it, and nothing else.
const MARK: &str = "hush-7c41";
const GO: Event<u32> = Event::new("go");

/// All that is logged in this process.
static LOG: LazyLock<Log> = LazyLock::new(Log::default);

fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(LOG.clone()).with_ansi(false);
        subscriber.init();
        std::panic::set_hook(Box::new(|_| {}));
    });
}

/// Changes every byte.
struct Shift;

impl Codec for Shift {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        plain.iter().map(|byte| byte.wrapping_add(7)).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(encoded.iter().map(|byte| byte.wrapping_sub(7)).collect())
    }
}

fn payloads() -> Payloads {
    Payloads::default().codec(Shift).out_of_line_above(2_000).limit(50_000)
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    Ok(kept.runtime().payloads(payloads()).verify(true).grace_period(Duration::ZERO).open().await?)
}

/// Panics with its secret when it is dropped.
struct Brittle(String);

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("dropped with {}", self.0);
    }
}

#[activity]
async fn echo(text: String) -> String {
    text
}

#[activity]
async fn fails(secret: String) -> dacapo::Result<()> {
    dacapo::activity::heartbeat(&secret);
    Err(dacapo::Error::from(std::io::Error::other(secret)))
}

#[activity]
async fn panics(secret: String) -> u32 {
    panic!("with {secret}")
}

#[activity]
async fn is_long(secret: String) -> String {
    secret.repeat(10_000)
}

/// Reads what it said before as a number, which it was not.
#[activity(retry = dacapo::Retry::fixed(Duration::ZERO).max_attempts(2), heartbeat_timeout = Duration::from_secs(60))]
async fn beats(secret: String) -> dacapo::Result<u32> {
    if dacapo::activity::attempt() == 1 {
        dacapo::activity::heartbeat(&secret);
        return Err(dacapo::Error::msg(secret));
    }
    Ok(dacapo::activity::last_heartbeat::<u32>().unwrap_or(0))
}

#[activity(retry = dacapo::Retry::fixed(Duration::ZERO).max_attempts(2))]
async fn refuses(secret: String) -> Result<(), Failure> {
    Err(Failure::new(dacapo::FailureKind::Application, secret))
}

/// Returns its error.
#[orchestrator]
async fn calls(which: String, secret: String) -> Result<String, Failure> {
    dacapo::set_custom_status(&secret);
    match which.as_str() {
        "fails" => fails(secret).await.map_err(|error| Failure::new(dacapo::FailureKind::Application, error.to_string()))?,
        "panics" => drop(panics(secret).checked().await?),
        "is long" => drop(is_long(secret).checked().await?),
        "hands on" => drop(echo(secret.repeat(10_000)).checked().await?),
        "beats" => drop(beats(secret).await.map_err(|error| Failure::new(dacapo::FailureKind::Application, error.to_string()))?),
        "asks" => refuses(secret).retry_if(|failure: &Failure| panic!("with {failure}")).await?,
        "returns" => return Ok(secret.repeat(10_000)),
        "panics itself" => panic!("with {secret}"),
        "drops" => drop(Brittle(secret)),
        "calls" => Vault::at("v").refuse(secret).await.map_err(|error| Failure::new(dacapo::FailureKind::Application, error))?,
        "breaks" => drop(Vault::at("v").break_down(secret).checked().await?),
        _ => Vault::at("v").refuse(secret).signal(),
    }
    Ok(which)
}

#[orchestrator]
async fn waits(secret: String) -> String {
    let secret = echo(secret).await;
    GO.wait().await;
    echo(secret).await
}

#[orchestrator]
async fn counts(n: u32) -> u32 {
    n
}

/// Where the time comes from; neither the orchestrator nor the lint can see through it.
trait Clock: Send + Sync {
    fn read(&self) -> u128;
}

struct Wall;

impl Clock for Wall {
    fn read(&self) -> u128 {
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos())
    }
}

fn clock() -> Box<dyn Clock> {
    Box::new(Wall)
}

/// Does something else in every replay.
#[orchestrator]
async fn drifts(secret: String, which: u32) -> String {
    let time = clock().read();
    match which {
        0 => echo(format!("{secret} {time}")).await,
        1 => inner(format!("{secret} {time}")).await,
        2 => Vault::at("v").keep(format!("{secret} {time}")).await,
        _ => {
            Vault::at("v").keep(format!("{secret} {time}")).signal();
            GO.wait().await.to_string()
        }
    }
}

#[orchestrator]
async fn inner(text: String) -> String {
    text
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Vault {
    secrets: Vec<String>,
}

#[entity]
impl Vault {
    fn keep(&mut self, secret: String) -> String {
        self.secrets.push(secret.clone());
        secret
    }

    fn refuse(&mut self, secret: String) -> Result<(), String> {
        Err(secret)
    }

    fn break_down(&mut self, secret: String) -> u32 {
        panic!("with {secret}")
    }
}

/// Checks that the mark is in no file of the store and in no line of the log.
#[track_caller]
fn is_hidden(kept: &Kept, after: &str) {
    let has_mark = |bytes: &[u8]| bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
    let folder = kept.path().and_then(|path| path.parent().map(std::path::Path::to_owned)).expect("a folder");
    for file in std::fs::read_dir(folder).expect("it is a folder") {
        let path = file.expect("a file").path();
        assert!(!has_mark(&std::fs::read(&path).expect("it is readable")), "after {after}: in {}", path.display());
    }
    let lines = LOG.text();
    let line = lines.lines().find(|line| line.contains(MARK));
    assert_eq!(line, None, "after {after}: in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_shows_a_value() -> dacapo::Result<()> {
    log_everything();
    let (kept, secret) = (Kept::file(), MARK.to_owned());
    let runtime = open(&kept).await?;
    let ways = [
        "fails",
        "panics",
        "beats",
        "asks",
        "is long",
        "hands on",
        "returns",
        "panics itself",
        "drops",
        "calls",
        "breaks",
        "signals",
    ];
    for which in ways {
        let _ended = runtime.start(calls(which.into(), secret.clone())).id(which).await?.result().await;
        is_hidden(&kept, which);
    }
    // A value that no function here can read.
    runtime.start_named("counts", &secret).id("wrong input").await?.result().await.expect_err("it is no number");
    let refused = runtime.start(waits(secret.repeat(10_000))).await.expect_err("it is too long");
    assert!(!format!("{refused} {refused:?}").contains(MARK), "{refused}");
    is_hidden(&kept, "wrong inputs");
    runtime.signal(Vault::at("v").refuse(secret.clone())).await?;
    let _refused = runtime.call(Vault::at("v").refuse(secret.clone())).await;
    is_hidden(&kept, "operations that fail");
    let unread = runtime.attach(calls, "fails").custom_status::<u32>().await.expect_err("it is no number");
    assert!(!format!("{unread} {unread:?}").contains(MARK), "{unread}");
    runtime.call(Vault::at("v").keep(secret.clone())).await.expect("it keeps it");
    runtime.shutdown().await?;
    is_hidden(&kept, "the end");
    Ok(())
}

/// Another key.
struct Wrong;

impl Codec for Wrong {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        plain.iter().map(|byte| byte.wrapping_add(9)).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("the tag of {} bytes does not fit", encoded.len()).into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_shows_no_value() -> dacapo::Result<()> {
    log_everything();
    let (kept, secret) = (Kept::file(), MARK.to_owned());
    let runtime = open(&kept).await?;
    runtime.start(waits(secret.clone())).id("waits").await?;
    runtime.call(Vault::at("v").keep(secret.clone())).await.expect("it keeps it");
    until("it waits", async || both::events(&runtime, "waits").await.contains(&"TaskCompleted".to_owned())).await;
    runtime.shutdown().await?;

    let runtime = kept.runtime().payloads(Payloads::default().codec(Wrong)).open().await?;
    let refused = runtime.call(Vault::at("v").keep("more".into())).await.expect_err("its state cannot be read");
    assert!(!format!("{refused} {refused:?}").contains(MARK), "{refused}");
    let reported = runtime.status("@vault@v").await?;
    assert!(reported.report().is_some_and(|report| !report.contains(MARK)), "{reported:?}");
    let _refused = runtime.raise("waits", GO, 1).await;
    let parked = reaches(&runtime, "waits", Status::Suspended).await;
    assert!(parked.report().is_some_and(|report| !report.contains(MARK)), "{parked:?}");
    runtime.shutdown().await?;
    is_hidden(&kept, "another key");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_run_shows_no_value() -> dacapo::Result<()> {
    log_everything();
    let (kept, secret) = (Kept::file(), MARK.to_owned());
    let runtime = open(&kept).await?;
    for which in 0..4 {
        let id = format!("drifts {which}");
        runtime.start(drifts(secret.clone(), which)).id(&id).await?;
        let parked = reaches(&runtime, &id, Status::Suspended).await;
        let report = parked.report().expect("it says why");
        assert!(!report.contains(MARK) && report.contains("encrypted and not shown here"), "{report}");
        is_hidden(&kept, &id);
        let refused = runtime.resume(&id, "again").await;
        assert!(!format!("{refused:?}").contains(MARK), "{refused:?}");
        let refused = runtime.suspend(&id, "again").await;
        assert!(!format!("{refused:?}").contains(MARK), "{refused:?}");
    }
    // An event of another type: refused where that is known, and parking the run where it comes from elsewhere.
    let run = runtime.start(waits(secret.clone())).id("poisoned").await?;
    until("it waits", async || both::events(&runtime, "poisoned").await.contains(&"TaskCompleted".to_owned())).await;
    let refused = runtime.raise_named("poisoned", GO.name(), &secret).await.expect_err("it is no number");
    assert!(!format!("{refused} {refused:?}").contains(MARK), "{refused}");
    kept.client().await.payloads(payloads()).raise_named("poisoned", GO.name(), &secret).await?;
    let parked = reaches(&runtime, "poisoned", Status::Suspended).await;
    assert!(!format!("{parked:?}").contains(MARK), "{parked:?}");
    is_hidden(&kept, "an event of another type");
    drop(run);
    runtime.shutdown().await?;
    // Who has no key sees nothing.
    let client: Client = kept.client().await;
    for id in ["drifts 0", "poisoned"] {
        let (status, history) = (client.status(id).await?, client.history(id).await?);
        let told = format!("{status:?} {history:?} {}", serde_json::to_string(&history)?);
        assert!(!told.contains(MARK), "{told}");
    }
    is_hidden(&kept, "the end");
    Ok(())
}

on_both_stores! { debug_output_shows_no_value }

async fn debug_output_shows_no_value(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().open().await?;
    let run = runtime.start(inner(MARK.to_owned())).id("shown").await?;
    run.result().await?;
    let (status, history) = (runtime.status("shown").await?, runtime.history("shown").await?);
    assert!(!format!("{status:?} {history:?}").contains(MARK), "{status:?} {history:?}");
    Ok(())
}
