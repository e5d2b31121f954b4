//! What the test harness promises: virtual time, mocks, crashes, orders, recorded histories, and clear words for whoever misuses it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dacapo::testing::{Explore, Harness, crash_everywhere, explore, replay_dir};
use dacapo::{Event, Retry, Status, activity, orchestrator};
use futures::future::join_all;

const DAY: Duration = Duration::from_secs(24 * 3600);
const APPROVAL: Event<bool> = Event::new("approval");

#[activity]
async fn reserve(order: u32) -> dacapo::Result<u32> {
    Ok(order)
}

#[activity]
async fn release(reservation: u32, reason: String) -> bool {
    reservation == 0 && reason.is_empty()
}

/// Keeps what is approved within three days.
#[orchestrator]
async fn process(order: u32) -> dacapo::Result<String> {
    let reservation = reserve(order).await?;
    match dacapo::timeout(3 * DAY, APPROVAL.wait()).await {
        Ok(true) => Ok(format!("kept {reservation}")),
        Ok(false) => Ok(format!("released {}", release(reservation, "refused".into()).await)),
        Err(_) => Ok(format!("released {}", release(reservation, "late".into()).await)),
    }
}

fn shop() -> Harness {
    let harness = Harness::new();
    harness.mock(reserve, |order| Ok(order + 100));
    harness.mock(release, |(reservation, _reason)| reservation > 100);
    harness
}

/// What a test is told that fails.
fn told<R>(test: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).err().expect("the test fails");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).expect("it says why")
}

#[test]
fn a_unit_test_has_five_lines() {
    let harness = Harness::new();
    harness.mock(reserve, |order| Ok(order + 100));
    harness.mock(release, |_| true);
    assert_eq!(harness.run(process(1)).expect("it ends well"), "released true");
    assert_eq!((harness.elapsed(), harness.calls(release)), (3 * DAY, vec![(101, "late".to_owned())]));
}

#[test]
fn days_pass_in_milliseconds_and_only_when_nothing_else_is_left() {
    let begun = Instant::now();
    let harness = shop();
    let run = harness.start(process(1));
    assert_eq!(harness.elapsed(), Duration::ZERO, "a start takes no time");
    harness.advance(3 * DAY - Duration::from_micros(1));
    assert_eq!(run.status().runtime_status(), Status::Running);
    harness.advance(Duration::from_micros(1));
    assert_eq!(run.status().runtime_status(), Status::Completed, "the timer fires at its time, not later");
    assert_eq!(run.result().expect("it ends well"), "released true");
    assert!(begun.elapsed() < DAY, "no real time");
}

#[test]
fn an_event_decides_before_the_deadline_and_a_termination_ends_it() {
    let harness = shop();
    let run = harness.start(process(1));
    harness.advance(2 * DAY);
    run.raise(APPROVAL, true);
    assert_eq!(run.result().expect("it ends well"), "kept 101");
    assert_eq!(harness.elapsed(), 2 * DAY);
    run.replay();

    let run = harness.start(process(2).id("order-2"));
    assert_eq!(run.id(), "order-2");
    run.terminate("test");
    assert!(run.result().expect_err("it fails").to_string().contains("terminated: test"));
    run.replay();
}

#[tokio::test]
async fn it_runs_inside_another_executor_too() {
    assert_eq!(shop().run(process(1)).expect("it ends well"), "released true");
}

#[activity(retry = Retry::fixed(Duration::from_secs(60)).max_attempts(3), timeout = Duration::from_secs(5))]
async fn flaky(n: u32) -> Result<u32, String> {
    Ok(n)
}

#[orchestrator]
async fn patient(n: u32) -> Result<u32, String> {
    flaky(n).await
}

#[test]
fn answers_come_in_sequence_and_retries_wait_on_the_virtual_clock() {
    let harness = Harness::new();
    harness.mock_sequence(flaky, [Err("one".into()), Err("two".into()), Ok(3)]);
    assert_eq!(harness.run(patient(1)), Ok(3));
    assert_eq!((harness.elapsed(), harness.calls(flaky)), (Duration::from_secs(120), vec![1, 1, 1]));
}

#[test]
fn an_activity_that_never_answers_times_out_and_one_that_panics_fails() {
    let harness = Harness::new();
    harness.mock_never(flaky);
    let failure = harness.run(patient(1)).expect_err("it fails");
    assert!(failure.contains("longer than its timeout of 5s"), "{failure}");
    assert_eq!(harness.elapsed(), Duration::from_secs(3 * 5 + 2 * 60));
    harness.mock(flaky, |n| if dacapo::activity::attempt() < 3 { panic!("attempt of {n}") } else { Ok(n) });
    assert_eq!(harness.run(patient(7)), Ok(7));
}

