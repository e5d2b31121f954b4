//! One statement, one verdict: what users write, right and wrong.

use crate::common::findings;
#[test]
fn every_statement_gets_its_verdict() {
    let pre = "use std::collections::HashMap; use std::time::{Duration, SystemTime, Instant}; use std::sync::Arc; const GO: dacapo::Event<u8> = dacapo::Event::new(\"x\"); #[activity] async fn act(n: u8) -> dacapo::Result<u8> { x }\n";
    for (want, body) in [
        ("L", "for x in xs { let a = act(x).await?; let b = g(a).await?; out.push(b); }"),
        ("", "let r = loop { match act(1).await { Ok(v) => break v, Err(e) if n < 3 => n += 1, Err(e) => return Err(e) } };"),
        (
            "",
            "let mut left: Vec<_> = xs; while !left.is_empty() { let done = join_all(left.iter().map(f)).await; left = retry(done); }",
        ),
        (
            "",
            "for x in xs { if let Some(y) = cache.get(&x) { out.push(y); } else { let v = act(x).await?; cache.insert(x, v); } }",
        ),
        ("", "for x in xs { if !cache.contains_key(&x) { let v = act(x).await?; cache.insert(x, v); } }"),
        ("L", "for x in xs { let r = act(x).await; match r { Ok(v) => ok.push(v), Err(e) => bad.push(e) } }"),
        ("L", "for (i, x) in xs.iter().enumerate() { dacapo::set_custom_status(&i); act(x).await?; }"),
        ("L", "for x in xs { out.push(act(x).retry(r).await?); }"),
        ("L", "for x in xs { let y = async { act(x).await }.await; }"),
        (
            "",
            "for chunk in xs.chunks(3) { let calls: Vec<_> = chunk.iter().map(act).collect(); out.extend(try_join_all(calls).await?); dacapo::set_custom_status(&out.len()); }",
        ),
        (
            "",
            "for x in xs { set.push(Box::pin(act(x)) as Pin<Box<dyn Durable<Output = u8>>>); } let (first, _, rest) = select_all(set).await;",
        ),
        (
            "",
            "let mut set = xs; while !set.is_empty() { let (first, _, rest) = futures::future::select_all(set).await; set = rest; }",
        ),
        ("C", "let t: Instant = Instant::now();"),
        ("", "fn t(now: fn() -> u8) {} let now = || 1; t(now);"),
        ("", "let v = vec![1, 2]; let p = v.iter().map(|x| x + 1).collect::<Vec<_>>();"),
        ("H", "let m: HashMap<u8, Vec<u8>> = HashMap::new(); let all: Vec<_> = m.values().flatten().collect();"),
        ("H", "let m: Option<HashMap<u8, u8>> = None; if let Some(m) = m { for x in m {} }"),
        ("H", "let m: HashMap<u8, u8> = HashMap::new(); try_join_all(m.into_iter().map(|(a, b)| act(a))).await?;"),
        ("", "let m: HashMap<u8, u8> = HashMap::new(); let n = m.get(&1).copied().unwrap_or(0); let k = m.contains_key(&n);"),
        ("", "let a = act(1).await?; let b = act(2).await?; drop((a, b));"),
        ("", "let d = Duration::from_secs(1); let x = dacapo::timeout(d, act(1)).await;"),
        ("", "let (a, b) = (act(1).start(), act(2).start()); let x = a.await?; let y = b.await?;"),
        ("O", "let a = act(1); let b = act(2); if (a.await? > 1) { } b.await?;"),
        ("", "let call = if flag { act(1) } else { act(2) }; call.await?;"),
        ("U", "if flag { act(1); }"),
        ("U", "match flag { true => { act(1); } _ => {} }"),
        ("", "let x = { act(1) }; x.await?;"),
        ("", "fn build(n: u8) -> u8 { n } build(1); build(2);"),
        ("", "let f = |n| act(n); let r = try_join_all(xs.into_iter().map(f)).await?;"),
        ("L", "let f = |n| act(n); for x in xs { f(x).await?; }"),
        ("", "loop { let e = GO.wait().await; if e > 3 { return Ok(()) } }"),
        ("", "loop { match GO.wait().await { 1 => break, _ => act(1).await? }; }"),
        ("N", "loop { match GO.wait().await { 1 => n += 1, _ => { act(1).await.ok(); } }; loop { break; } }"),
        (
            "",
            "let mut stack = vec![root]; let mut out = vec![]; while let Some(node) = stack.pop() { let kids = act(node).await?; for k in kids { stack.push(k); } out.push(node); }",
        ),
        ("", "let mut best = None; for x in xs { let r = act((x, best)).await?; if r.better { best = Some(r); } }"),
        ("", "let mut ctx = Ctx::new(); for step in steps { ctx = step_fn(ctx, step).await?; }"),
        ("", "let mut h = History::new(); for x in xs { let req = h.request(x); let res = act(req).await?; h.record(res); }"),
        ("", "let mut n = 0; while n < 10 { n = act(n).await?; }"),
        ("L", "let mut n = 0; while n < 10 { act(n).await?; n += 1; }"),
        ("", "let mut done = 0; while done < total { let r = act(1).await?; done += r; }"),
        ("", "for x in xs { let Some(y) = act(x).await? else { break }; out.push(y); }"),
        ("", "for day in 0..7 { dacapo::sleep_until(start + day).await; act(day).await?; }"),
        ("", "for x in xs { match dacapo::timeout(d, GO.wait()).await { Ok(v) => act(v).await?, Err(_) => 0 }; }"),
        ("A", "let s = std::sync::Arc::as_ptr(&x);"),
        ("C", "let x = json!({ \"t\": SystemTime::now() });"),
        ("", "let x = matches!(r, Err(e) if e.kind == Kind::Io);"),
        ("", "assert!(xs.len() > 1, \"no {}\", xs.len()); debug_assert_eq!(1, 1);"),
        ("L", "for x in xs { println!(\"{:?}\", act(x).await?); }"),
        ("L", "let total = { let mut t = 0; for x in xs { t += act(x).await?; } t };"),
        ("", "let outcomes = dacapo::fan_out(xs, |x| async move { let a = act(x).await?; g(a).await }).limit(5).await;"),
        (
            "",
            "for round in 0..3 { let bids = join_all(shops.iter().map(|s| bid(s.clone(), price))).await; price = best(&bids); }",
        ),
        ("", "let mut price = 1; for shop in shops { price = price.min(offer(shop, price).await?); }"),
        (
            "",
            "for x in xs { let r = act(x).await?; state.insert(x, r); if state.len() > 3 { act(flush(&state)).await?; state.clear(); } }",
        ),
        ("", "for x in xs { let v = act(x).await?; if v == 0 { return Err(E::Zero(x)); } }"),
        ("", "struct S; impl S { fn now() -> u8 { 1 } fn go(&self) -> u8 { Self::now() } } S.go();"),
        ("C", "struct S; impl S { fn go(&self) -> u8 { SystemTime::now(); 1 } } S.go();"),
        ("C", "struct S; impl S { fn go(&self) -> u8 { SystemTime::now(); 1 } } let s = S; s.go();"),
        ("I", "let f = std::fs::read; f(\"x\");"),
        ("C", "xs.iter().map(|x| (x, SystemTime::now())).collect::<Vec<_>>();"),
        ("", "let SystemTime = 1;"),
        ("L", "for x in xs { dacapo::timeout(d, act(x)).await??; }"),
        ("L", "for x in xs { if x.skip { continue; } act(x).await?; }"),
        ("L", "for x in xs { let r = match x { A => act(1).await?, B => act(2).await? }; out.push(r); }"),
        ("L", "for x in xs { let r = act(x).await.unwrap_or_default(); out.push(r); }"),
        ("L", "for x in xs { let r = act(x).await.map_err(|e| E::from(e))?; out.push(r); }"),
        (
            "",
            "let mut running = vec![]; for x in xs { if running.len() == 3 { let h: Handle = running.remove(0); out.push(h.await?); } running.push(act(x).start()); }",
        ),
        ("L", "for x in xs { for _ in 0..3 { if act(x).await.is_ok() { break; } } }"),
        ("", "for x in &xs { out.push(act(x).start()); } for h in out.drain(..) { h.await?; }"),
        (
            "",
            "let mut hs = BTreeMap::new(); for x in xs { hs.insert(x, act(x).start()); } for (k, h) in hs { done.insert(k, h.await?); }",
        ),
    ] {
        let text = format!(
            "{pre}#[orchestrator]\nasync fn run(xs: Vec<u8>, shops: Vec<S>, mut price: u8, mut cache: C, mut state: M, flag: bool) -> Result<(), E> {{\n let mut out = vec![]; let mut n = 0; {body}\n Ok(()) }}"
        );
        let found = findings(&text);
        let got: Vec<&str> = found.iter().map(|f| f.rule.name).collect();
        let want_rule = match want {
            "L" => vec!["await_in_loop"],
            "C" => vec!["clock"],
            "H" => vec!["hash_order"],
            "O" => vec!["await_one_by_one"],
            "U" => vec!["unused_call"],
            "N" => vec!["unbounded_loop"],
            "A" => vec!["address"],
            "I" => vec!["io"],
            _ => vec![],
        };
        assert_eq!(got, want_rule, "{body}: {found:#?}");
    }
}

