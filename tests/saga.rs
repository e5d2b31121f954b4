//! The example `saga` as a program: each step once, all of them or none, whatever happens to the program, its history and the shop.

mod support;

use std::fs;

use dacapo::store::Event;
use support::Process;
use support::programs::Place;

/// What the shop has at the beginning.
const UNTOUCHED: &str = "15 things on the shelf, 1000 € in the account\n";

fn shop(place: &Place) -> rusqlite::Connection {
    rusqlite::Connection::open(place.path("saga-shop.db")).expect("the shop")
}

/// The steps that took effect in the shop.
fn journal(place: &Place) -> Vec<String> {
    let shop = shop(place);
    let read = || {
        let mut journal = shop.prepare("SELECT step FROM journal ORDER BY rowid")?;
        journal.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()
    };
    read().unwrap_or_default()
}

/// Starts an order, waits until it has taken so many steps, and gives it.
fn started(place: &Place, arguments: &[&str], steps: usize) -> Process {
    let said = fs::File::create(place.path("said")).expect("a file");
    let mut process = Process::spawn(place.program(arguments).stderr(said.try_clone().expect("a file")).stdout(said));
    assert!(process.run_until("the steps", || journal(place).len() >= steps));
    process
}

/// How many attempts of an activity are recorded as failed in the order of a piano.
fn failed_attempts(place: &Place, activity: &str) -> usize {
    let history = support::history(&place.path("saga.db"), "piano for 100 €");
    let events = || history.iter().flat_map(|turn| &turn.events);
    let is_of_it = |call: u64| {
        events().any(|event| matches!(event, Event::TaskScheduled { id, name, .. } if *id == call && name == activity))
    };
    events().filter(|event| matches!(event, Event::TaskFailed { id, .. } if is_of_it(*id))).count()
}

/// Waits for its end, and gives what it has said.
fn ended(place: &Place, mut process: Process) -> String {
    assert!(!process.run_until("the end", || false));
    fs::read_to_string(place.path("said")).expect("what it has said")
}

#[test]
fn buys_or_undoes_what_was_done_in_reverse_order() {
    let place = Place::of("saga");
    let shipped =
        "lamp is on its way\nreserved lamp\ncharged 100 €\nshipped lamp\n14 things on the shelf, 900 € in the account\n";
    assert_eq!(place.run(&["lamp"]), shipped);
    let text = place.run(&["piano"]);
    let undone = "reserved piano\ncharged 100 €\nrefunded 100 €\nput back piano\n14 things on the shelf, 900 € in the account\n";
    assert!(text.starts_with("piano was not bought: ") && text.contains("takes no pianos") && text.ends_with(undone), "{text}");
    let text = place.run(&["lamp", "--price", "99999"]);
    let undone = "put back piano\nreserved lamp\nput back lamp\n14 things on the shelf, 900 € in the account\n";
    assert!(text.starts_with("lamp was not bought: ") && text.ends_with(undone), "{text}");
}

#[test]
fn the_same_line_is_the_same_order_until_the_history_is_deleted() {
    let place = Place::of("saga");
    let first = place.run(&["lamp"]);
    let again = place.run(&["lamp"]);
    assert_eq!(again, format!("`lamp for 100 €` is complete already; to do it anew, give another --id\n{first}"));
    let text = place.run(&["lamp", "--id", "second"]);
    assert!(text.ends_with("13 things on the shelf, 800 € in the account\n"), "{text}");
    let (good, text) = place.ends(&["chair", "--id", "second"]);
    assert!(!good && text.contains("`second` was started with {\"item\":\"lamp\",\"euros\":100}; give another --id"), "{text}");

    for suffix in ["", "-wal", "-shm", "-bell", "-worker", "-running"] {
        let _ = fs::remove_file(place.path(&format!("saga.db{suffix}")));
    }
    let text = place.run(&["lamp"]);
    assert!(text.starts_with("lamp is on its way\n"), "{text}");
    assert!(text.ends_with("shipped lamp\n12 things on the shelf, 700 € in the account\n"), "the shop has done nothing: {text}");
}

#[test]
fn names_a_shop_that_it_cannot_use() {
    let place = Place::of("saga");
    fs::write(place.path("saga-shop.db"), "no database, and longer than the head of one".repeat(9)).expect("a file");
    for arguments in [["lamp"].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
        let (good, text) = place.ends(arguments);
        assert!(!good && text.contains("could not open the shop `saga-shop.db`: file is not a database"), "{text}");
    }
}

#[test]
fn killed_after_each_step_it_takes_and_undoes_each_once() {
    let steps = ["reserved piano", "charged 100 €", "refunded 100 €", "put back piano"];
    let place = Place::of("saga");
    for taken in 1..=steps.len() {
        place.killed(&["piano", "--latency", "150"], steps[taken - 1], || journal(&place).len() >= taken);
        assert_eq!(journal(&place), steps[..taken], "killed when the step was taken, and before that was recorded");
    }
    let text = place.run(&["piano"]);
    assert!(text.starts_with("going on with `piano for 100 €`\npiano was not bought: "), "{text}");
    assert!(text.ends_with(&format!("{}\n{UNTOUCHED}", steps.join("\n"))), "{text}");

    let place = Place::of("saga");
    let steps = ["reserved lamp", "charged 100 €", "shipped lamp"];
    for taken in 1..=steps.len() {
        place.killed(&["lamp", "--latency", "150"], steps[taken - 1], || journal(&place).len() >= taken);
    }
    let end = format!("{}\n14 things on the shelf, 900 € in the account\n", steps.join("\n"));
    assert_eq!(place.run(&["lamp"]), format!("going on with `lamp for 100 €`\nlamp is on its way\n{end}"));
}

#[test]
fn a_shop_that_is_closed_for_a_while_keeps_no_money() {
    let place = Place::of("saga");
    let mut process = started(&place, &["piano", "--latency", "500"], 2);
    let shop = shop(&place);
    shop.execute_batch("BEGIN IMMEDIATE").expect("nobody writes meanwhile");
    // Until SQLite no longer waits for the lock, and an attempt fails.
    assert!(process.run_until("a refund fails", || failed_attempts(&place, "refund") > 0));
    shop.execute_batch("ROLLBACK").expect("it is ours");
    let text = ended(&place, process);
    assert!(text.ends_with(&format!("charged 100 €\nrefunded 100 €\nput back piano\n{UNTOUCHED}")), "{text}");
}

#[test]
fn what_cannot_be_undone_stops_no_other_step_and_is_told() {
    let place = Place::of("saga");
    let process = started(&place, &["piano", "--latency", "500"], 2);
    let closed = "CREATE TRIGGER closed BEFORE UPDATE ON account BEGIN SELECT RAISE(FAIL, 'the account is closed'); END";
    shop(&place).execute_batch(closed).expect("a shop");
    let text = ended(&place, process);
    assert!(text.contains("the carrier takes no pianos; not undone: the account is closed"), "{text}");
    assert_eq!(journal(&place), ["reserved piano", "charged 100 €", "put back piano"]);
}
