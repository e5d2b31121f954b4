//! `await_in_loop`: the silent serialization, its six exemptions, and the rewrite it offers.

use crate::common::{findings, rules};

fn with(body: &str) -> String {
    format!(
        "use dacapo::Event;\nuse futures::future::{{join_all, try_join_all}};\nconst GO: Event<u8> = Event::new(\"go\");\n#[orchestrator]\nasync fn run(items: Vec<String>, mut queue: Vec<u8>, ids: Vec<u8>) -> Result<Vec<u8>, E> {{\n{body}\nOk(vec![])\n}}\n"
    )
}

fn refused(body: &str) {
    assert_eq!(rules(&with(body)), ["await_in_loop"], "{body}");
}

fn fine(body: &str) {
    let found = findings(&with(body));
    assert!(found.is_empty(), "{body}: {found:#?}");
}

fn message(body: &str) -> String {
    let found = findings(&with(body));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].message.clone()
}

#[test]
fn independent_calls_are_refused_in_every_kind_of_loop() {
    refused("for item in items { process(item).await?; }");
    refused("let mut out = vec![]; for item in items { out.push(process(item).await?); }");
    refused("let mut out = vec![]; for item in &items { let r = process(item.clone()).await?; out.push(r); }");
    refused("let mut out = vec![]; while let Some(id) = queue.pop() { out.push(fetch(id).await?); }");
    refused("let mut i = 0; while i < ids.len() { fetch(ids[i]).await?; i += 1; }");
    refused("let mut total = 0; for id in ids { total += price(id).await?; }");
    refused("loop { let Some(id) = queue.pop() else { break }; fetch(id).await?; }");
    refused("for call in items.into_iter().map(process) { call.await?; }");
    refused("let calls: Vec<_> = items.into_iter().map(process).collect(); for call in calls { call.await?; }");
    refused("let mut offset = 0; for id in ids { fetch(id, offset).await?; offset += 10; }");
    refused("for (i, item) in items.into_iter().enumerate() { process(i, item).await?; }");
    refused("let f = async { for id in ids { fetch(id).await; } }; f.await;");
    refused("for id in ids { if id > 3 { fetch(id).await?; } }");
}

#[test]
fn giving_the_error_on_is_no_reason() {
    refused("let mut out = vec![]; for id in ids { match fetch(id).await { Ok(v) => out.push(v), Err(e) => return Err(e) } }");
    refused("for id in ids { if let Err(e) = fetch(id).await { return Err(e.into()); } }");
    refused("for id in ids { let Ok(v) = fetch(id).await else { return Err(E::Failed) }; drop(v); }");
    refused("for id in ids { let r = fetch(id).await; if r.is_err() { return Err(E::Failed); } }");
    refused("for id in ids { match fetch(id).await { Ok(v) => drop(v), Err(e) => Err(e)? } }");
    refused("for id in ids { if id > 9 { break; } fetch(id).await?; }");
    refused("for id in ids { if id > 9 { return Err(E::TooMany); } fetch(id).await?; }");
}

#[test]
fn data_carried_by_the_loop_is_a_chain() {
    fine("let mut acc = 0; for id in ids { acc = combine(acc, id).await?; }");
    fine("let mut cursor = None; loop { let page = fetch(cursor).await?; cursor = page.next; if cursor.is_none() { break; } }");
    fine("let mut results = vec![]; for id in ids { results.push(f(id, results.len()).await?); }");
    fine(
        "let mut state = State::default(); for id in ids { let input = state.input(id); let out = step(input).await?; state.apply(out); }",
    );
    fine("let mut acc = 0; for id in ids { let next = acc + 1; let call = f(next, id); acc += call.await?; }");
    fine(
        "let mut seen = vec![]; while let Some(id) = queue.pop() { let found = visit(id).await?; queue.extend(found); seen.push(id); }",
    );
    fine("let mut s = S { at: 0 }; for id in ids { s.at = f(s.at, id).await?; }");
    fine("let mut memo = [0; 9]; for id in ids { memo[0] = f(id, memo[1]).await?; }");
    fine("let mut acc = vec![]; for id in ids { let page = f(id, acc.clone()).await?; merge(&mut acc, page); }");
    fine("let mut acc = vec![]; for id in ids { let slot = &mut acc; let r = f(id, slot.len()).await?; slot.push(r); }");
    fine("let (mut a, mut b) = (0, 1); for id in ids { (a, b) = f(a, b, id).await?; }");
    fine("let mut text = String::new(); for id in ids { let r = ask(format!(\"{text} {id}\")).await?; text = r; }");
    fine("let mut left = 10; while left > 0 { left -= consume(1).await?; }");
    fine("let mut done = false; while !done { done = check(1).await?; }");
}

