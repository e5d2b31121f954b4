//! What large and secret values promise: they are stored out of line, read only when needed, deleted with their history, and never in clear
//! where there is a codec.

use std::path::Path;

use dacapo::{Codec, ErrorKind, Event, Failure, FailureKind, Payload, Payloads, Runtime, Status, activity, entity, orchestrator};

mod both;
use both::{Kept, on_both_stores, reaches, until};

const GO: Event<String> = Event::new("go");

#[activity]
async fn echo(text: String) -> String {
    text
}

#[activity]
async fn zeros(count: usize) -> String {
    "0".repeat(count)
}

/// Calls with its input and keeps what it gets until it may go on.
#[orchestrator]
async fn carries(text: String) -> String {
    let first = echo(text).await;
    let more = GO.wait().await;
    echo(first + &more).await
}

#[orchestrator]
async fn asks_for(count: usize) -> Result<usize, Failure> {
    zeros(count).checked().await.map(|zeros| zeros.len())
}

#[orchestrator]
async fn hands_on(count: usize) -> Result<usize, Failure> {
    echo("0".repeat(count)).checked().await.map(|zeros| zeros.len())
}

#[orchestrator]
async fn goes_on(round: u32, ballast: String) -> usize {
    if round == 0 {
        return ballast.len();
    }
    let ballast = echo(ballast).await;
    dacapo::continue_as_new(goes_on(round - 1, ballast)).await
}

#[orchestrator]
async fn keeps(value: Payload) -> Payload {
    value
}

async fn open(kept: &Kept) -> dacapo::Result<Runtime> {
    Ok(kept.runtime().open().await?)
}

fn large() -> String {
    "large ".repeat(20_000)
}

/// The rows of the table of large values.
fn rows(kept: &Kept) -> i64 {
    query(kept, "SELECT count(*) FROM payload")
}

fn query(kept: &Kept, sql: &str) -> i64 {
    let path = kept.path().expect("only a file has rows");
    let database = rusqlite::Connection::open(path).expect("it opens");
    database.query_row(sql, [], |row| row.get(0)).expect("SQL")
}

fn execute(kept: &Kept, sql: &str) -> usize {
    let path = kept.path().expect("only a file has rows");
    rusqlite::Connection::open(path).expect("it opens").execute(sql, []).expect("SQL")
}

/// The key of the large value in the event of one name.
fn key_in(kept: &Kept, event: &str) -> i64 {
    let sql = format!(
        "SELECT json_extract(detail, '$.input.\"dacapo:sealed\".beside.key') FROM history WHERE type = '{event}' ORDER BY turn LIMIT 1"
    );
    query(kept, &sql)
}

async fn large_values_outlive_a_restart(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(carries(large())).id("a").await?;
    until("it waits", async || both::events(&runtime, "a").await.contains(&"TaskCompleted".to_owned())).await;
    drop(runtime);

    let runtime = open(&kept).await?;
    runtime.attach(carries, "a").raise(GO, large()).await?;
    assert_eq!(runtime.attach(carries, "a").result().await?, large() + &large());
    assert_eq!(runtime.status("a").await?.input(), Some(&Payload::encode(&large())?));
    runtime.purge("a").await?;
    if let Kept::File(_) = &kept {
        assert_eq!(rows(&kept), 0, "a purge deletes them in its transaction");
    }
    Ok(())
}

async fn a_value_that_looks_like_an_envelope_comes_back_as_it_is(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    runtime.start(carries(large())).id("other").await?;
    for text in [r#"{"dacapo:sealed":{"beside":{"key":1,"length":2,"digest":"00"}}}"#, r#"{"dacapo:sealed":1}"#] {
        let value = Payload::from_json(text.to_owned())?;
        let run = runtime.start(keeps(value)).id("a").reuse_id(dacapo::ReuseId::ReplaceTerminal).await?;
        assert_eq!(run.result().await?, Payload::from_json(text.to_owned())?);
    }
    drop(runtime);
    let runtime = open(&kept).await?;
    assert_eq!(
        runtime.attach(keeps, "a").result().await?.decode::<serde_json::Value>()?,
        serde_json::json!({ "dacapo:sealed": 1 })
    );
    Ok(())
}

