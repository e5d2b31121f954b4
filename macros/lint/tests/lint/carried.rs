//! What flows from one iteration to the next, and what only seems to: each case is one loop as users write it.

use crate::common::rules;

const BEFORE: &str = "
    use dacapo::{activity, orchestrator};
    use std::cell::{Cell, RefCell};
    use std::collections::{BTreeMap, HashMap, VecDeque};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    #[activity] async fn reserve(n: u32) -> dacapo::Result<u32> { Ok(n) }
    #[activity] async fn charge(n: u32) -> dacapo::Result<u32> { Ok(n) }
    #[activity] async fn ship(n: u32) -> dacapo::Result<u32> { Ok(n) }
    #[activity] async fn links(n: u32) -> dacapo::Result<Vec<u32>> { Ok(vec![n]) }
    #[activity] async fn submit(batch: Vec<u32>) -> dacapo::Result<u32> { Ok(0) }
    fn begin(n: u32) -> Started { charge(n).start() }
    enum Phase { Reserve, Charge, Ship, Done }
    struct State { phase: Phase, tries: u32 }
";

fn verdict(body: &str) -> Vec<&'static str> {
    rules(&format!("{BEFORE} #[orchestrator] async fn run(xs: Vec<u32>, root: u32) -> dacapo::Result<()> {{ {body} Ok(()) }}"))
}

#[track_caller]
fn compiles(bodies: &[&str]) {
    for body in bodies {
        assert_eq!(verdict(body), Vec::<&str>::new(), "{body}");
    }
}

#[track_caller]
fn refused(bodies: &[&str]) {
    for body in bodies {
        assert_eq!(verdict(body), ["await_in_loop"], "{body}");
    }
}

#[test]
fn a_state_machine_carries_its_loop() {
    compiles(&[
        "let mut phase = Phase::Reserve; loop { match phase { Phase::Reserve => { reserve(1).await?; phase = Phase::Charge; } Phase::Charge => { charge(1).await?; phase = Phase::Ship; } Phase::Ship => { ship(1).await?; phase = Phase::Done; } Phase::Done => break } }",
        "let mut phase = 0; while phase < 3 { if phase == 0 { reserve(1).await?; phase = 1; } else if phase == 1 { charge(1).await?; phase = 2; } else { ship(1).await?; phase = 3; } }",
        "let mut state = State { phase: Phase::Reserve, tries: 0 }; loop { match state.phase { Phase::Reserve => { reserve(1).await?; state.phase = Phase::Charge; } Phase::Charge => { charge(1).await?; state.phase = Phase::Done; } _ => break } }",
        "let mut step = 0; loop { match root { _ if step == 0 => { reserve(1).await?; step = 1; } _ if step == 1 => { charge(1).await?; step = 2; } _ => break } }",
        "let mut phase = Phase::Reserve; for _ in 0..10 { match phase { Phase::Reserve => { reserve(1).await?; phase = if root > 1 { Phase::Charge } else { Phase::Done }; } Phase::Charge => { charge(1).await?; phase = Phase::Done; } _ => break } }",
        "let mut step = 0; loop { match step { 0 => { reserve(1).await?; } 1 => { charge(1).await?; } _ => break } step += 1; }",
        "let mut phase = Phase::Reserve; loop { phase = match phase { Phase::Reserve => { reserve(1).await?; Phase::Charge } Phase::Charge => { charge(1).await?; Phase::Done } _ => break } }",
    ]);
    refused(&[
        "let mut n = 0; while n < 10 { charge(n).await?; n += 1; }",
        "let mut n = 0; for x in xs { charge(x).await?; n += 1; if n > 5 { println!(\"many\"); } }",
        "for x in xs { match x { 1 => { reserve(x).await?; } _ => { charge(x).await?; } } }",
        "let mut last = 0; for x in xs { if x > 3 { charge(x).await?; last = x; } else { reserve(x).await?; } }",
    ]);
}

