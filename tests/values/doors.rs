//! Every kind of value that is refused, through every door of a client and of a run.

use std::time::Duration;

use dacapo::{Event, FailureKind, Payload, Runtime, RuntimeError, Timetable};

use crate::{Failed, KINDS, Order, RUN_DOORS, Shelf, accepts, failing, nested, order, returns, through};

const ORDERS: Event<Order> = Event::new("orders");

fn assert_names(text: &str, what: &str, words: &[&str]) {
    assert!(text.len() < 2_000, "{what}: {} bytes of error", text.len());
    for word in words {
        assert!(text.contains(word), "{what} does not say `{word}`: {text}");
    }
}

#[tokio::test]
async fn a_run_is_given_a_codec_failure_at_every_door() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    for door in RUN_DOORS {
        for (kind, words) in KINDS {
            let run = runtime.start(through(door.into(), kind.into())).await?;
            let ended = tokio::time::timeout(Duration::from_secs(30), run.result()).await?;
            let failure = ended.expect_err(&format!("{door}: {kind}"));
            assert_eq!(failure.kind(), FailureKind::Codec, "{door}: {kind}: {failure}");
            assert_names(&format!("{failure} {:?}", failure.causes()), &format!("{door}: {kind}"), words);
        }
        let run = runtime.start(through(door.into(), "sound".into())).await?;
        assert!(door == "continue as new" || run.result().await.is_ok(), "{door}");
    }
    for (kind, words) in KINDS {
        let failure = runtime.start(returns(kind.into())).await?.result().await.err().expect(kind);
        assert_eq!(failure.kind(), FailureKind::Codec);
        assert_names(&failure.to_string(), kind, words);
        let Err(Failed::Engine(failure)) = runtime.start(failing(kind.into())).await?.result().await else {
            panic!("the order of kind {kind} came back");
        };
        assert_names(&failure.causes().join(" "), kind, words);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_is_refused_at_every_door() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let waits = runtime.start(crate::stored::passes_on()).id("waits").await?;
    for (kind, words) in KINDS {
        let value = || order(kind);
        let daily = Timetable::cron("0 2 * * *");
        let refusals: [(&str, Result<(), RuntimeError>); 7] = [
            ("start", runtime.start(accepts(value())).await.map(drop)),
            ("start by name", runtime.start_named("accepts", value()).await.map(drop)),
            ("raise", runtime.raise("waits", ORDERS, value()).await),
            ("raise by name", runtime.raise_named("waits", "orders", value()).await),
            ("signal", runtime.signal(Shelf::at("outside").put(value())).await),
            ("signal by name", runtime.signal_named(&dacapo::EntityId::named("Shelf", "outside"), "put", value()).await),
            ("schedule", runtime.schedule("daily").create(daily, accepts(value())).await.map(drop)),
        ];
        let called = runtime.call(Shelf::at("outside").put(value())).await.expect_err(kind);
        assert_eq!(called.kind(), FailureKind::Codec);
        assert_names(&called.to_string(), &format!("call: {kind}"), words);
        for (door, refused) in refusals {
            let error = refused.err().unwrap_or_else(|| panic!("{door} accepts {kind}"));
            assert_names(&error.to_string(), &format!("{door}: {kind}"), words);
        }
    }
    waits.terminate("the test ends").await?;
    Ok(())
}

#[tokio::test]
async fn a_hundred_levels_are_counted_on_the_callers_value() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    assert_eq!(runtime.start(accepts(order("deepest allowed"))).await?.result().await?, 4);
    assert!(runtime.start(accepts(order("one too deep"))).await.is_err());
    for door in RUN_DOORS {
        let run = runtime.start(through(door.into(), "deepest allowed".into())).await?;
        let ended = run.result().await;
        // The shelf is one more level around the order.
        let fits = !["entity state", "entity input", "entity signal", "continue as new"].contains(&door);
        assert!(!fits || ended.is_ok(), "{door}: {ended:?}");
    }
    let daily = Timetable::cron("0 2 * * *");
    runtime.schedule("deep").create(daily, accepts(order("deepest allowed"))).await?;
    runtime.schedule("deep").trigger().await?;
    assert!(Payload::from_json(nested(100)).is_ok());
    let failure = Payload::from_json(nested(101)).expect_err("one too many");
    assert!(failure.to_string().contains("101 levels"), "{failure}");
    assert!(Payload::from_json(format!("\"{}\"", "[".repeat(101))).is_ok(), "brackets in a text are no levels");
    Ok(())
}

/// Depth without brackets takes stack, too.
#[test]
fn wrappers_without_brackets_are_bounded() {
    #[derive(serde::Serialize)]
    struct Wrapped(Option<Box<Self>>);

    let deep = (0..3_000).fold(Wrapped(None), |inner, _| Wrapped(Some(Box::new(inner))));
    let failure = Payload::encode(&deep).expect_err("it is refused");
    assert!(failure.to_string().contains("nested wrappers"), "{failure}");
}

#[test]
fn raw_json_inside_of_a_value_is_counted_with_it() {
    let raw = |levels: usize| serde_json::value::RawValue::from_string(nested(levels)).expect("it is JSON");
    assert!(Payload::encode(&[raw(99)]).is_ok());
    assert!(Payload::encode(&[raw(100)]).is_err());
    assert!(Payload::encode(&Some(serde_json::Value::Null)).is_err());
    assert!(Payload::encode(&Some(Payload::null())).is_err());
    assert!(Payload::encode(&(Some(Some(1)), None::<u8>, (), [Some(false)])).is_ok());
}

#[test]
fn an_error_names_the_place() {
    use std::collections::BTreeMap;
    let said = |result: Result<Payload, dacapo::Failure>| result.expect_err("it is refused").to_string();
    let map = BTreeMap::from([("a b", vec![1.0, f64::INFINITY])]);
    assert!(said(Payload::encode(&map)).contains(r#"`["a b"][1]`: infinity"#), "{}", said(Payload::encode(&map)));
    let variant = Result::<f32, ()>::Ok(f32::NAN);
    assert!(said(Payload::encode(&variant)).contains("`Ok`: NaN"), "{}", said(Payload::encode(&variant)));
    assert!(said(Payload::encode(&f64::NAN)).contains("as JSON: NaN"), "{}", said(Payload::encode(&f64::NAN)));
}
