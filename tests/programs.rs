//! The examples, run as the programs they are: to a good end, and killed in the middle and run again.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dacapo::store::{Event, Turn};
use support::Process;
use support::programs::Place;

/// The finished files of a folder, each with what becomes another when it is written again.
fn written(folder: &Path) -> BTreeMap<String, std::time::SystemTime> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry"));
    let named = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().and_then(|data| data.modified())));
    named.filter_map(|(name, at)| (!name.ends_with(".part")).then_some((name, at.ok()?))).collect()
}

/// A path as `resume` has it in an id.
fn in_id(place: &Place, file: &str) -> String {
    place.path(file).display().to_string().replace('/', ":")
}

/// Makes a pipe that nobody writes to.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("`mkfifo` is a program of every Unix").success());
}

#[test]
fn every_example_is_in_the_table() {
    let table = fs::read_to_string("examples/README.md").expect("the table");
    for entry in fs::read_dir("examples").expect("the examples") {
        let path = entry.expect("an entry").path();
        let main = if path.is_dir() { path.join("main.rs") } else { path };
        let file = main.strip_prefix("examples").expect("an example").display();
        let is_example = main.exists() && main.extension().is_some_and(|extension| extension == "rs");
        assert!(!is_example || table.contains(&format!("]({file})")), "examples/README.md does not list {file}");
    }
}

#[test]
fn the_examples_without_arguments_end_well() {
    let five: String = (1..=5).map(|item| format!("item {item} processed\n")).collect();
    assert_eq!(Place::of("hello").run(&[]), five);
    assert_eq!(Place::of("encrypted_payloads").run(&[]), "charged 4000 0000 0000 0002\n");
}

/// The folders with the receipts of all batches of this id.
fn batches(place: &Place, id: &str) -> Vec<PathBuf> {
    let folders = written(&place.path("receipts")).into_keys();
    let own = folders.filter(|name| name.strip_prefix(&format!("batch {id} ")).is_some_and(|run| !run.contains(' ')));
    own.map(|name| place.path("receipts").join(name)).collect()
}

/// The folder with the receipts for a file, which one batch has priced.
fn receipts(place: &Place, file: &str) -> PathBuf {
    batches(place, &in_id(place, file)).pop().unwrap_or_default()
}

#[test]
fn batch_orders_reports_rejected_lines_and_compares_with_one_by_one() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "120"]);
    let text = place.run(&["orders.csv", "--one-by-one"]);
    assert!(text.contains("line 101 is rejected: `unicorn` is not for sale\n"), "{text}");
    assert!(text.contains("120 lines, 1 rejected, "), "{text}");
    assert_eq!(written(&receipts(&place, "orders.csv")).len(), 119);
    let (_, times) = text.split_once("one by one: ").expect("the comparison");
    let times: f64 = times.trim_end().strip_suffix(" times as long").and_then(|times| times.parse().ok()).expect("a number");
    assert!(times > 2.0, "{text}");

    let bad: &[u8] =
        b"customer,item,quantity\nAda,lamp,\xff\n\"Bob\",lamp,10\n\n\nAda,lamp,1,2\n\r\n,lamp,1\r\n\r\n\nAda,unicorn,1";
    fs::write(place.path("bad.csv"), bad).expect("a file");
    let text = place.run(&["bad.csv"]);
    for said in
        ["2 is rejected: it is not UTF-8", "6 is rejected: it has 4", "8 is rejected: the customer", "11 is rejected: `uni"]
    {
        assert!(text.contains(&format!("line {said}")), "{text}");
    }
    assert!(text.contains("5 lines, 4 rejected, 441.00 € in all"), "ten lamps are a tenth cheaper: {text}");
}

