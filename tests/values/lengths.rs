//! How long texts may be that stand beside values: refused with the limit, or cut with a mark.

use std::time::{Duration, Instant};

use dacapo::{ErrorKind, Failure, FailureKind, Payloads, Runtime, RuntimeError, Status, activity, orchestrator};

use crate::both::{Kept, on_both_stores, reaches};

#[activity]
async fn says(bytes: usize) {
    dacapo::activity::heartbeat(&"0".repeat(bytes));
}

#[derive(Debug)]
struct Chain(usize);

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.0, "ä".repeat(200_000))
    }
}

impl std::error::Error for Chain {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        const NEXT: [Chain; 41] = {
            let mut all = [const { Chain(0) }; 41];
            let mut at = 0;
            while at < 41 {
                all[at] = Chain(at);
                at += 1;
            }
            all
        };
        static CHAIN: [Chain; 41] = NEXT;
        self.0.checked_sub(1).map(|next| &CHAIN[next] as &dyn std::error::Error)
    }
}

#[activity]
async fn fails_at_length(causes: usize) -> dacapo::Result<()> {
    Err(Chain(causes).into())
}

#[activity]
async fn panics_at_length(bytes: usize) {
    panic!("{}", "p".repeat(bytes));
}

#[orchestrator]
async fn length_of(what: String, bytes: usize) -> Result<(), Failure> {
    match what.as_str() {
        "custom status" => {
            dacapo::set_custom_status(&"0".repeat(bytes));
            Ok(())
        }
        "heartbeat" => says(bytes).checked().await,
        "causes" => fails_at_length(bytes).checked().await,
        "panic" => panics_at_length(bytes).checked().await,
        "child" => takes_text("0".repeat(bytes)).checked().await.map(drop),
        _ => Ok(()),
    }
}

#[orchestrator]
async fn takes_text(text: String) -> usize {
    text.len()
}

#[orchestrator]
async fn sleeps() {
    dacapo::sleep(Duration::from_secs(3600)).await;
}

/// A JSON text has two quotes.
const SHOWN: usize = (64 << 10) - 2;

#[tokio::test]
async fn what_a_run_shows_of_itself_is_bounded() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    for what in ["custom status", "heartbeat"] {
        runtime.start(length_of(what.into(), SHOWN)).await?.result().await?;
        let failure = runtime.start(length_of(what.into(), SHOWN + 1)).await?.result().await.expect_err(what);
        assert_eq!(failure.kind(), FailureKind::Codec, "{failure}");
        assert!(failure.to_string().contains("65537 bytes of JSON, but at most 65536"), "{failure}");
    }
    Ok(())
}

async fn the_input_of_a_child_has_the_limit_of_every_value(kept: Kept) -> dacapo::Result<()> {
    let runtime = kept.runtime().payloads(Payloads::default().limit(1_000)).open().await?;
    runtime.start(length_of("child".into(), 998)).await?.result().await?;
    let failure = runtime.start(length_of("child".into(), 999)).await?.result().await.expect_err("too long");
    assert_eq!(failure.kind(), FailureKind::Codec, "{failure}");
    assert!(failure.to_string().contains("1001 bytes"), "{failure}");
    runtime.shutdown().await?;
    Ok(())
}

on_both_stores! {
    the_input_of_a_child_has_the_limit_of_every_value
}

#[tokio::test]
async fn reasons_and_tags_are_bounded() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let run = runtime.start(sleeps()).id("sleeps").await?;
    let invalid = |result: Result<(), RuntimeError>, limit: &str| {
        let error = result.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(limit), "{error}");
    };
    let (long, fits) = ("r".repeat((8 << 10) + 1), "r".repeat(8 << 10));
    invalid(runtime.suspend("sleeps", &long).await, "8192");
    invalid(runtime.resume("sleeps", &long).await, "8192");
    invalid(runtime.rewind("sleeps", &long).await, "8192");
    invalid(run.terminate(&long).await, "8192");
    runtime.suspend("sleeps", &fits).await?;
    reaches(&runtime, "sleeps", Status::Suspended).await;

    let start = |tags: Vec<(String, String)>| {
        let start = tags.into_iter().fold(runtime.start(takes_text("a".into())), |start, (name, value)| start.tag(name, value));
        async move { start.await.map(drop) }
    };
    let tag = |name: usize, value: usize| vec![("n".repeat(name), "v".repeat(value))];
    let tags = |count: usize| (0..count).map(|n| (format!("tag-{n}"), String::new())).collect::<Vec<_>>();
    start(tag(128, 1_024)).await?;
    start(tags(64)).await?;
    invalid(start(tag(129, 1)).await, "128 bytes");
    invalid(start(tag(1, 1_025)).await, "1024");
    invalid(start(vec![("ä".repeat(65), String::new())]).await, "128 bytes");
    invalid(start(tags(65)).await, "64");
    runtime.terminate("sleeps", &fits).await?;
    Ok(())
}

#[tokio::test]
async fn long_messages_and_causes_are_cut_with_a_mark() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let begun = Instant::now();
    let failure = runtime.start(length_of("causes".into(), 40)).await?.result().await.expect_err("it fails");
    assert!(failure.message().len() <= 16 << 10, "{}", failure.message().len());
    assert!(failure.message().starts_with("40ää") && failure.message().ends_with("[cut, 400002 bytes in all]"));
    assert_eq!(failure.causes().len(), 16);
    assert!(failure.causes().iter().all(|cause| cause.len() <= 4 << 10), "{:?}", failure.causes().len());
    assert_eq!(failure.causes()[15], "… [cut, 40 causes in all]");
    let failure = runtime.start(length_of("panic".into(), 400_000)).await?.result().await.expect_err("it panics");
    assert_eq!(failure.kind(), FailureKind::Panic);
    assert!(failure.message().ends_with("… [cut, 400000 bytes in all]"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    Ok(())
}