async fn a_value_above_the_limit_is_refused_and_nothing_is_lost(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().payloads(Payloads::default().limit(1_000)).open().await?;
    let refused = runtime.start(carries("x".repeat(2_000))).id("a").await.expect_err("it is too long");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().starts_with("the input of `carries` is 2002 bytes long as JSON, and a payload may have 1000"));

    let run = runtime.start(carries("x".into())).id("a").await?;
    let refused = run.raise(GO, "x".repeat(2_000)).await.expect_err("it is too long");
    assert!(refused.to_string().starts_with("the value of event `go` is 2002 bytes"), "{refused}");
    run.raise(GO, "y".into()).await?;
    assert_eq!(run.result().await?, "xy");

    let failure = runtime.start(asks_for(2_000)).await?.result().await.expect_err("it is too long");
    assert_eq!(failure.kind(), FailureKind::Codec);
    assert!(failure.message().starts_with("the result of activity `zeros` is 2002 bytes long as JSON"), "{failure}");
    let failure = runtime.start(hands_on(2_000)).id("called").await?.result().await.expect_err("it is too long");
    assert!(failure.message().starts_with("what `echo` is called with is 2002 bytes"), "{failure}");
    let failure = runtime.start(echoes_long()).await?.result().await.expect_err("it is too long");
    assert!(failure.message().starts_with("the result of `echoes_long` is 2002 bytes"), "{failure}");
    drop(runtime);
    // What was decided stays so.
    let runtime = open(&kept).await?;
    assert!(runtime.attach(hands_on, "called").result().await.is_err());
    Ok(())
}

#[orchestrator]
async fn echoes_long() -> String {
    "x".repeat(2_000)
}

async fn an_execution_takes_its_large_values_with_it(kept: Kept) -> dacapo::Result<()> {
    let runtime = open(&kept).await?;
    assert_eq!(runtime.start(goes_on(20, large())).await?.result().await?, large().len());
    if let Kept::File(_) = &kept {
        assert_eq!(rows(&kept), 1, "the input of the last execution");
    }
    Ok(())
}

on_both_stores! {
    large_values_outlive_a_restart
    a_value_that_looks_like_an_envelope_comes_back_as_it_is
    a_value_above_the_limit_is_refused_and_nothing_is_lost
    an_execution_takes_its_large_values_with_it
    what_changes_is_read_as_it_was_at_one_time
}

#[tokio::test]
async fn a_run_without_large_values_stores_none_out_of_line() -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = open(&kept).await?;
    let run = runtime.start(carries("small".into())).await?;
    run.raise(GO, "er".into()).await?;
    assert_eq!(run.result().await?, "smaller");
    assert_eq!((rows(&kept), query(&kept, "SELECT payloads FROM claim")), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_replay_reads_results_and_no_arguments_of_calls() -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = open(&kept).await?;
    runtime.start(carries(large())).id("a").await?;
    until("it waits", async || both::events(&runtime, "a").await.contains(&"TaskCompleted".to_owned())).await;
    assert_eq!(rows(&kept), 3, "the input, the argument of the call, its result");
    drop(runtime);

    let key = key_in(&kept, "TaskScheduled");
    assert_eq!(execute(&kept, &format!("DELETE FROM payload WHERE key = {key}")), 1);
    let runtime = open(&kept).await?;
    runtime.attach(carries, "a").raise(GO, "!".into()).await?;
    assert_eq!(runtime.attach(carries, "a").result().await?, large() + "!");
    Ok(())
}

#[tokio::test]
async fn a_status_without_the_input_does_not_read_it() -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = open(&kept).await?;
    runtime.start(carries(large())).id("a").await?;
    let key = key_in(&kept, "ExecutionStarted");
    assert_eq!(execute(&kept, &format!("DELETE FROM payload WHERE key = {key}")), 1);
    let status = runtime.status("a").show_input(false).await?;
    assert_eq!((status.name(), status.input(), status.execution()), ("carries", None, 1));
    assert_eq!(runtime.status("a").await?.input(), None, "it was deleted");
    let error = runtime.restart("a").new_id().await.expect_err("it was deleted");
    assert!(error.kind() == ErrorKind::Unreadable && error.to_string().contains("missing from the store"), "{error}");
    Ok(())
}

