//! What must be awaited and is not: wherever it is kept.

use crate::common::findings;

fn said(body: &str) -> Vec<String> {
    let text = format!(
        "use dacapo::{{activity, entity, orchestrator}};
        #[activity] async fn charge(n: u32) -> dacapo::Result<u32> {{ Ok(n) }}
        #[derive(Default)] struct Account {{ cents: u32 }}
        #[entity] impl Account {{ fn add(&mut self, n: u32) -> u32 {{ n }} }}
        struct Plain; impl Plain {{ fn at(n: u32) -> Self {{ Plain }} fn add(&self, n: u32) {{}} }}
        #[orchestrator] async fn run(xs: Vec<u32>) -> dacapo::Result<()> {{ {body} Ok(()) }}"
    );
    findings(&text).iter().map(|finding| format!("{}: {}", finding.rule.name, finding.message)).collect()
}

#[track_caller]
fn refused(bodies: &[(&str, &str)]) {
    for (body, what) in bodies {
        let said = said(body);
        assert!(said.len() == 1 && said[0].starts_with(&format!("unused_call: {what}")), "{body}: {said:?}");
    }
}

#[track_caller]
fn compiles(bodies: &[&str]) {
    for body in bodies {
        assert_eq!(said(body), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn a_lock_that_is_not_awaited_locks_nothing() {
    refused(&[
        ("let _guard = dacapo::lock(Account::at(\"a\")); charge(1).await?;", "`dacapo::lock(..)` is never awaited"),
        ("let guard = dacapo::lock(Account::at(\"a\")); charge(1).await?; drop(guard);", "`dacapo::lock(..)` is never awaited"),
        ("let _ = dacapo::lock(Account::at(\"a\")); charge(1).await?;", "`dacapo::lock(..)` is never awaited"),
        ("dacapo::lock(Account::at(\"a\")); charge(1).await?;", "`dacapo::lock(..)` is never awaited"),
        ("use dacapo::lock; let _g = lock(Account::at(\"a\")); charge(1).await?;", "`lock(..)` is never awaited"),
    ]);
    compiles(&[
        "let _guard = dacapo::lock(Account::at(\"a\")).await; charge(1).await?;",
        "let waiting = dacapo::lock(Account::at(\"a\")); let guard = waiting.await; charge(1).await?; drop(guard);",
        "let waiting = dacapo::lock(Account::at(\"a\")); let Ok(_guard) = dacapo::timeout(d, waiting).await else { return Ok(()) };",
        "let m = std::sync::Arc::new(1); let lock = |n: u32| n; let _x = lock(1);",
    ]);
}

#[test]
fn an_operation_of_an_entity_is_awaited_or_signalled() {
    refused(&[
        ("Account::at(\"a\").add(1);", "`Account::at(..).add(..)` is never awaited"),
        ("let _sum = Account::at(\"a\").add(1);", "`Account::at(..).add(..)` is never awaited"),
        ("let account = Account::at(\"a\"); account.add(1);", "`account.add(..)` is never awaited"),
    ]);
    compiles(&[
        "Account::at(\"a\").add(1).signal();",
        "Account::at(\"a\").add(1).await;",
        "let account = Account::at(\"a\"); account.add(1).signal(); account.add(2).await;",
        "Plain::at(1).add(1);",
        "let call = Account::at(\"a\").add(1); call.await;",
    ]);
}

#[test]
fn a_started_call_that_is_dropped_is_cancelled() {
    refused(&[
        ("charge(1).start();", "`charge(..).start()` is never awaited"),
        ("let _handle = charge(1).start();", "`charge(..).start()` is never awaited"),
        ("let _ = charge(1).start();", "`charge(..).start()` is never awaited"),
    ]);
    compiles(&[
        "let handle = charge(1).start(); handle.await?;",
        "let mut all = vec![]; for x in xs { all.push(charge(x).start()); } futures::future::try_join_all(all).await?;",
    ]);
}

#[test]
fn a_call_that_is_kept_where_nobody_awaits_it_never_runs() {
    refused(&[
        ("let _calls = vec![charge(1), charge(2)];", "`charge(..)` is never awaited"),
        ("let _calls = [charge(1), charge(2)];", "`charge(..)` is never awaited"),
        ("let _call = Box::pin(charge(1));", "`charge(..)` is never awaited"),
        ("let _later = async { charge(1).await };", "`charge(..)` is never awaited"),
        ("let _calls: Vec<_> = xs.into_iter().map(charge).collect();", "`charge(..)` is never awaited"),
        ("let _calls: Vec<_> = xs.iter().map(|x| charge(*x)).collect();", "`charge(..)` is never awaited"),
        ("let _pair = (charge(1), 2);", "`charge(..)` is never awaited"),
        ("let _call = Some(charge(1));", "`charge(..)` is never awaited"),
    ]);
    compiles(&[
        "let calls = vec![charge(1), charge(2)]; futures::future::try_join_all(calls).await?;",
        "let later = async { charge(1).await }; later.await?;",
        "let calls: Vec<_> = xs.into_iter().map(charge).collect(); futures::future::try_join_all(calls).await?;",
        "let call = Some(charge(1)); if let Some(call) = call { call.await?; }",
        "let build = |x: u32| charge(x); for chunk in xs.chunks(3) { futures::future::try_join_all(chunk.iter().map(|x| build(*x))).await?; }",
    ]);
}