#[test]
fn a_loop_under_a_lock_is_sequential() {
    compiles(&[
        "for x in xs { let guard = dacapo::lock(Account::at(x)).await; charge(x).await?; drop(guard); }",
        "let _guard = dacapo::lock((Account::at(1), Account::at(2))).await; for x in xs { charge(x).await?; }",
        "use dacapo::lock; for x in xs { let _guard = lock(Account::at(x)).await; charge(x).await?; }",
        "for x in xs { let Ok(_guard) = dacapo::timeout(d, dacapo::lock(Account::at(x))).await else { continue }; charge(x).await?; }",
    ]);
    refused(&[
        "{ let _guard = dacapo::lock(Account::at(1)).await; } for x in xs { charge(x).await?; }",
        "let guard = dacapo::lock(Account::at(1)).await; drop(guard); for x in xs { charge(x).await?; }",
        "let m = Mutex::new(1); let g = m.lock(); for x in xs { charge(x).await?; }",
    ]);
}

#[test]
fn a_queue_filled_through_a_closure_or_a_nested_loop_carries_the_loop() {
    compiles(&[
        "let mut queue = VecDeque::from([root]); while let Some(next) = queue.pop_front() { links(next).await?.into_iter().for_each(|l| queue.push_back(l)); }",
        "let mut queue = VecDeque::from([root]); while let Some(next) = queue.pop_front() { let found = links(next).await?; found.iter().for_each(|l| queue.push_back(*l)); }",
        "let mut queue = vec![root]; let mut out = vec![]; while let Some(next) = queue.pop() { out.extend(links(next).await?.into_iter().inspect(|l| queue.push(*l))); }",
        "let mut queue = vec![root]; while let Some(next) = queue.pop() { let found = links(next).await?; for l in found { if l > 3 { queue.push(l); } } }",
        "let mut queue = vec![root]; while let Some(next) = queue.pop() { let found = links(next).await?; let mut add = |l| queue.push(l); for l in found { add(l); } }",
    ]);
    refused(&[
        "let mut out = vec![]; for x in xs { links(x).await?.into_iter().for_each(|l| out.push(l)); }",
        "let mut out = vec![]; let mut add = |l| out.push(l); for x in xs { add(charge(x).await?); }",
    ]);
}

#[test]
fn a_batch_that_was_started_before_it_is_awaited_runs_at_once() {
    compiles(&[
        "let mut s = 0; for chunk in xs.chunks(10) { let r: Vec<_> = chunk.iter().map(|x| charge(*x).start()).collect(); for c in r { s += c.await?; } }",
        "let mut s = 0; for chunk in xs.chunks(10) { let mut r = vec![]; for x in chunk { r.push(charge(*x).start()); } for c in r { s += c.await?; } }",
        "let mut s = 0; for x in xs { let a = charge(x).start(); let b = reserve(x).start(); s += a.await? + b.await?; }",
        "let mut s = 0; for x in xs { let (a, b) = (charge(x).start(), reserve(x).start()); s += a.await?; s += b.await?; }",
    ]);
    refused(&[
        "let mut s = 0; for x in xs { let a = charge(x).start(); s += a.await?; }",
        "let mut s = 0; for x in xs { s += charge(x).start().await?; }",
        "let mut s = 0; for x in xs { let a = charge(x).start(); s += a.await?; let b = reserve(x).start(); s += b.await?; }",
    ]);
}

#[test]
fn a_helper_of_the_file_may_start_the_calls() {
    compiles(&[
        "let calls: Vec<_> = xs.iter().map(|x| begin(*x)).collect(); for call in calls { call.await?; }",
        "let calls: Vec<_> = xs.into_iter().map(begin).collect(); for call in calls { call.await?; }",
        "let mut calls = vec![]; for x in xs { calls.push(begin(x)); } for call in calls { call.await?; }",
    ]);
    refused(&[
        "for x in xs { begin(x).await?; }",
        "let calls: Vec<_> = xs.iter().map(|x| charge(*x)).collect(); for call in calls { call.await?; }",
    ]);
}