#[tokio::test]
async fn large_values_are_compressed() -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = open(&kept).await?;
    for _ in 0..8 {
        assert_eq!(runtime.start(asks_for(1 << 20)).await?.result().await?, 1 << 20);
    }
    runtime.shutdown().await?;
    let size = std::fs::metadata(kept.path().expect("a file")).expect("it is there").len();
    assert!(size < 256 << 10, "8 MiB of zeros take {size} bytes");
    Ok(())
}

/// Adds a key to every byte, after a mark by which it knows its own.
struct Shift(u8);

impl Codec for Shift {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        std::iter::once(self.0).chain(plain.iter().map(|byte| byte.wrapping_add(self.0))).collect()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        match encoded.split_first() {
            Some((mark, rest)) if *mark == self.0 => Ok(rest.iter().map(|byte| byte.wrapping_sub(self.0)).collect()),
            _ => Err("another key".into()),
        }
    }
}

#[activity]
async fn tells(secret: String) -> Result<String, dacapo::Error> {
    dacapo::activity::heartbeat(&&secret[..4]);
    Err(dacapo::Error::msg(secret))
}

#[orchestrator]
async fn hides(secret: String) -> dacapo::Result<String> {
    dacapo::set_custom_status(&&secret[..4]);
    let told = tells(secret.clone()).await.unwrap_or_else(|error| error.to_string());
    let more = GO.wait().await;
    Ok(echo(secret + &told + &more).await)
}

fn coded(key: u8) -> Payloads {
    Payloads::default().codec(Shift(key))
}

fn is_in_clear(folder: &Path, word: &str) -> bool {
    let files = std::fs::read_dir(folder).expect("it is a folder");
    let has_word = |path| {
        let bytes = std::fs::read(path).expect("it is a file");
        bytes.windows(word.len()).any(|part| part == word.as_bytes())
    };
    files.map(|file| file.expect("a file").path()).any(has_word)
}

#[tokio::test]
async fn nothing_is_in_clear_where_there_is_a_codec() -> dacapo::Result<()> {
    let kept = Kept::file();
    let folder = kept.path().and_then(|path| path.parent().map(Path::to_owned)).expect("a folder");
    for (id, secret) in [("small", "hush".to_owned()), ("large", "hush".repeat(30_000))] {
        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        runtime.start(hides(secret.clone())).id(id).await?;
        until("it waits", async || both::events(&runtime, id).await.contains(&"TaskFailed".to_owned())).await;
        drop(runtime);
        // Another process raises the event while there is no worker; then the run is replayed.
        kept.client().await.payloads(coded(7)).raise(id, GO, "hush".into()).await?;
        assert!(!is_in_clear(&folder, "hush"));
        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        assert_eq!(runtime.attach(hides, id).result().await?, format!("{secret}{secret}hush"));
        assert_eq!(runtime.attach(hides, id).custom_status::<String>().await?.as_deref(), Some("hush"));
        runtime.shutdown().await?;
        assert!(!is_in_clear(&folder, "hush"));
    }
    Ok(())
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

    fn refuse(&mut self, secret: String) -> dacapo::Result<()> {
        Err(dacapo::Error::msg(secret))
    }
}

#[orchestrator]
async fn locks_away(secret: String) -> dacapo::Result<String> {
    let refused = Vault::at("v").refuse(secret.clone()).await.err().map(|error| error.to_string()).unwrap_or_default();
    let kept = Vault::at("v").keep(secret).await;
    Ok(kept + &refused + &GO.wait().await)
}

