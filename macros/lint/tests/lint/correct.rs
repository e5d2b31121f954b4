//! Correct orchestrators as users write them: none may be refused.

use crate::common::findings;

const FIRST: &str = "
use dacapo::{activity, orchestrator, Event, Retry};
use futures::future::{join_all, try_join_all};
use futures::stream::{self, StreamExt, FuturesUnordered};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;
use tracing::{info, warn};
const APPROVAL: Event<Decision> = Event::new(\"approval\");
const CANCEL: Event<()> = Event::new(\"cancel\");
const DAY: Duration = Duration::from_secs(86_400);
#[derive(Serialize, Deserialize)] struct Order { id: String, lines: Vec<Line>, tags: HashMap<String, String> }
#[activity] async fn reserve(line: Line) -> Result<Reservation, OrderError> { std::fs::read(\"x\")?; todo!() }
#[activity] async fn release(reservation: Reservation) -> Result<(), OrderError> { todo!() }
#[activity] async fn charge(id: String, cents: u64) -> Result<Receipt, OrderError> { todo!() }
#[activity] async fn notify(who: String, text: String) -> dacapo::Result<()> { todo!() }
#[activity] async fn fetch_page(token: Option<String>) -> dacapo::Result<Page> { todo!() }
#[activity] async fn status(id: String) -> dacapo::Result<Status> { todo!() }
#[activity] async fn complete(prompt: String) -> dacapo::Result<Answer> { todo!() }
fn total(lines: &[Line]) -> u64 { lines.iter().map(|line| line.cents * line.count).sum() }
";

const CORRECT: &[(&str, &str)] = &[
    ("order", "async fn order(order: Order) -> Result<Receipt, OrderError> {
        info!(order = %order.id, \"started\");
        let reservations = try_join_all(order.lines.iter().cloned().map(reserve)).await?;
        let cents = total(&order.lines);
        let receipt = match charge(order.id.clone(), cents).await {
            Ok(receipt) => receipt,
            Err(error) => { join_all(reservations.into_iter().map(release)).await; return Err(error); }
        };
        if order.tags.contains_key(\"vip\") { notify(order.id, format!(\"paid {cents}\")).await?; }
        Ok(receipt)
    }"),
    ("saga", "async fn saga(steps: Vec<Step>) -> Result<(), OrderError> {
        let mut undo = Vec::new();
        for step in steps {
            match run_step(step.clone()).await {
                Ok(done) => undo.push(done),
                Err(error) => {
                    warn!(%error, \"undoing\");
                    #[sequential]
                    for done in undo.into_iter().rev() { compensate(done).await?; }
                    return Err(error);
                }
            }
        }
        Ok(())
    }"),
    ("saga_by_hand", "async fn trip(trip: Trip) -> Result<Booked, OrderError> {
        let flight = book_flight(trip.clone()).await?;
        let hotel = match book_hotel(trip.clone()).await { Ok(hotel) => hotel, Err(e) => { cancel_flight(flight).await?; return Err(e); } };
        Ok(Booked { flight, hotel })
    }"),
    ("approval", "async fn approval(request: Request) -> dacapo::Result<Outcome> {
        notify(request.boss.clone(), \"please decide\".into()).await?;
        for reminder in 1..=3 {
            match dacapo::timeout(DAY, APPROVAL.wait()).await {
                Ok(decision) => return Ok(Outcome::Decided(decision)),
                Err(_) => notify(request.boss.clone(), format!(\"reminder {reminder}\")).await?,
            }
        }
        Ok(Outcome::Expired)
    }"),
    ("approval_select", "async fn decide(request: Request) -> dacapo::Result<Outcome> {
        let deadline = dacapo::sleep(DAY * 3);
        let outcome = dacapo::select! {
            decision = APPROVAL.wait() => Outcome::Decided(decision),
            _ = CANCEL.wait() => Outcome::Cancelled,
            _ = deadline => { notify(request.boss, \"late\".to_owned()).await?; Outcome::Expired }
        };
        Ok(outcome)
    }"),
    ("polling", "async fn poll(id: String) -> dacapo::Result<Status> {
        let mut pause = Duration::from_secs(1);
        loop {
            let now = status(id.clone()).await?;
            if now.is_final() { return Ok(now); }
            dacapo::set_custom_status(&now);
            dacapo::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }"),
    ("monitor", "async fn monitor(mut state: State) -> dacapo::Result<()> {
        for _ in 0..100 {
            let reading = measure(state.sensor.clone()).await?;
            if reading > state.limit { notify(state.owner.clone(), format!(\"{reading}\")).await?; }
            dacapo::sleep(Duration::from_secs(60)).await;
        }
        state.generation += 1;
        dacapo::continue_as_new(monitor(state)).await
    }"),
    ("paging", "async fn pages() -> dacapo::Result<usize> {
        let mut token = None;
        let mut count = 0;
        loop {
            let page = fetch_page(token.take()).await?;
            count += page.items.len();
            let Some(next) = page.next else { break };
            token = Some(next);
        }
        Ok(count)
    }"),
    ("etl", "async fn etl(tables: Vec<String>) -> dacapo::Result<Report> {
        let extracted = try_join_all(tables.iter().cloned().map(|table| extract(table).retry(Retry::none()))).await?;
        let mut rows = BTreeMap::new();
        for (table, part) in tables.iter().zip(&extracted) { rows.insert(table.clone(), part.rows); }
        let (loaded, indexed) = dacapo::try_join!(load(extracted.clone()), index(extracted))?;
        Ok(Report { rows, loaded, indexed })
    }"),
    ("etl_batches", "async fn import(files: Vec<String>) -> dacapo::Result<u64> {
        let mut total = 0;
        for (number, batch) in files.chunks(20).enumerate() {
            let counts = try_join_all(batch.iter().cloned().map(import_file)).await?;
            total += counts.iter().sum::<u64>();
            info!(number, total, \"batch done\");
        }
        Ok(total)
    }"),
    ("bounded", "async fn resize(images: Vec<Image>) -> dacapo::Result<Vec<Image>> {
        let small: Vec<_> = stream::iter(images).map(resize_one).buffered(8).collect().await;
        let done = dacapo::try_fan_out(small, upload).limit(4).await?;
        Ok(done)
    }"),
    ("window", "async fn crawl(seeds: Vec<Url>) -> dacapo::Result<usize> {
        let mut queue = VecDeque::from(seeds);
        let mut seen = HashSet::new();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < 8 {
                let Some(url) = queue.pop_front() else { break };
                if seen.insert(url.clone()) { running.push(visit(url)); }
            }
            let Some(found) = running.next().await else { break };
            queue.extend(found?);
        }
        Ok(seen.len())
    }"),
    ("provision", "async fn provision(plan: Plan) -> dacapo::Result<Vec<Host>> {
        let network = create_network(plan.clone()).await?;
        let hosts = (0..plan.hosts).map(|n| create_host(network.clone(), n).start()).collect::<Vec<_>>();
        let dns = create_dns(plan.name.clone()).start();
        let mut ready = Vec::with_capacity(hosts.len());
        for host in hosts { ready.push(host.await?); }
        attach(dns.await?, ready.clone()).await?;
        Ok(ready)
    }"),
    ("fallback", "async fn quote(order: Order) -> Result<Price, OrderError> {
        let cheap = ask_cheap(order.clone());
        let dear = ask_dear(order.clone());
        match cheap.await { Ok(price) => Ok(price), Err(_) => dear.await }
    }"),
    ("find_first", "async fn pick(shops: Vec<Shop>) -> dacapo::Result<Option<Offer>> {
        for shop in shops {
            let offer = ask(shop).await?;
            if let Some(offer) = offer.filter(|offer| offer.cents < 1000) { return Ok(Some(offer)); }
        }
        Ok(None)
    }"),
    ("agent", "async fn agent(task: String) -> dacapo::Result<String> {
        let mut transcript = vec![Message::user(task)];
        for turn in 0..20 {
            let answer = complete(render(&transcript)).await?;
            transcript.push(Message::assistant(&answer));
            if answer.calls.is_empty() { return Ok(answer.text); }
            let results = join_all(answer.calls.into_iter().map(|call| use_tool(call).checked())).await;
            for result in results { transcript.push(Message::tool(result)); }
            info!(turn, length = transcript.len(), \"turn done\");
        }
        Err(dacapo::Error::msg(\"too many turns\"))
    }"),
    ("agent_fold", "async fn summarize(parts: Vec<String>) -> dacapo::Result<String> {
        let mut summary = String::new();
        for part in parts { summary = complete(format!(\"{summary}\\n{part}\")).await?.text; }
        Ok(summary)
    }"),
    ("billing", "async fn bill(account: Account, month: Month) -> Result<Invoice, OrderError> {
        let usage = collect_usage(account.id.clone(), month).await?;
        let mut per_item: HashMap<String, u64> = HashMap::new();
        for row in &usage.rows { *per_item.entry(row.item.clone()).or_default() += row.amount; }
        let mut items: Vec<(String, u64)> = per_item.into_iter().collect();
        items.sort();
        let invoice = make_invoice(account.id.clone(), items).await?;
        for attempt in 1..=3u32 {
            if charge(account.id.clone(), invoice.cents).await.is_ok() { return Ok(invoice); }
            dacapo::sleep(DAY * attempt).await;
        }
        suspend(account.id).detach();
        Err(OrderError::Unpaid)
    }"),
    ("clock_names", "async fn stamps(order: Order) -> dacapo::Result<String> {
        let now = dacapo::now();
        let elapsed = dacapo::now().duration_since(now);
        let random = dacapo::rng();
        let id = dacapo::new_uuid();
        drop(random);
        Ok(format!(\"{id} {elapsed:?}\"))
    }"),
    ("own_names", "async fn named(order: Order) -> dacapo::Result<u64> {
        mod clock { pub fn now() -> u64 { 1 } }
        fn spawn(n: u64) -> u64 { n }
        let select = spawn(clock::now());
        let sleep = |n: u64| n + select;
        Ok(sleep(2))
    }"),
    ("closures", "async fn nested(groups: Vec<Vec<Line>>) -> dacapo::Result<Vec<Reservation>> {
        let each = groups.into_iter().map(|group| async move {
            let done = try_join_all(group.into_iter().map(reserve)).await?;
            let first = done.first().cloned();
            if let Some(first) = first { release(first).await?; }
            Ok::<_, OrderError>(done)
        });
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }"),
    ("race", "async fn fastest(order: Order) -> dacapo::Result<Price> {
        let price = dacapo::select! {
            a = ask_cheap(order.clone()) => a?,
            b = ask_dear(order.clone()) => b?,
        };
        Ok(price)
    }"),
    ("budget", "async fn spend(wishes: Vec<Wish>, mut budget: u64) -> dacapo::Result<u64> {
        for wish in wishes {
            if budget == 0 { break; }
            let spent = buy(wish, budget).await?;
            budget -= spent;
        }
        Ok(budget)
    }"),
    ("matches", "async fn stages(id: String) -> dacapo::Result<Stage> {
        let mut stage = Stage::New;
        while !matches!(stage, Stage::Done | Stage::Failed(_)) {
            stage = match stage {
                Stage::New => prepare(id.clone()).await?,
                Stage::Ready(plan) => execute(plan).await?,
                other => other,
            };
        }
        Ok(stage)
    }"),
    ("events", "async fn basket(limit: usize) -> dacapo::Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            dacapo::select! {
                item = ADD.wait() => { items.push(item); if items.len() >= limit { break } }
                _ = CHECKOUT.wait() => break,
                _ = dacapo::sleep(DAY) => { remind(items.clone()).await?; }
            }
        }
        Ok(items)
    }"),
    ("sub", "async fn region(cities: Vec<City>) -> dacapo::Result<u64> {
        let mut children = Vec::new();
        for (n, city) in cities.into_iter().enumerate() { children.push(city_report(city).id(format!(\"city-{n}\")).start()); }
        let mut sum = 0;
        for child in children { sum += child.await?.count; }
        Ok(sum)
    }"),
    ("uploads", "async fn parts(file: File) -> dacapo::Result<Etag> {
        let upload = begin(file.name.clone()).await?;
        let mut offset = 0;
        let mut tags = vec![];
        while offset < file.len {
            let part = send_part(upload.clone(), offset).await?;
            offset += part.len;
            tags.push(part.tag);
        }
        finish(upload, tags).await
    }"),
    ("votes", "async fn votes(voters: Vec<String>) -> dacapo::Result<bool> {
        let mut asked: FuturesUnordered<_> = voters.into_iter().map(vote).collect();
        let mut yes = 0;
        while let Some(vote) = asked.next().await { if vote? { yes += 1; } if yes >= 3 { return Ok(true); } }
        Ok(false)
    }"),
    ("aliases", "async fn aliases(ids: Vec<u64>) -> dacapo::Result<Vec<u64>> {
        use futures::future::try_join_all as all;
        use std::collections::BTreeMap as Map;
        let results = all(ids.iter().copied().map(lookup)).await?;
        let sorted: Map<u64, u64> = ids.into_iter().zip(results).collect();
        let mut out = vec![];
        for (key, value) in &sorted { out.push(key + value); }
        Ok(out)
    }"),
    ("retry_by_hand", "async fn stubborn(id: String) -> Result<Receipt, OrderError> {
        let mut last = None;
        for _ in 0..5 {
            match charge(id.clone(), 100).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(OrderError::Unpaid))
    }"),
    ("shared_prefix", "async fn bisect(mut low: u64, mut high: u64) -> dacapo::Result<u64> {
        while low < high {
            let middle = low + (high - low) / 2;
            if is_bad(middle).await? { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }"),
];

#[test]
fn correct_orchestrators_are_accepted() {
    for (name, function) in CORRECT {
        let found = findings(&format!("{FIRST}\n#[orchestrator]\n{function}"));
        let shown: Vec<String> = found.iter().map(|finding| format!("{:?}: {}", finding.span.start(), finding.message)).collect();
        assert!(shown.is_empty(), "{name}: {shown:#?}");
    }
}