#[test]
fn every_file_gets_its_verdict() {
    for (want, text) in [
        (
            "",
            "use std::time::Duration; struct Clock; impl Clock { fn now(&self) -> u8 { 1 } } #[orchestrator] async fn run(c: Clock) -> u8 { c.now() }",
        ),
        (
            "clock",
            "trait T { fn at(&self) -> u8 { std::time::SystemTime::now(); 1 } } struct S; impl T for S {} fn h() -> u8 { S::key() } impl S { fn key() -> u8 { <Self as T>::at(&S) } } #[orchestrator] async fn run(c: u8) -> u8 { h() }",
        ),
        (
            "",
            "#[orchestrator(inline)] async fn inner(n: u8) -> u8 { std::process::id(); 1 } #[orchestrator] async fn run(c: u8) -> u8 { inner(c).await }",
        ),
        (
            "",
            "#[cfg(test)] mod tests { use super::*; #[tokio::test] async fn t() { std::process::exit(1); run(1).await; tokio::spawn(run(1)); } } #[orchestrator] async fn run(c: u8) -> u8 { helper(c) } fn helper(c: u8) -> u8 { c } fn main() { std::env::args(); }",
        ),
        (
            "hash_order",
            "use std::collections::HashMap; fn names(m: &HashMap<u8, u8>) -> Vec<u8> { m.keys().copied().collect() } #[orchestrator] async fn run(c: u8) -> u8 { let m = HashMap::new(); names(&m); c }",
        ),
        (
            "",
            "use std::collections::HashMap; fn names(m: &HashMap<u8, u8>) -> Vec<u8> { let mut v: Vec<_> = m.keys().copied().collect(); v.sort(); v } #[orchestrator] async fn run(c: u8) -> u8 { let m = HashMap::new(); names(&m); c }",
        ),
        (
            "",
            "use std::collections::HashMap; fn names(m: &HashMap<u8, u8>) -> Vec<u8> { let mut v = m.keys().copied().collect::<Vec<_>>(); v.sort_by_key(|k| *k); v } #[orchestrator] async fn run(c: u8) -> u8 { let m = HashMap::new(); names(&m); c }",
        ),
        (
            "",
            "use std::collections::{HashMap, BTreeMap}; fn names(m: HashMap<u8, u8>) -> BTreeMap<u8, u8> { m.into_iter().collect() } #[orchestrator] async fn run(c: u8) -> u8 { let m = HashMap::new(); names(m); c }",
        ),
        (
            "",
            "use std::collections::{HashMap, BTreeMap}; #[orchestrator] async fn run(m: HashMap<u8, u8>) -> BTreeMap<u8, u8> { m.into_iter().collect() }",
        ),
        (
            "",
            "use std::collections::{HashMap, BTreeMap}; #[orchestrator] async fn run(m: HashMap<u8, u8>) -> u8 { let b = BTreeMap::from_iter(m.into_iter()); let mut t = BTreeMap::new(); t.extend(m.iter()); 1 }",
        ),
        (
            "",
            "use std::collections::HashMap; #[orchestrator] async fn run(m: HashMap<u8, u8>) -> u8 { let mut pairs = m.into_iter().collect::<Vec<_>>(); pairs.sort(); for p in pairs { drop(p); } 1 }",
        ),
        (
            "",
            "use std::collections::HashMap; #[orchestrator] async fn run(m: HashMap<u8, u8>) -> u8 { let mut keys: Vec<&u8> = m.keys().collect(); keys.sort(); let total: u64 = m.values().map(|v| *v as u64).sum(); 1 }",
        ),
        (
            "",
            "use std::collections::HashMap; use itertools::Itertools; #[orchestrator] async fn run(m: HashMap<u8, u8>) -> u8 { for k in m.keys().sorted() { drop(k); } for (k, v) in m.iter().sorted_by_key(|(k, _)| **k) { drop(k); } 1 }",
        ),
        (
            "",
            "use uuid::Uuid; #[derive(Debug)] struct Id(Uuid); impl Id { fn parse(s: &str) -> Self { Self(Uuid::parse_str(s).unwrap()) } } #[orchestrator] async fn run(s: String) -> u8 { Id::parse(&s); 1 }",
        ),
        (
            "identity",
            "use uuid::Uuid; struct Id(Uuid); impl Default for Id { fn default() -> Self { Self(Uuid::new_v4()) } } #[orchestrator] async fn run(s: String) -> u8 { let id = Id::default(); 1 }",
        ),
        (
            "environment",
            "mod config { pub fn region() -> String { std::env::var(\"R\").unwrap() } } #[orchestrator] async fn run(s: String) -> String { config::region() }",
        ),
        (
            "environment",
            "mod config { pub fn region() -> String { std::env::var(\"R\").unwrap() } } #[orchestrator] async fn run(s: Option<String>) -> String { s.unwrap_or_else(config::region) }",
        ),
        (
            "",
            "use chrono::{DateTime, Utc, Duration}; #[orchestrator] async fn run(at: DateTime<Utc>) -> u8 { let end: DateTime<Utc> = dacapo::now().into(); let d = end - at; let x = Utc.timestamp_opt(1, 0); 1 }",
        ),
        (
            "",
            "use rand::{Rng, seq::SliceRandom}; #[orchestrator] async fn run(mut v: Vec<u8>) -> u8 { let mut rng = dacapo::rng(); v.shuffle(&mut rng); rng.random_range(0..6) }",
        ),
        (
            "",
            "use std::io::Write; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let mut s = String::new(); write!(s, \"{}\", 1).unwrap(); 1 }",
        ),
        (
            "",
            "use std::sync::Arc; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let v = Arc::new(v); let w = Arc::clone(&v); w.len() as u8 }",
        ),
        (
            "",
            "use std::process::ExitCode; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let r = v.iter().try_fold(0u8, |a, b| a.checked_add(*b)); 1 }",
        ),
        ("shared_state", "static mut N: u8 = 0; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { N }"),
        (
            "shared_state",
            "use once_cell::sync::Lazy; static C: Lazy<u8> = Lazy::new(|| 1); fn c() -> u8 { *C } #[orchestrator] async fn run(v: Vec<u8>) -> u8 { c() }",
        ),
        (
            "",
            "use thiserror::Error; #[derive(Error, Debug)] enum E { #[error(\"x {0}\")] Io(#[from] std::io::Error) } #[orchestrator] async fn run(v: Vec<u8>) -> Result<u8, E> { Err(E::Io(std::io::Error::other(\"x\"))) }",
        ),
        (
            "",
            "use tokio::time::Duration; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { dacapo::sleep(Duration::from_secs(1)).await; 1 }",
        ),
        (
            "",
            "use dacapo::prelude::*; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { for x in v { sleep(d).await; act(x).await; } 1 }",
        ),
        (
            "",
            "use futures::prelude::*; #[orchestrator] async fn run(v: Vec<u8>) -> Result<(), E> { stream::iter(v).map(Ok).try_for_each_concurrent(3, |x| async move { act(x).await }).await }",
        ),
        (
            "await_in_loop",
            "#[orchestrator] async fn run(v: Vec<u8>) -> Result<(), E> { 'a: for x in v { 'b: for y in x { if y { continue 'a; } act(y).await?; } } Ok(()) }",
        ),
        (
            "",
            "#[orchestrator] async fn run(v: Vec<u8>) -> Result<(), E> { for x in v { let r: Result<u8, E> = async { let a = act(x).await?; act(a).await }.await; if r.is_ok() { break } } Ok(()) }",
        ),
        (
            "",
            "#[orchestrator] async fn run(v: Vec<u8>) -> Result<(), E> { let both = tokio_stream::iter(v); let x = Self_::y; let r#type = 1; let n = r#type; drop(n); Ok(()) }",
        ),
        (
            "random",
            "use rand::Rng; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let n: u8 = rand::thread_rng().gen_range(0..3); n }",
        ),
        (
            "random",
            "use rand::{rng, seq::IndexedRandom}; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let mut r = rng(); 1 }",
        ),
        ("spawn", "use tokio::task; #[orchestrator] async fn run(v: Vec<u8>) -> u8 { let h = task::spawn(async { 1 }); 1 }"),
        (
            "io",
            "use tokio::fs::File; fn open() { let _f = File::open(\"x\"); } #[orchestrator] async fn run(v: Vec<u8>) -> u8 { open(); 1 }",
        ),
        (
            "",
            "use futures::future::{self, Either, FutureExt}; #[orchestrator] async fn run(v: u8) -> u8 { match future::select(act(v), dacapo::sleep(d)).await { Either::Left((x, _)) => x, Either::Right(_) => 0 } }",
        ),
        (
            "",
            "#[orchestrator] async fn run(v: Vec<u8>) -> u8 { let mut total = 0; let mut it = v.into_iter().peekable(); while let Some(x) = it.next() { total = add(total, x).await; } total }",
        ),
        ("address", "#[orchestrator] async fn run(v: Vec<u8>) -> u8 { println!(\"{:p} {:#p}\", &v, &v); 1 }"),
        ("", "#[orchestrator] async fn run(v: Vec<u8>) -> u8 { println!(\"a:p} {}\", 1); 1 }"),
    ] {
        let got: Vec<&str> = findings(text).iter().map(|finding| finding.rule.name).collect();
        let want: Vec<&str> = Some(want).filter(|rule| !rule.is_empty()).into_iter().collect();
        assert_eq!(got, want, "{text}");
    }
}