#[activity(heartbeat_timeout = Duration::from_secs(30))]
async fn silent() -> dacapo::Result<()> {
    Ok(())
}

#[orchestrator]
async fn listens() -> dacapo::Result<()> {
    silent().await
}

#[test]
fn a_heartbeat_that_does_not_come_is_missed_on_the_virtual_clock() {
    let harness = Harness::new();
    harness.mock_never(silent);
    assert!(harness.run(listens()).expect_err("it fails").to_string().contains("no heartbeat"));
    assert_eq!(harness.elapsed(), Duration::from_secs(30));
}

/// Runs once a day, and stops after a week.
#[orchestrator]
async fn daily(day: u32) -> dacapo::Result<u32> {
    let reserved = reserve(day).await?;
    dacapo::sleep(DAY).await;
    if day == 6 { Ok(reserved) } else { dacapo::continue_as_new(daily(day + 1)).await }
}

#[test]
fn executions_and_scheduled_starts_follow_the_virtual_clock_through_crashes() {
    let result = crash_everywhere(|harness| {
        harness.mock(reserve, |day| Ok(day * 10));
        let handle = harness.client(|client| async move { client.start(daily(0)).id("daily").after(DAY).await });
        assert_eq!(handle.expect("it ends well").id(), "daily");
        assert!(harness.calls(reserve).is_empty(), "its time has not come");
        harness.advance(9 * DAY);
        harness.client(|client| async move { client.attach(daily, "daily").result().await }).expect("it ends well")
    });
    assert_eq!(result, 60);
}

#[test]
fn what_is_not_mocked_ends_the_test_with_the_way_out() {
    let text = told(|| Harness::new().run(patient(1)));
    assert!(text.contains("the activity `flaky` was called with `1` and is not mocked"), "{text}");
    assert!(text.contains("`harness.mock(flaky, |input| ..)`") && text.contains("`harness.real(flaky)`"), "{text}");
    let harness = Harness::new();
    harness.mock_sequence(flaky, [Err("one".into())]);
    let text = told(|| harness.run(patient(1)));
    assert!(text.contains("was given 1 answers, and this is attempt 2"), "{text}");
}

struct Rate(u32);

/// Asks for what a real activity asks for.
#[activity]
fn convert(n: u32) -> u32 {
    std::thread::sleep(Duration::from_millis(5));
    n * dacapo::state::<Rate>().0
}

#[orchestrator]
async fn converted(n: u32) -> u32 {
    dacapo::timeout(Duration::from_secs(1), convert(n)).await.unwrap_or(0)
}

#[test]
fn a_real_activity_runs_its_body_and_virtual_time_waits_for_it() {
    let harness = Harness::new();
    harness.state(Rate(3));
    harness.real(convert);
    assert_eq!(harness.run(converted(2)), Ok(6));
    assert_eq!(harness.elapsed(), Duration::ZERO);
}

#[test]
fn a_wait_in_vain_names_the_event() {
    #[orchestrator]
    async fn waits() -> bool {
        APPROVAL.wait().await
    }
    let text = told(|| Harness::new().run(waits()));
    assert!(text.contains("`waits` of `run-1` waits for the event `approval`, which nobody raises"), "{text}");
    assert!(text.contains("its history: ExecutionStarted"), "{text}");
}

#[orchestrator]
async fn parent(n: u32) -> dacapo::Result<String> {
    let (a, b) = futures::join!(process(n).id("child-a"), process(n + 1).id("child-b"));
    Ok(format!("{} {}", a?, b?))
}

#[test]
fn children_run_and_crashes_anywhere_change_nothing() {
    let crashed = AtomicU32::new(0);
    let text = crash_everywhere(|harness| {
        crashed.fetch_add(1, Ordering::SeqCst);
        harness.mock(reserve, |order| Ok(order + 100));
        harness.mock(release, |_| true);
        let run = harness.start(parent(1));
        harness.client(|client| async move { client.raise("child-a", APPROVAL, true).await }).expect("it ends well");
        let result = run.result().expect("it ends well");
        run.replay();
        result
    });
    assert_eq!(text, "kept 101 released true");
    assert!(crashed.load(Ordering::SeqCst) > 10, "it ran once for each commit");
}

#[test]
fn an_attempt_that_a_crash_interrupts_is_made_again_under_its_key() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    crash_everywhere(|harness| {
        let seen = keys.clone();
        seen.lock().expect("nobody panics with it").push(Vec::new());
        harness.mock(flaky, move |n| {
            seen.lock()
                .expect("nobody panics with it")
                .last_mut()
                .expect("it ends well")
                .push(dacapo::activity::idempotency_key());
            Ok(n)
        });
        harness.run(patient(1))
    })
    .expect("it ends well");
    let keys = keys.lock().expect("nobody panics with it");
    assert!(keys.iter().any(|run| run.len() == 2), "a crash before its result was recorded makes it run again: {keys:?}");
    let all: BTreeSet<_> = keys.iter().flatten().collect();
    assert_eq!(all.len(), 1, "under the same key: {keys:?}");
}