#[test]
fn a_local_cell_carries_data_as_a_variable_does() {
    compiles(&[
        "let last = Cell::new(0); for x in xs { last.set(charge(x + last.get()).await?); }",
        "let last = RefCell::new(vec![0]); for x in xs { let r = charge(x + last.borrow().len() as u32).await?; last.borrow_mut().push(r); }",
        "let sum = AtomicUsize::new(0); for x in xs { let r = charge(x + sum.load(Ordering::SeqCst) as u32).await?; sum.fetch_add(r as usize, Ordering::SeqCst); }",
        "let sum = Arc::new(Mutex::new(0)); for x in xs { let now = *sum.lock().unwrap(); let r = charge(x + now).await?; *sum.lock().unwrap() += r; }",
        "let last = Rc::new(Cell::new(0)); let other = Rc::clone(&last); for x in xs { other.set(charge(x + last.get()).await?); }",
    ]);
    refused(&[
        "let sum = Cell::new(0); for x in xs { sum.set(sum.get() + charge(x).await?); }",
        "let all = RefCell::new(vec![]); for x in xs { let r = charge(x).await?; all.borrow_mut().push(r); }",
    ]);
}

#[test]
fn a_borrow_that_is_used_up_by_the_arguments_carries_nothing() {
    refused(&[
        "let mut buf = vec![]; for x in xs { buf.push(x); if buf.len() == 10 { submit(std::mem::take(&mut buf)).await?; } }",
        "let mut ids = 0..; for x in xs { charge(x + ids.next().unwrap()).await?; }",
        "let mut all = xs; for n in 0..3 { submit(all.drain(..2).collect()).await?; }",
    ]);
    compiles(&[
        "let mut state = State { phase: Phase::Done, tries: 0 }; for x in xs { advance(&mut state, x).await?; }",
        "let mut pages = Pages::new(); for x in xs { dacapo::timeout(d, pages.turn(x)).await?; }",
    ]);
}

#[test]
fn counts_and_sums_per_key_come_out_the_same_in_any_order() {
    compiles(&[
        "let m: HashMap<u32, u32> = HashMap::new(); let mut totals: BTreeMap<u32, u32> = BTreeMap::new(); for (k, n) in &m { *totals.entry(*k % 3).or_insert(0) += n; }",
        "let m: HashMap<u32, u32> = HashMap::new(); let mut totals = BTreeMap::new(); for (k, n) in m { *totals.entry(k % 3).or_insert(0u64) += u64::from(n); }",
        "let m: HashMap<String, u32> = HashMap::new(); let mut counts: HashMap<usize, usize> = HashMap::new(); for k in m.keys() { *counts.entry(k.len()).or_default() += 1; }",
        "let m: HashMap<usize, u32> = HashMap::new(); let mut counts: Vec<u32> = vec![0; 9]; for (k, n) in m { counts[k % 9] += n; }",
    ]);
    for body in [
        "let m: HashMap<u32, f64> = HashMap::new(); let mut totals: BTreeMap<u32, f64> = BTreeMap::new(); for (k, n) in &m { *totals.entry(*k % 3).or_insert(0.0) += n; }",
        "let m: HashMap<u32, u32> = HashMap::new(); let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new(); for (k, n) in &m { groups.entry(*k % 3).or_default().push(*n); }",
        "let m: HashMap<u32, u32> = HashMap::new(); let mut t: BTreeMap<u32, u32> = BTreeMap::new(); for (k, n) in &m { *t.entry(*k % 3).or_insert(0) += n + t.len() as u32; }",
        "let m: HashMap<u32, u32> = HashMap::new(); let mut t: BTreeMap<u32, u32> = BTreeMap::new(); for (k, n) in &m { *t.entry(1).or_insert(0) += n; *t.entry(1).or_insert(0) *= n; }",
    ] {
        assert_eq!(verdict(body), ["hash_order"], "{body}");
    }
}
