//! The examples, run as the programs they are: to a good end, and killed in the middle and run again.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::Process;
use tempfile::TempDir;

/// A folder for one program.
struct Place {
    folder: TempDir,
    name: &'static str,
}

impl Place {
    fn of(name: &'static str) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), name }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = support::example(self.name, self.folder.path());
        command.args(arguments);
        command
    }

    /// All that the program says, and whether it ends well.
    fn ends(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.program(arguments).output().expect("the program runs");
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat();
        (output.status.success(), text)
    }

    /// Runs it to a good end and returns what it says.
    fn run(&self, arguments: &[&str]) -> String {
        let (good, text) = self.ends(arguments);
        assert!(good, "{} {arguments:?}: {text}", self.name);
        text
    }

    /// Starts it, waits until `reached`, and kills it.
    fn killed(&self, arguments: &[&str], what: &str, reached: impl FnMut() -> bool) {
        let mut process = Process::spawn(&mut self.program(arguments));
        assert!(process.run_until(what, reached), "{} has ended before {what}", self.name);
        assert!(process.kill(), "{} has ended by itself", self.name);
    }

    /// How many activities of this name have a recorded result, and their results as text.
    fn recorded(&self, id: &str, activity: &str) -> Vec<String> {
        let history = support::history(&self.path(&format!("{}.db", self.name)), id);
        support::completed(&history, activity).into_iter().map(|(_, result)| result.as_str().to_owned()).collect()
    }
}

/// The finished files of a folder, each with what becomes another when it is written again.
fn written(folder: &Path) -> BTreeMap<String, std::time::SystemTime> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry"));
    let named = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().and_then(|data| data.modified())));
    named.filter_map(|(name, at)| (!name.ends_with(".part")).then_some((name, at.ok()?))).collect()
}

#[test]
fn batch_orders_reports_rejected_lines_and_compares_with_one_by_one() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "120"]);
    let text = place.run(&["orders.csv", "--one-by-one"]);
    assert!(text.contains("line 101 is rejected: `unicorn` is not for sale\n"), "{text}");
    assert!(text.contains("120 lines, 1 rejected, "), "{text}");
    assert_eq!(written(&place.path("receipts")).len(), 119);
    let (_, times) = text.split_once("one by one: ").expect("the comparison");
    let times: f64 = times.trim_end().strip_suffix(" times as long").and_then(|times| times.parse().ok()).expect("a number");
    assert!(times > 2.0, "{text}");

    fs::write(place.path("bad.csv"), b"customer,item,quantity\nAda,lamp,\xff\n\"Bob\",lamp,10\nAda,lamp,1,2\n,lamp,1\n")
        .expect("a file");
    let text = place.run(&["bad.csv"]);
    for said in ["line 2 is rejected: it is not UTF-8", "line 4 is rejected: it has 4 fields", "line 5 is rejected: the customer"]
    {
        assert!(text.contains(said), "{text}");
    }
    assert!(text.contains("4 lines, 3 rejected, 441.00 € in all"), "ten lamps are a tenth cheaper: {text}");
}

#[test]
fn batch_orders_refuses_a_file_that_holds_no_orders() {
    let place = Place::of("batch_orders");
    fs::write(place.path("other.csv"), "name,age\nAda,36\n").expect("a file");
    let (good, text) = place.ends(&["other.csv"]);
    assert!(!good && text.contains("has no column `customer` in its first line; when that is mended"), "{text}");
    let (good, text) = place.ends(&["missing.csv"]);
    assert!(!good && text.contains("could not read"), "{text}");
}

#[test]
fn batch_orders_goes_on_after_a_kill_and_prices_no_recorded_line_again() {
    let place = Place::of("batch_orders");
    place.run(&["--sample", "orders.csv", "--lines", "300"]);
    let receipts = place.path("receipts");
    place.killed(&["orders.csv", "--latency", "150"], "the second wave", || written(&receipts).len() > 80);
    let recorded = place.recorded("orders.csv", "process");
    assert!((1..300).contains(&recorded.len()), "{} lines are recorded", recorded.len());
    let before = written(&receipts);

    let text = place.run(&["orders.csv"]);
    assert!(text.contains("300 lines, 3 rejected, "), "{text}");
    let after = written(&receipts);
    assert_eq!(after.len(), 297);
    let line = |result: &String| serde_json::from_str::<serde_json::Value>(result).ok()?["Ok"]["line"].as_u64();
    let priced: Vec<_> = recorded.iter().filter_map(line).map(|line| format!("{line}.json")).collect();
    assert!(!priced.is_empty());
    for name in priced {
        assert_eq!(before[&name], after[&name], "{name} was recorded, and is written again");
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

    let text = place.run(&["photos", "small", "--id", "again"]);
    assert!(text.contains("7 thumbnails, 1 failed\n"), "{text}");
    let (good, text) = place.ends(&["nothing", "small"]);
    assert!(!good && text.contains("could not read the folder"), "{text}");
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