static BEGUN: AtomicU32 = AtomicU32::new(0);

/// Where an orchestrator could hide what it remembers; the lint does not see through it.
trait Memory: Send {
    fn begin(&self);
    fn begun(&self) -> u32;
}

struct Process;

impl Memory for Process {
    fn begin(&self) {
        BEGUN.fetch_add(1, Ordering::SeqCst);
    }

    fn begun(&self) -> u32 {
        BEGUN.load(Ordering::SeqCst)
    }
}

fn memory() -> Box<dyn Memory> {
    Box::new(Process)
}

/// Its calls are the same in every replay, its result is not.
#[orchestrator]
async fn remembers(first: u32) -> Result<u32, String> {
    let hidden = memory();
    hidden.begin();
    let answer = flaky(first).await?;
    Ok(answer + hidden.begun())
}

#[test]
fn hidden_state_is_found_by_a_crash() {
    let text = told(|| {
        crash_everywhere(|harness| {
            BEGUN.store(0, Ordering::SeqCst);
            harness.mock(flaky, Ok);
            harness.run(remembers(1))
        })
    });
    // The code begins twice without a crash: verify mode replays it on the side.
    assert!(text.contains("a crash changes what happens: after commit 1 of 2"), "{text}");
    assert!(text.contains("TaskScheduled of `run-1`\n  without: Ok(3)\n  with:    Ok(5)"), "{text}");
}

trait Clock: Send {
    fn nanos(&self) -> u32;
}

struct Wall;

impl Clock for Wall {
    fn nanos(&self) -> u32 {
        std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos())
    }
}

fn clock() -> Box<dyn Clock> {
    Box::new(Wall)
}

#[orchestrator]
async fn reads_a_clock() -> Result<u32, String> {
    let hidden = clock();
    flaky(hidden.nanos()).await
}

#[test]
fn nondeterminism_is_reported_with_both_calls() {
    let harness = Harness::new();
    harness.mock(flaky, Ok);
    let text = told(|| harness.run(reads_a_clock()));
    assert_eq!(text.matches("call 1 of activity `flaky` with `").count(), 2, "{text}");
    assert!(text.contains("tests/harness.rs:"), "{text}");
}

#[activity]
async fn quote(supplier: u32) -> u32 {
    supplier
}

/// Meant to give the least of three, and stops at the second answer.
#[orchestrator]
async fn cheapest() -> u32 {
    let (mut a, mut b, mut c) = (quote(1).start(), quote(2).start(), quote(3).start());
    let first = dacapo::select! { x = &mut a => x, x = &mut b => x, x = &mut c => x };
    let second = dacapo::select! { x = &mut a => x, x = &mut b => x, x = &mut c => x };
    first.min(second)
}

#[orchestrator]
async fn all_quotes(count: u32) -> u32 {
    join_all((1..=count).map(quote)).await.into_iter().fold(0, |sum, price| sum * 10 + price)
}

fn quotes(harness: &Harness) {
    harness.mock(quote, |supplier| supplier);
}

#[test]
fn an_ordering_bug_is_found_and_told_as_the_shortest_schedule() {
    let scenario = |harness: &Harness| {
        quotes(harness);
        harness.run(first_is_best()).expect("it ends well")
    };
    let text = told(|| explore(scenario));
    assert!(text.contains("without: 1\n  with:    "), "{text}");
    assert!(text.contains("answers before `quote` with `1` of `run-1`"), "{text}");
    assert_eq!(text.matches("answers before").count(), 1, "nothing is told that it can do without: {text}");
    assert!(!text.contains("crash after"), "{text}");
    let seed: u64 = text
        .split("from seed ")
        .nth(1)
        .and_then(|rest| rest.split(':').next())
        .expect("it ends well")
        .parse()
        .expect("it ends well");
    assert_eq!(told(|| Explore::new().seed(seed).schedules(1).run(scenario)), text, "the seed shows it again");
}

/// First wins, and is taken for the best.
#[orchestrator]
async fn first_is_best() -> u32 {
    dacapo::select! { a = quote(1) => a, b = quote(2) => b, c = quote(3) => c }
}