#[test]
fn batch_orders_has_a_result_and_receipts_for_each_file() {
    let place = Place::of("batch_orders");
    for (folder, quantity) in [("a", 1), ("b", 2)] {
        fs::create_dir(place.path(folder)).expect("a folder");
        let file = format!("{folder}/orders.csv");
        fs::write(place.path(&file), format!("customer,item,quantity\nAda,lamp,{quantity}\n")).expect("a file");
        assert!(place.run(&[&file]).contains(&format!("1 lines, 0 rejected, {}.00 € in all", 49 * quantity)));
    }
    for (file, cents) in [("a/orders.csv", 4900), ("b/orders.csv", 9800)] {
        let receipt = fs::read_to_string(receipts(&place, file).join("2.json")).expect("a receipt");
        assert!(receipt.contains(&cents.to_string()), "{receipt}");
    }
    fs::write(place.path("a/orders.csv"), "customer,item,quantity\nAda,lamp,3\n").expect("a file");
    let text = place.run(&["a/orders.csv"]);
    assert!(text.contains("a:orders.csv` is complete already; to do it anew, give another --id\n"), "{text}");
    assert!(place.run(&["a/orders.csv", "--id", "edited"]).contains("147.00 € in all"));
    let (good, text) = place.ends(&["b/orders.csv", "--id", "edited"]);
    assert!(!good && text.contains("`edited` was started with \"") && text.contains("give another --id"), "{text}");
}

#[test]
fn an_order_has_its_number_and_its_receipt_whatever_ends_the_lines() {
    let place = Place::of("batch_orders");
    let lines =
        ["customer,item,quantity", "Ada,lamp,1", "", "Bob,lamp,1", "Ada,unicorn,1", "\"Eve", "Moe\",lamp,1", "Ada,lamp,x", ""];
    for (name, end) in [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")] {
        fs::write(place.path("orders.csv"), lines.join(end)).expect("a file");
        let text = place.run(&["orders.csv", "--id", name]);
        assert!(
            text.starts_with("line 5 is rejected: `unicorn`") && text.contains("\nline 8 is rejected: `x`"),
            "{name}: {text}"
        );
        let written: Vec<_> = batches(&place, name).iter().flat_map(|folder| written(folder).into_keys()).collect();
        assert_eq!(written, ["2.json", "4.json", "6.json"], "{name}");
    }
}

#[test]
fn a_batch_has_no_receipts_of_another_of_its_id() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "20"]);
    place.run(&["orders.csv", "--id", "o"]);
    let first = batches(&place, "o");
    for suffix in ["", "-wal", "-shm", "-bell", "-worker", "-running"] {
        let _ = fs::remove_file(place.path(&format!("batch_orders.db{suffix}")));
    }
    fs::write(place.path("orders.csv"), "customer,item,quantity\nAda,lamp,1\n").expect("a file");
    place.run(&["orders.csv", "--id", "o"]);
    let second = batches(&place, "o").into_iter().find(|folder| !first.contains(folder)).expect("a folder of its own");
    assert_eq!([&first[0], &second].map(|folder| written(folder).len()), [20, 1]);
}

#[test]
fn a_sample_is_written_over_no_file() {
    let place = Place::of("batch_orders");
    fs::write(place.path("orders.csv"), "my own").expect("a file");
    let (good, text) = place.ends(&["--sample", "orders.csv"]);
    assert!(!good && text.contains("`--sample` writes a new file, and `orders.csv` exists"), "{text}");
    assert_eq!(fs::read_to_string(place.path("orders.csv")).expect("it is there"), "my own");
    let (good, text) = place.ends(&["--sample", "no/folder/x.csv"]);
    assert!(!good && text.contains("could not write `no/folder/x.csv`: No such file"), "{text}");
}

#[test]
fn batch_orders_refuses_a_file_that_holds_no_orders() {
    let place = Place::of("batch_orders");
    fs::write(place.path("other.csv"), "name,age\nAda,36\n").expect("a file");
    let (good, text) = place.ends(&["other.csv"]);
    assert!(!good && text.contains("has no column `customer` in its first line; when that is mended"), "{text}");
    let (good, text) = place.ends(&["missing.csv"]);
    assert!(!good && text.contains("could not read"), "{text}");
    pipe(&place.path("pipe.csv"));
    for no_file in ["pipe.csv", ".", ".."] {
        let (good, text) = place.ends(&[no_file]);
        assert!(!good && text.contains("it is no file"), "{text}");
    }
}

#[test]
fn without_arguments_a_program_tells_all_that_it_takes() {
    let programs =
        [("backup", "<SOURCE>"), ("batch_orders", "[FILE]"), ("counter", "<NAME>"), ("monitor", "<FILE>"), ("saga", "<ITEM>")];
    for (name, takes) in programs {
        let (good, text) = Place::of(name).ends(&[]);
        assert!(!good && text.contains(takes) && text.contains("  serve  Serves"), "{text}");
    }
}