#[test]
fn a_collector_that_no_call_reads_carries_nothing() {
    refused("let mut acc = 0; for id in ids { acc = acc + f(id).await?; }");
    refused("let mut m = BTreeMap::new(); for id in ids { m.insert(id, f(id).await?); }");
    refused("let mut acc = 0; for id in ids { let acc2 = f(id).await?; let acc = 3; g(acc).await?; }");
    refused("let mut acc = 0; for id in ids { let r = f(id).await?; if r.ok { acc += 1 } else { log(acc) } }");
}

#[test]
fn fields_are_told_apart_and_elements_too() {
    refused("let mut sum = S { total: 0, rate: 3 }; for id in ids { sum.total += price(id, sum.rate).await?; }");
    refused("for order in orders.iter_mut() { order.price = price(order.id).await?; }");
    refused("for order in &mut orders { order.price = price(order.id).await?; }");
    refused("for id in ids { let mut o = Order::new(id); o.price = price(o.id).await?; }");
    fine("let mut s = S { at: 0 }; for id in ids { let next = f(s.clone(), id).await?; s.at = next; }");
    fine("let mut s = S { at: P { x: 1 } }; for id in ids { s.at.x = f(s.at.y, id).await?; }");
    fine("let mut s = S { log: vec![] }; for id in ids { s.log.push(f(s.log.len(), id).await?); }");
    fine("let mut s = S { at: 0 }; for id in ids { s = f(s.at, id).await?; }");
    fine("let mut p = (0, 1); for id in ids { p.0 = f(p.0, id).await?; }");
}

#[test]
fn a_memo_decides_which_call_is_made() {
    fine(
        "let mut memo = BTreeMap::new(); for id in ids { if !memo.contains_key(&id) { let v = fetch(id).await?; memo.insert(id, v); } }",
    );
    fine(
        "let mut memo = BTreeMap::new(); for id in ids { if let Some(v) = memo.get(&id) { use_it(v); } else { memo.insert(id, fetch(id).await?); } }",
    );
    refused("let memo = known(); for id in ids { if !memo.contains_key(&id) { fetch(id).await?; } }");
}

#[test]
fn the_time_decides_too() {
    fine("while dacapo::now() < deadline { f(1).await?; }");
    fine("for id in ids { f(id).await?; if dacapo::now() > deadline { break; } }");
    fine("for id in ids { let r = f(id).await?; ensure!(r.ok, \"not ok\"); }");
    refused("for id in ids { let at = dacapo::now(); f(id, at).await?; }");
}

#[test]
fn a_result_that_decides_is_a_reason() {
    fine("for id in ids { if available(id).await? { return Ok(vec![id]); } }");
    fine("for id in ids { match charge(id).await { Ok(v) => return Ok(v), Err(_) => {} } }");
    fine(
        "let mut last = None; for id in ids { match charge(id).await { Ok(v) => { last = Some(v); break } Err(e) => drop(e) } }",
    );
    fine("for id in ids { let r = f(id).await?; if r.rejected { return Err(E::Rejected); } }");
    fine("let mut out = vec![]; for id in ids { let r = f(id).await?; if !r.ok { continue; } out.push(r); }");
    fine("let mut sum = 0; for id in ids { sum += f(id).await?; if sum > 100 { break; } }");
    fine("while !ready(1).await? {}");
    fine("while let Some(id) = claim(1).await? { process(id).await?; }");
    fine("'outer: for id in ids { for n in 0..3 { if f(id, n).await? { break 'outer; } } }");
    fine(
        "let mut done = vec![]; for id in ids { match f(id).await { Ok(_) => done.push(id), Err(e) => { undo(done).await; return Err(e); } } }",
    );
    fine("for id in ids { if id > 9 { reject(id).await?; return Ok(vec![]); } }");
}

#[test]
fn time_and_events_pace_a_loop() {
    fine("for id in ids { f(id).await?; dacapo::sleep(d).await; }");
    fine("for _ in 0..3 { GO.wait().await; }");
    fine("for _ in 0..3 { dacapo::timeout(d, GO.wait()).await; notify(1).await?; }");
    fine("let mut all = FuturesUnordered::new(); while let Some(x) = all.next().await { drop(x); }");
    fine("for id in ids { loop { if status(id).await? { break; } dacapo::sleep(d).await; } }");
    refused("for id in ids { dacapo::timeout(d, f(id)).await?; }");
}

