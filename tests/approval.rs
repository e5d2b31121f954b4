//! The example `approval` as a program: a request is decided once, and says at any time how far it is.

mod support;

use std::io::{self, BufRead as _};
use std::process::Stdio;

use support::Process;
use support::programs::Place;

/// Waits until `approval` shows this of a request.
fn shows(place: &Place, worker: &mut Process, name: &str, expected: &str) {
    let runs = worker.run_until(expected, || {
        let (good, text) = place.ends(&["show", name]);
        good && text.contains(expected)
    });
    assert!(runs, "the worker has ended");
}

fn serving(place: &Place) -> Process {
    let mut worker = Process::spawn(place.program(&["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()));
    assert!(worker.run_until("the database", || place.path("approval.db").exists()));
    worker
}

#[test]
fn asks_nobody_for_little_and_escalates_when_nobody_answers() {
    let place = Place::of("approval");
    let mut worker = serving(&place);
    place.run(&["request", "lunch", "25"]);
    place.run(&["request", "trip", "900", "--patience", "1"]);
    shows(&place, &mut worker, "lunch", "Completed: lunch is approved, nobody needs to be asked for 25 €");
    shows(&place, &mut worker, "trip", "waits for the director");
    shows(&place, &mut worker, "trip", "Completed: trip is refused, nobody has decided");
    let ended = "trip waits for nobody. Completed: trip is refused, nobody has decided\n";
    assert_eq!(place.run(&["decide", "trip", "yes"]), ended);
    let (good, text) = place.ends(&["request", "trip", "900"]);
    assert!(!good && text.contains("`trip` is asked for already: see `show trip`, or give another name"), "{text}");
    let (good, text) = place.ends(&["decide", "unknown", "yes"]);
    assert!(!good && text.contains("unknown"), "{text}");
}

#[test]
fn takes_a_decision_made_while_no_worker_ran() {
    let place = Place::of("approval");
    let mut worker = serving(&place);
    place.run(&["request", "conference", "900"]);
    shows(&place, &mut worker, "conference", "waits for the manager");
    assert!(worker.kill());
    for (answer, by) in [("yes", "Ada"), ("no", "Bob")] {
        let sent = format!("conference: `{answer}` by {by} is sent; `show conference` tells who was first\n");
        assert_eq!(place.run(&["decide", "conference", answer, "--by", by]), sent);
    }
    shows(&place, &mut serving(&place), "conference", "Completed: conference is approved by Ada");
}

#[test]
fn tells_why_a_request_has_ended_without_a_decision() {
    let place = Place::of("approval");
    let mut worker = serving(&place);
    place.run(&["request", "terminated", "900"]);
    shows(&place, &mut worker, "terminated", "waits for the manager");
    let url = format!("sqlite:{}", place.path("approval.db").display());
    support::block_on(async { dacapo::Client::connect(&url).await?.terminate("terminated", "the budget is spent").await })
        .expect("it waits");
    shows(&place, &mut worker, "terminated", "Terminated: the budget is spent");
    let text = place.run(&["show", "terminated"]);
    assert_eq!(place.run(&["decide", "terminated", "yes"]), format!("terminated waits for nobody. {text}"));
}

#[test]
fn a_decision_that_cannot_be_read_is_told_and_put_aside() {
    let place = Place::of("approval");
    let mut worker = serving(&place);
    place.run(&["request", "conference", "900"]);
    shows(&place, &mut worker, "conference", "waits for the manager");
    let url = format!("sqlite:{}", place.path("approval.db").display());
    let client = support::block_on(dacapo::Client::connect(&url)).expect("it connects");
    support::block_on(client.raise_named("conference", "decision", "no decision")).expect("it waits");
    shows(&place, &mut worker, "conference", "Suspended: ");
    assert!(place.run(&["show", "conference"]).contains("`decision`"));
    let resume = async { client.resume("conference", "it was a mistake").without_event(1).await };
    support::block_on(resume).expect("it is parked");
    place.run(&["decide", "conference", "yes", "--by", "Ada"]);
    shows(&place, &mut worker, "conference", "Completed: conference is approved by Ada");
}

#[test]
fn asks_also_when_nobody_reads_what_it_says() {
    let place = Place::of("approval");
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut worker = Process::spawn(place.program(&["serve", "--listen", "127.0.0.1:0"]).stdout(writer));
    io::BufReader::new(reader).read_line(&mut String::new()).expect("it says where it listens");
    place.run(&["request", "conference", "900", "--patience", "1"]);
    shows(&place, &mut worker, "conference", "Completed: conference is refused, nobody has decided");
}