#[test]
fn batch_orders_goes_on_after_a_kill_and_prices_no_recorded_line_again() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "300"]);
    let receipts = || receipts(&place, "orders.csv");
    place.killed(&["orders.csv", "--latency", "150"], "the second wave", || written(&receipts()).len() > 80);
    let recorded = place.recorded(&in_id(&place, "orders.csv"), "process");
    assert!((1..300).contains(&recorded.len()), "{} lines are recorded", recorded.len());
    let before = written(&receipts());

    let text = place.run(&["orders.csv"]);
    assert!(text.contains("300 lines, 3 rejected, "), "{text}");
    let after = written(&receipts());
    assert_eq!(after.len(), 297);
    let line = |result: &String| serde_json::from_str::<serde_json::Value>(result).ok()?["Ok"]["line"].as_u64();
    let priced: Vec<_> = recorded.iter().filter_map(line).map(|line| format!("{line}.json")).collect();
    assert!(!priced.is_empty());
    for name in priced {
        assert_eq!(before[&name], after[&name], "{name} was recorded, and is written again");
    }
}

/// How many calls were under way at once, at most.
fn at_once(turns: &[Turn]) -> usize {
    let (mut running, mut most) = (0, 0);
    for event in turns.iter().flat_map(|turn| &turn.events) {
        match event {
            Event::TaskScheduled { name, .. } if name == "thumbnail" => running += 1,
            Event::TaskCompleted { .. } | Event::TaskFailed { .. } if running > 0 => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    most
}

#[test]
fn thumbnails_makes_as_many_at_once_as_it_is_told() {
    let place = Place::of("thumbnails");
    place.run(&["--sample", "photos", "--images", "8"]);
    for parallel in ["1", "3", "5"] {
        place.run(&["photos", "small", "--parallel", parallel, "--id", parallel]);
        let history = support::history(&place.path("thumbnails.db"), parallel);
        assert_eq!(at_once(&history).to_string(), parallel);
    }
}

#[test]
fn thumbnails_reports_each_broken_image_and_makes_the_rest() {
    let place = Place::of("thumbnails");
    place.run(&["--sample", "photos", "--images", "6"]);
    fs::write(place.path("photos/notes.txt"), "no image by its name").expect("a file");
    fs::copy(place.path("photos/image 000.png"), place.path("photos/in truth a png.jpg")).expect("a copy");
    let text = place.run(&["photos", "small", "--size", "64", "--parallel", "2"]);
    assert!(text.contains("no thumbnail of broken.jpg: "), "{text}");
    assert!(text.contains("7 thumbnails, 1 failed\n"), "{text}");
    assert_eq!(written(&place.path("small")).len(), 8, "seven and the sheet");
    let small = image::open(place.path("small/image 001.jpg.png")).expect("a thumbnail");
    assert_eq!((small.width(), small.height()), (64, 57), "of 360 to 320");
    let sheet = image::open(place.path("small/contact-sheet.png")).expect("the sheet");
    assert_eq!((sheet.width(), sheet.height()), (3 * 72, 3 * 72));

    let again = place.run(&["photos", "small", "--size", "64", "--parallel", "2"]);
    assert!(again.contains(" is complete already; to do it anew, give another --id\n") && again.ends_with(&text), "{again}");
    let (good, text) = place.ends(&["photos", "small", "--size", "20"]);
    assert!(!good && text.contains("\"size\":64") && text.contains("give another --id"), "{text}");
    let text = place.run(&["photos", "small", "--id", "again", "--size", "20"]);
    assert!(text.contains("7 thumbnails, 1 failed\n"), "{text}");
    let small = image::open(place.path("small/image 001.jpg.png")).expect("a thumbnail");
    assert_eq!(small.width(), 20, "another size is another run");
    let (good, text) = place.ends(&["nothing", "small"]);
    assert!(!good && text.contains("could not read the folder"), "{text}");
}

#[test]
fn thumbnails_never_go_where_the_images_are() {
    let place = Place::of("thumbnails");
    place.run(&["--sample", "photos", "--images", "2"]);
    std::os::unix::fs::symlink("photos", place.path("alias")).expect("a link");
    let before = written(&place.path("photos"));
    for [source, target] in
        [["photos", "photos"], ["photos", "photos/../photos"], ["photos", "alias"], ["alias", "photos"], ["none", "none"]]
    {
        let (good, text) = place.ends(&[source, target]);
        assert!(!good && text.contains("the thumbnails need a folder of their own"), "{source} {target}: {text}");
    }
    assert_eq!(written(&place.path("photos")), before);
}

#[test]
fn thumbnails_waits_for_no_pipe() {
    let place = Place::of("thumbnails");
    place.run(&["--sample", "photos", "--images", "2"]);
    pipe(&place.path("photos/pipe.png"));
    let text = place.run(&["photos", "small"]);
    assert!(text.contains("no thumbnail of pipe.png: it is no file\n2 thumbnails, 2 failed\n"), "{text}");
}

#[test]
fn thumbnails_goes_on_after_a_kill_and_makes_no_recorded_one_again() {
    let place = Place::of("thumbnails");
    place.run(&["--sample", "photos", "--images", "16"]);
    let small = place.path("small");
    let arguments = ["photos", "small", "--parallel", "1", "--id", "t"];
    place.killed(&arguments, "four thumbnails", || written(&small).len() >= 4);
    let (recorded, before) = (place.recorded("t", "thumbnail"), written(&small));
    assert!((1..16).contains(&recorded.len()), "{} are recorded", recorded.len());

    let text = place.run(&arguments);
    assert!(text.contains("16 thumbnails, 1 failed\n"), "{text}");
    let after = written(&small);
    assert_eq!(after.len(), 17);
    let name = |result: &String| Some(result.split("small/").nth(1)?.split('"').next()?.to_owned());
    let made: Vec<_> = recorded.iter().filter_map(name).collect();
    assert!(!made.is_empty());
    for name in made {
        assert_eq!(before[&name], after[&name], "{name} was recorded, and is made again");
    }
}

/// The instance by which `monitor` watches a file.
fn watch_of(place: &Place, file: &str) -> String {
    format!("monitor {}", in_id(place, file))
}

#[test]
fn monitor_counts_on_after_a_kill_and_over_executions() {
    let place = Place::of("monitor");
    let (arguments, id) = (["report.csv", "--every", "0.02"], watch_of(&place, "report.csv"));
    let url = format!("sqlite:{}", place.path("monitor.db").display());
    let execution = || {
        let status = support::block_on(async { dacapo::Client::connect(&url).await?.status(&id).await });
        status.map_or(0, |status| status.execution())
    };
    place.killed(&arguments, "the second execution", || execution() >= 2);
    let mut process = Process::spawn(place.program(&arguments).stdout(fs::File::create(place.path("said")).expect("a file")));
    assert!(process.run_until("the fourth execution", || execution() >= 4), "there is no file yet");
    fs::write(place.path("report.csv"), "complete").expect("a file");
    assert!(!process.run_until("the end", || false));

    let text = fs::read_to_string(place.path("said")).expect("what it has said");
    let (_, rest) = text.split_once("report.csv is complete: 8 bytes, ").expect("the size");
    let (looks, execution) = rest.trim_end().split_once(" looks, execution ").expect("two counts");
    let [looks, execution]: [u32; 2] = [looks, execution].map(|count| count.parse().expect("a count"));
    assert_eq!(execution, (looks - 1) / 10 + 1, "ten looks make an execution, also when it was killed: {text}");
}

#[test]
fn monitor_waits_while_the_file_grows() {
    let place = Place::of("monitor");
    let (file, id) = (place.path("report.csv"), watch_of(&place, "report.csv"));
    fs::write(&file, "one").expect("a file");
    let seen = |size: &str| place.recorded(&id, "size_of").iter().any(|seen| seen == size);
    let mut process = Process::spawn(place.program(&["report.csv", "--every", "0.7"]).stdout(Stdio::null()));
    assert!(process.run_until("the first look", || seen("3")));
    fs::write(&file, "one and two").expect("a file");
    assert!(process.run_until("the second look", || seen("11")), "it took a growing file for complete");
    assert!(!process.run_until("the end", || false));
    let text = place.run(&["report.csv", "--every", "0.7"]);
    assert!(text.contains("is complete already; to do it anew, give another --id\n"), "{text}");
    assert!(text.ends_with("is complete: 11 bytes, 3 looks, execution 1\n"), "{text}");
    let text = place.run(&["report.csv", "--every", "0.01", "--id", "again"]);
    assert!(text.ends_with("is complete: 11 bytes, 2 looks, execution 1\n"), "{text}");
}

#[test]
fn monitor_outlasts_a_folder_that_is_none_for_a_while() {
    let place = Place::of("monitor");
    fs::write(place.path("folder"), "no folder").expect("a file");
    let command = ["folder/report.csv", "--every", "0.1"];
    let mut process = Process::spawn(place.program(&command).stdout(fs::File::create(place.path("said")).expect("a file")));
    let id = watch_of(&place, "folder/report.csv");
    let has_failed = |event: &Event| matches!(event, Event::TaskFailed { .. });
    let history = || support::history(&place.path("monitor.db"), &id);
    let tried = || place.path("monitor.db").exists() && history().iter().flat_map(|turn| &turn.events).any(has_failed);
    assert!(process.run_until("a look that fails", tried));
    fs::remove_file(place.path("folder")).expect("it is there");
    fs::create_dir(place.path("folder")).expect("a folder");
    fs::write(place.path("folder/report.csv"), "complete").expect("a file");
    assert!(!process.run_until("the end", || false));
    let text = fs::read_to_string(place.path("said")).expect("what it has said");
    assert!(text.contains("is complete: 8 bytes, 2 looks"), "{text}");
}

#[test]
fn monitor_refuses_a_pause_that_is_none() {
    let place = Place::of("monitor");
    for every in ["inf", "nan", "0", "-1", "1e300", "soon"] {
        let output = place.program(&["report.csv", &format!("--every={every}")]).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr);
        let is_said = text.contains(&format!("invalid value '{every}' for '--every <SECONDS>': "));
        assert!(output.status.code() == Some(2) && is_said, "{text}");
    }
    assert!(!place.path("monitor.db").exists(), "it has not begun");
}

#[test]
fn a_failure_is_told_with_its_causes() {
    let place = Place::of("monitor");
    let url = format!("sqlite:{}", place.path("monitor.db").display());
    let watch = serde_json::json!({ "file": place.path("report.csv"), "every": 1.0, "looks": "many" });
    support::block_on(async {
        dacapo::Client::connect(&url).await?.start_named("monitor", watch).version(1).id("m").await.map(drop)
    })
    .expect("it is started");
    let (good, text) = place.ends(&["report.csv", "--every", "1", "--id", "m"]);
    assert!(!good && text.contains("cannot be read: ") && text.contains("invalid type: string \"many\", expected u64"), "{text}");
}

#[test]
fn a_database_that_cannot_be_written_is_spoken_of() {
    let place = Place::of("monitor");
    let said = fs::File::create(place.path("said")).expect("a file");
    let mut process = Process::spawn(place.program(&["report.csv", "--every", "0.05"]).stdout(Stdio::null()).stderr(said));
    let is_begun = || place.path("monitor.db").exists() && !place.recorded(&watch_of(&place, "report.csv"), "size_of").is_empty();
    assert!(process.run_until("the first look", is_begun));
    let database = rusqlite::Connection::open(place.path("monitor.db")).expect("a database");
    database.busy_timeout(Duration::from_secs(60)).expect("a timeout");
    database.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let told = || fs::read_to_string(place.path("said")).is_ok_and(|text| text.contains("database is locked"));
    assert!(process.run_until("a word about the lock", told));
    database.execute_batch("ROLLBACK").expect("there is a lock");
    fs::write(place.path("report.csv"), "complete").expect("a file");
    assert!(!process.run_until("the end", || false));
}

#[test]
fn long_paths_have_ids_and_folders_of_their_own() {
    let place = Place::of("batch_orders");
    let folder = format!("{0}/{0}/{0}", "世".repeat(80));
    fs::create_dir_all(place.path(&folder)).expect("a folder");
    for (file, quantity) in [("a", 1), ("b", 2)] {
        let file = format!("{folder}/{file}{}.csv", "x".repeat(200));
        fs::write(place.path(&file), format!("customer,item,quantity\nAda,lamp,{quantity}\n")).expect("a file");
        let cost = format!("{}.00 € in all\n", 49 * quantity);
        let text = place.run(&[&file, "--one-by-one"]);
        assert!(text.contains(&cost) && !text.contains("already"), "{text}");
        let text = place.run(&[&file]);
        assert!(text.contains(&cost) && text.contains(" is complete already"), "{text}");
    }
    assert_eq!(written(&place.path("receipts")).len(), 4);
    let file = format!("{folder}/a{}.csv", "x".repeat(200));
    place.run(&[&file, "--one-by-one", "--id", &"世".repeat(256)]);
    let (good, text) = place.ends(&[&file, "--id", &"x".repeat(257)]);
    assert!(!good && text.contains("it is longer than 256 characters"), "the user has given it: {text}");

    let place = Place::of("thumbnails");
    let [photos, small] = ["p", "s"].map(|name| format!("{name}{}", "x".repeat(200)));
    place.run(&["--sample", &photos, "--images", "1"]);
    assert!(place.run(&[&photos, &small]).contains("1 thumbnails, 1 failed\n"));
}

#[test]
fn paths_that_look_alike_are_watches_of_their_own() {
    let place = Place::of("monitor");
    fs::create_dir(place.path("p")).expect("a folder");
    for (bytes, file) in [("a", "p/x"), ("bb", "p:x"), ("ccc", "p%3Ax"), ("dddd", "p#x")] {
        fs::write(place.path(file), bytes).expect("a file");
        let text = place.run(&[file, "--every", "0.01"]);
        assert!(text.ends_with(&format!("{file} is complete: {} bytes, 2 looks, execution 1\n", bytes.len())), "{text}");
    }
}

#[test]
fn a_counter_loses_no_change_and_outlives_its_program() {
    let place = Place::of("counter");
    assert_eq!(place.run(&["visits"]), "visits is 0 after 0 changes\n");
    assert_eq!(place.run(&["visits", "--add", "2", "--times", "300"]), "visits is 600 after 300 changes\n");
    assert_eq!(place.run(&["visits", "--add", "-1"]), "visits is 599 after 301 changes\n");
    assert_eq!(place.run(&["others", "--add", "5"]), "others is 5 after 1 changes\n");
    assert_eq!(place.run(&["visits", "--reset", "--add", "1"]), "visits is 1 after 1 changes\n");
    assert_eq!(place.run(&["visits", "--reset"]), "visits is 0 after 0 changes\n");
}

#[test]
fn a_counter_refuses_what_it_cannot_hold_and_keeps_the_rest() {
    let place = Place::of("counter");
    let most = i64::MAX.to_string();
    place.run(&["visits", "--add", &most]);
    let (good, text) = place.ends(&["visits", "--add", "1"]);
    assert!(!good && text.contains(&format!("{most} and 1 are more than a counter can hold")), "{text}");
    assert_eq!(place.run(&["visits", "--add", "-1"]), format!("visits is {} after 2 changes\n", i64::MAX - 1));
}

/// How often the counter `visits` was changed, by its recorded state.
fn changes(place: &Place) -> u64 {
    let events = support::history(&place.path("counter.db"), "@counter@visits").into_iter().flat_map(|turn| turn.events);
    let mut states = events.filter_map(|event| match event {
        dacapo::store::Event::EntityState { state, .. } => state,
        _ => None,
    });
    states.next_back().map_or(0, |state| {
        let state: serde_json::Value = state.decode().expect("a counter");
        state["changes"].as_u64().expect("a count")
    })
}

#[test]
fn a_counter_killed_while_it_adds_loses_and_doubles_nothing() {
    let place = Place::of("counter");
    let command = ["visits", "--add", "2", "--times", "3000"];
    for target in [1, 1000, 2000] {
        place.killed(&command, "additions", || changes(&place) >= target);
        println!("killed at {} of 3000", changes(&place));
        assert!((target..3000).contains(&changes(&place)), "killed at {} of 3000", changes(&place));
    }
    assert_eq!(
        place.run(&command),
        "going on with what was begun
visits is 6000 after 3000 changes
"
    );
    assert_eq!(
        place.run(&["visits", "--add", "-1"]),
        "visits is 5999 after 3001 changes
"
    );
    place.killed(&command, "additions", || changes(&place) >= 3500);
    assert!(changes(&place) < 6001, "it was killed while it added");
    let reset = ["visits", "--reset", "--add", "3", "--times", "2"];
    assert_eq!(place.run(&reset), "going on with what was begun\nvisits is 6 after 2 changes\n");
}