#[tokio::test]
async fn an_entity_keeps_its_secrets_and_its_large_values_as_everybody_does() -> dacapo::Result<()> {
    for secret in ["hush".to_owned(), "hush".repeat(30_000)] {
        let kept = Kept::file();
        let folder = kept.path().and_then(|path| path.parent().map(Path::to_owned)).expect("a folder");
        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        runtime.start(locks_away(secret.clone())).id("a").await?;
        until("it waits", async || both::events(&runtime, "a").await.contains(&"EntityOperationCompleted".to_owned())).await;
        drop(runtime);
        assert!(!is_in_clear(&folder, "hush"));
        let client = kept.client().await.payloads(coded(7));
        client.signal(Vault::at("v").keep(secret.clone())).await?;
        assert!(!is_in_clear(&folder, "hush"));
        // Who has no key leaves the entity, and what waits for it, as they are.
        let runtime = kept.runtime().open().await?;
        let refused = runtime.call(Vault::at("v").keep("!".into())).await.expect_err("there is no key");
        assert!(refused.to_string().contains("codec"), "{refused}");
        let listed = runtime.entities().await?;
        let [vault] = listed.entities() else { panic!("there is one: {listed:?}") };
        assert_eq!((vault.id().key(), vault.state()), ("v", None), "and sees that it is there");
        runtime.shutdown().await?;

        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        until("the signal is done", async || {
            let state = runtime.state_of::<Vault>("v").await.expect("it is readable").expect("it has one");
            state.secrets == [secret.clone(), secret.clone()]
        })
        .await;
        runtime.attach(locks_away, "a").raise(GO, "hush".into()).await?;
        assert_eq!(runtime.attach(locks_away, "a").result().await?, format!("{secret}{secret}hush"));
        runtime.shutdown().await?;
        assert!(!is_in_clear(&folder, "hush"));
    }
    Ok(())
}

#[tokio::test]
async fn a_large_state_of_an_entity_takes_the_place_of_the_one_before() -> dacapo::Result<()> {
    let kept = Kept::file();
    let runtime = kept.runtime().open().await?;
    for _ in 0..5 {
        runtime.call(Vault::at("v").keep(large())).await?;
    }
    assert_eq!(runtime.state_of::<Vault>("v").await?.map(|state| state.secrets.len()), Some(5));
    runtime.shutdown().await?;
    assert_eq!(rows(&kept), 1);
    Ok(())
}

async fn what_changes_is_read_as_it_was_at_one_time(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().payloads(Payloads::default().out_of_line_above(10)).open().await?;
    let changes = async {
        for _ in 0..300 {
            runtime.call(Vault::at("v").keep("a word".to_owned())).await?;
        }
        dacapo::Result::Ok(())
    };
    let mut changes = std::pin::pin!(changes);
    let mut known = 0;
    loop {
        tokio::select! {
            done = &mut changes => return done,
            state = runtime.state_of::<Vault>("v") => {
                let secrets = state?.map_or(0, |state| state.secrets.len());
                assert!(secrets >= known, "{secrets} after {known}");
                known = secrets;
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_key_parks_a_run_and_the_right_one_goes_on() -> dacapo::Result<()> {
    for secret in ["hush".to_owned(), "hush".repeat(30_000)] {
        let kept = Kept::file();
        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        runtime.start(hides(secret.clone())).id("a").await?;
        until("it waits", async || both::events(&runtime, "a").await.contains(&"TaskFailed".to_owned())).await;
        drop(runtime);
        for wrong in [coded(8), Payloads::default()] {
            let runtime = kept.runtime().payloads(wrong).open().await?;
            // A run that waits is looked at when something comes for it.
            let _ = runtime.attach(hides, "a").raise(GO, "!".into()).await;
            let parked = reaches(&runtime, "a", Status::Suspended).await;
            let report = parked.report().expect("it is parked").to_owned();
            assert!(report.contains("codec") && report.contains("nothing is lost"), "{report}");
            drop(runtime);
        }
        let runtime = kept.runtime().payloads(coded(8)).open().await?;
        let refused = runtime.resume("a", "mended").await.expect_err("it is the wrong key");
        assert!(refused.to_string().contains("cannot resume"), "{refused}");
        drop(runtime);
        // The events raised with other keys have to go before the run can.
        assert_eq!(execute(&kept, "DELETE FROM inbox"), 2);
        let runtime = kept.runtime().payloads(coded(7)).open().await?;
        runtime.raise("a", GO, "!".into()).await?;
        assert_eq!(runtime.attach(hides, "a").result().await?, format!("{secret}{secret}!"));
    }
    Ok(())
}