#[test]
fn code_that_does_not_depend_on_the_order_passes_in_every_order() {
    let orders = Mutex::new(BTreeSet::new());
    let result = explore(|harness| {
        quotes(harness);
        let run = harness.start(all_quotes(4));
        let result = run.result().expect("it ends well");
        let finished = run.history().into_iter().flat_map(|turn| turn.events).filter_map(|event| match event {
            dacapo::store::Event::TaskCompleted { id, .. } => Some(id),
            _ => None,
        });
        orders.lock().expect("nobody panics with it").insert(finished.collect::<Vec<_>>());
        result
    });
    assert_eq!(result, 1234);
    assert!(
        orders.lock().expect("nobody panics with it").len() >= 20,
        "100 schedules of 24 orders: {:?}",
        orders.lock().expect("nobody panics with it").len()
    );
}

#[test]
fn a_failing_assertion_in_a_scenario_is_told_with_its_schedule() {
    let text = told(|| {
        explore(|harness| {
            quotes(harness);
            let least = harness.run(cheapest()).expect("it ends well");
            assert_eq!(least, 1, "the least of three");
        })
    });
    assert!(text.contains("panicked: ") && text.contains("the least of three"), "{text}");
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("it ends well");
}

#[test]
fn recorded_histories_are_followed_by_the_same_code_and_not_by_other() {
    let folder = tempfile::tempdir().expect("it ends well");
    let harness = shop();
    for number in 0..3 {
        let run = harness.start(process(number).id(format!("order:{number}")));
        if number == 1 {
            run.raise(APPROVAL, false);
        }
        assert!(run.record(folder.path()).ends_with(format!("order%3A{number}.json")));
    }
    assert_eq!(replay_dir(folder.path()), 3, "finished ones and those under way");

    let path = folder.path().join("order%3A1.json");
    let text = std::fs::read_to_string(&path).expect("it ends well");
    std::fs::write(&path, text.replace(r#""reservation":101"#, r#""reservation":777"#)).expect("it ends well");
    let text = told(|| replay_dir(folder.path()));
    assert!(text.contains("1 of 3 recorded histories do not match"), "{text}");
    assert!(
        text.contains(
            "order%3A1.json`, a run of `process`: the code of `process` does not follow the history of `order:1` at event"
        ),
        "{text}"
    );
    assert!(text.contains("recorded: call 3 of activity `release` with") && text.contains("now:      call 3"), "{text}");
    assert!(text.contains("tests/harness.rs:"), "{text}");
}

#[test]
fn a_file_that_is_no_history_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().expect("it ends well");
    let missing = folder.path().join("nowhere");
    let text = told(|| replay_dir(&missing));
    assert!(text.contains("nowhere` cannot be read") && text.contains("dacapo::testing::record(&client, id,"), "{text}");
    let text = told(|| replay_dir(folder.path()));
    assert!(text.contains("holds no history to check"), "{text}");

    write(folder.path(), "broken.json", "{\"orchestrator\": \"process\", \"inst");
    write(folder.path(), "empty.json", r#"{"orchestrator":"process","instance":"x","history":[]}"#);
    write(
        folder.path(),
        "gone.json",
        r#"{"orchestrator":"vanished","instance":"x","history":[{"at":1,"events":[{"ExecutionStarted":{"name":"vanished","input":1}}]}]}"#,
    );
    write(folder.path(), "notes.txt", "not a history");
    let text = told(|| replay_dir(folder.path()));
    assert!(text.contains("3 of 3 recorded histories"), "{text}");
    assert!(
        text.contains("broken.json` is not a recorded history: EOF while parsing") && text.contains("line 1 column"),
        "{text}"
    );
    assert!(text.contains("empty.json`, a run of `process`: it has no start"), "{text}");
    assert!(
        text.contains(
            "gone.json`, a run of `vanished`: no orchestrator named `vanished` is registered in this process; registered orchestrators: "
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_history_of_a_real_runtime_can_be_recorded() -> dacapo::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = dacapo::Runtime::open("memory:").await?;
    let run = runtime.start(patient(4)).id("patient-4").await?;
    assert_eq!(run.result().await, Ok(4));
    dacapo::testing::record(&runtime, "patient-4", folder.path()).await?;
    assert_eq!(replay_dir(folder.path()), 1);
    let error = dacapo::testing::record(&runtime, "nobody", folder.path()).await.expect_err("there is none");
    assert!(error.is_not_found(), "{error}");
    Ok(())
}

#[test]
fn misuse_is_told_in_words() {
    let harness = shop();
    let _run = harness.start(process(1).id("one"));
    let text = told(|| harness.start(process(2).id("one")));
    assert!(text.contains("an orchestration with the id `one` exists already"), "{text}");
    let text = told(|| harness.state(Rate(1)));
    assert!(text.contains("comes before the first orchestration"), "{text}");
    let text = told(|| harness.client(|client| async move { client.attach(process, "one").result().await.map_err(|_| ()) }));
    assert!(text.contains("does not come while time stands still"), "{text}");
}