#[test]
fn batches_are_fan_ins() {
    fine(
        "let mut out = vec![]; for batch in items.chunks(50) { out.extend(join_all(batch.iter().cloned().map(process)).await); }",
    );
    fine(
        "for batch in items.chunks(50) { let results = try_join_all(batch.iter().cloned().map(process)).await?; record(results).await?; }",
    );
    fine("for id in ids { let (a, b) = dacapo::join!(f(id), g(id)); drop((a, b)); }");
    fine("for batch in items.chunks(5) { dacapo::fan_out(batch.to_vec(), process).limit(3).await; }");
    fine("for id in ids { dacapo::select! { a = f(id) => drop(a), _ = dacapo::sleep(d) => {} } }");
    fine(
        "for batch in items.chunks(5) { let r: Vec<_> = stream::iter(batch.to_vec()).map(process).buffered(3).collect().await; drop(r); }",
    );
    refused("for id in ids { let parts = list(id).await?; try_join_all(parts.into_iter().map(process)).await?; }");
}

#[test]
fn what_was_started_before_runs_already() {
    fine("let handles: Vec<_> = ids.into_iter().map(|id| f(id).start()).collect(); for handle in handles { handle.await?; }");
    fine("let mut handles = vec![]; for id in ids { handles.push(f(id).start()); } for handle in handles { handle.await?; }");
    fine(
        "let mut running = VecDeque::new(); for id in ids { running.push_back(f(id).start()); if running.len() > 9 { if let Some(first) = running.pop_front() { first.await?; } } }",
    );
    fine(
        "let mut running = vec![]; for id in ids { if running.len() == 3 { let first = running.remove(0); first.await?; } running.push(f(id).start()); }",
    );
    fine("let handles = [f(1).start(), f(2).start()]; for h in handles { h.await?; }");
    refused("for id in ids { let h = f(id).start(); h.await?; }");
    refused("for h in ids.into_iter().map(|id| f(id).start()) { h.await?; }");
}

#[test]
fn sequential_says_it_out_loud() {
    fine("#[sequential] for item in items { process(item).await?; }");
    fine("#[sequential]\nwhile let Some(id) = queue.pop() { fetch(id).await?; }");
    refused("#[sequential] for id in ids { drop(id); }");
    refused("for a in ids { #[sequential] for b in a.parts { f(b).await?; } }");
    refused("#[sequential] for a in ids { for b in a.parts { f(b).await?; } }");
}

#[test]
fn closures_and_async_blocks_only_build() {
    fine("let mut calls = vec![]; for id in ids { calls.push(async move { f(id).await }); } join_all(calls).await;");
    fine("let mut calls = vec![]; for id in ids { calls.push(f(id)); } try_join_all(calls).await?;");
    fine("let all = ids.into_iter().map(|id| async move { let a = f(id).await?; g(a).await }); try_join_all(all).await?;");
    refused("join_all(ids.into_iter().map(|id| async move { for n in 0..3 { f(id, n).await; } })).await;");
}

#[test]
fn nested_loops_are_judged_each_for_itself() {
    refused("for a in ids { for b in a.parts { f(b).await?; } }");
    refused(
        "for a in ids { let mut cursor = None; loop { let page = f(a, cursor).await?; cursor = page.next; if cursor.is_none() { break; } } }",
    );
    assert_eq!(
        rules(&with("for a in ids { g(a).await?; for b in a.parts { f(b).await?; } }")),
        ["await_in_loop", "await_in_loop"]
    );
}

#[test]
fn the_message_has_the_rewrite_in_the_users_names() {
    let text = message("let mut totals = vec![]; for item in items { totals.push(process(item).await?); }");
    assert_eq!(
        text,
        "`process(item).await` in a `for` loop makes N runs of `process` one after another; nothing flows from one iteration to the next, \
         so the total is the sum of all runs, not the slowest; write `let totals = try_join_all(items.into_iter().map(process)).await?;`, \
         or `dacapo::try_fan_out(items, process).limit(n)`, or mark the loop `#[sequential]` if the order is meant \
         [await_in_loop, see docs/rules.md#await_in_loop]"
    );
    let text = message("for id in &ids { price(*id, 3).await; }");
    assert!(text.contains("`let results = join_all(ids.iter().map(|id| price(*id, 3))).await;`"), "{text}");
    let text = message("for n in 0..9 { price(n).await; }");
    assert!(text.contains("join_all((0..9).map(price)).await;"), "{text}");
    let text = message("for id in ids { let a = reserve(id).await?; ship(a).await?; }");
    assert!(
        text.contains(
            "`reserve(id).await` in a `for` loop makes N runs of `reserve`, and 1 more call with it, one after another"
        ),
        "{text}"
    );
    assert!(text.contains("try_join_all(ids.into_iter().map(|id| async move { … })).await?"), "{text}");
}

#[test]
fn the_finding_stands_at_the_await() {
    let found = findings(&with("for item in items {\n    process(item).await?;\n}"));
    let at = found[0].span.start();
    assert_eq!((at.line, at.column), (7, 18));
}
