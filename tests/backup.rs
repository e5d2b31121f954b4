//! The example `backup`, run as the program it is: on a real tree, killed in the middle, run again.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use dacapo::store::Event;
use support::Process;
use tempfile::TempDir;

/// A folder with a source, and room for a destination and a database.
struct Place(TempDir);

impl Place {
    fn empty() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        fs::create_dir(place.source()).expect("a source");
        place
    }

    /// 400 small files in nested folders, an empty file, odd names, and one file of several parts.
    fn with_tree() -> Self {
        let place = Self::empty();
        for number in 0_usize..400 {
            let folder = format!("level {}/level {}", number % 7, number % 3);
            place.write(&format!("{folder}/file {number}"), &vec![b'x'; number * 17 % 4000]);
        }
        place.write("empty", b"");
        place.write("Grüße, 世界/ein Name mit Leerzeichen.txt", b"umlauts");
        place.write("odd/%20 ~{}[]^|\"#x?*<>&'.back\\slash", b"odd");
        place.write("odd/-rf", b"dash");
        place.write("odd/..hidden", b"dots");
        let several_parts: Vec<u8> = (0..12_000_000_u32).map(|number| (number % 251) as u8).collect();
        place.write("one of several parts", &several_parts);
        place
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn source(&self) -> PathBuf {
        self.path("source")
    }

    fn destination(&self) -> PathBuf {
        self.path("destination")
    }

    fn database(&self) -> PathBuf {
        self.path("backup.db")
    }

    /// The program with this folder as its working directory.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = support::example("backup", self.0.path());
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().expect("the program runs")
    }

    /// Runs it to a good end and checks the copy and the figures against the source.
    fn back_up(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        assert_same(&files(&self.source()), &files(&self.destination()));
        let files = files(&self.source());
        let bytes = files.values().map(Vec::len).sum();
        assert_eq!(figures(&text), (files.len(), bytes), "{text}");
        text
    }
}

/// All that a program has said.
fn said(output: &Output) -> String {
    [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// The files and bytes of the last line, whose form is checked.
fn figures(text: &str) -> (usize, usize) {
    let last = text.lines().last().expect("a last line");
    let parse = || {
        let (files, rest) = last.strip_prefix("backed up ")?.split_once(" files, ")?;
        let (bytes, rest) = rest.split_once(" bytes in ")?;
        let (whole, fraction) = rest.strip_suffix(" s")?.split_once('.')?;
        [files, bytes, whole, fraction]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some((files.parse().ok()?, bytes.parse().ok()?))
    };
    parse().unwrap_or_else(|| panic!("`{last}` is not of the form `backed up FILES files, BYTES bytes in SECONDS s`"))
}

/// All files below a folder, by their paths there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    paths(folder).into_iter().map(|path| (path.clone(), fs::read(folder.join(path)).expect("a file can be read"))).collect()
}

fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("a path below").to_owned());
            }
        }
    }
    found
}

fn assert_same(source: &BTreeMap<PathBuf, Vec<u8>>, copy: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(source.keys().collect::<Vec<_>>(), copy.keys().collect::<Vec<_>>(), "other files than in the source");
    let differing: Vec<_> = source.keys().filter(|path| source[*path] != copy[*path]).collect();
    assert!(differing.is_empty(), "other content than in the source: {differing:?}");
}

/// The files whose copy is recorded, and the bytes that are recorded for each.
fn recorded(place: &Place) -> BTreeMap<PathBuf, u64> {
    #[derive(serde::Deserialize)]
    struct Input {
        path: PathBuf,
    }
    let copies = support::completed(&support::history(&place.database(), "b"), "E2_CopyFileToBlob");
    let read = |(input, result): &(dacapo::Payload, dacapo::Payload)| {
        let input: Input = input.decode().expect("the recorded input");
        (input.path, result.decode().expect("the recorded bytes"))
    };
    let by_path: BTreeMap<_, _> = copies.iter().map(read).collect();
    assert_eq!(by_path.len(), copies.len(), "a file was copied by two calls");
    by_path
}

fn written_at(folder: &Path, path: &Path) -> SystemTime {
    let metadata = fs::metadata(folder.join(path)).expect("a recorded file is there");
    metadata.modified().expect("a time of writing")
}

#[test]
fn a_backup_equals_its_source() {
    let place = Place::with_tree();
    let text = place.back_up(&["source", "destination"]);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "control characters on a pipe: {text:?}");
    assert!(place.database().exists(), "`backup.db` is the default");
}

#[test]
fn a_killed_backup_goes_on_where_it_stopped() {
    let place = Place::with_tree();
    let command = ["source", "destination", "--id", "b", "--parallel", "4"];
    let total = paths(&place.source()).len();
    let mut before = Vec::new();
    for target in [100, 200, 300] {
        let mut process = Process::spawn(place.program(&command).stdout(Stdio::null()));
        let alive = process.run_until("files in the destination", || paths(&place.destination()).len() >= target);
        assert!(process.kill() && alive, "the backup was to be killed before its end");

        let done = recorded(&place);
        assert!((target - 10..total).contains(&done.len()), "{} of {total} recorded at {target}", done.len());
        before.extend(done.into_keys().map(|path| (written_at(&place.destination(), &path), path)));
    }
    let text = place.back_up(&command);
    assert!(text.starts_with("going on with `b`\n"), "{text}");
    for (written, path) in before {
        let now = written_at(&place.destination(), &path);
        assert_eq!(now, written, "`{}` was recorded, and copied again", path.display());
    }

    let done = recorded(&place);
    assert_eq!(done.len(), total);
    let real = |path: &PathBuf| fs::metadata(place.source().join(path)).expect("a source file").len();
    assert!(done.iter().all(|(path, bytes)| real(path) == *bytes), "the recorded bytes are those of the files");
}

#[test]
fn a_half_copied_file_never_shows() {
    let place = Place::empty();
    let content: Vec<u8> = (0..64_000_000_u32).map(|number| (number % 253) as u8).collect();
    place.write("big", &content);
    let (command, big) = (["source", "destination", "--id", "b"], place.destination().join("big"));
    let begun = || fs::read_dir(place.destination()).is_ok_and(|mut entries| entries.next().is_some());
    let mut process = Process::spawn(place.program(&command).stdout(Stdio::null()));
    assert!(process.run_until("the first bytes of the copy", begun));
    process.kill();
    if let Ok(found) = fs::metadata(&big) {
        assert_eq!(found.len(), content.len() as u64, "an incomplete file under its final name");
    }
    place.back_up(&command);
}

#[test]
fn a_complete_backup_is_not_made_again() {
    let place = Place::with_tree();
    let command = ["source", "destination"];
    place.back_up(&command);
    let written: Vec<_> = paths(&place.source()).iter().map(|path| written_at(&place.destination(), path)).collect();
    let text = place.back_up(&command);
    assert!(text.contains("complete already") && text.contains("--id"), "{text}");
    let now: Vec<_> = paths(&place.source()).iter().map(|path| written_at(&place.destination(), path)).collect();
    assert_eq!(now, written);

    place.write("late", b"a file that came later");
    let text = place.back_up(&["source", "destination", "--id", "the next one"]);
    assert!(!text.contains("already"), "{text}");
}

#[test]
fn two_backups_of_one_database_do_not_mix() {
    let place = Place::with_tree();
    let mut process = Process::spawn(place.program(&["source", "first"]).stdout(Stdio::null()));
    assert!(process.run_until("files in the destination", || paths(&place.path("first")).len() >= 50));
    process.kill();
    place.back_up(&["source", "destination"]);
    let output = place.run(&["source", "first"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_same(&files(&place.source()), &files(&place.path("first")));
}

#[test]
fn an_empty_directory_is_a_backup_of_nothing() {
    let place = Place::empty();
    place.back_up(&["source", "destination"]);
    assert!(place.destination().is_dir());
}

#[test]
fn a_destination_can_be_a_url() {
    let place = Place::with_tree();
    let url = format!("file://{}/with%20space", place.0.path().display());
    let output = place.run(&["source", &url]);
    assert!(output.status.success(), "{}", said(&output));
    assert_same(&files(&place.source()), &files(&place.path("with space")));
}

#[test]
fn the_database_is_no_part_of_the_backup() {
    let place = Place::with_tree();
    let source = files(&place.source());
    let mut command = place.program(&[".", "../destination"]);
    let output = command.current_dir(place.source()).output().expect("the program runs");
    assert!(output.status.success() && place.source().join("backup.db").exists(), "{}", said(&output));
    assert_same(&source, &files(&place.destination()));
    assert_eq!(figures(&said(&output)).0, source.len());

    let place = Place::empty();
    for note in ["backup.db-notes.txt", "backup.db.old", "backup.db2"] {
        place.write(note, b"a note about it");
    }
    let source = files(&place.source());
    let output = place.program(&[".", "../destination"]).current_dir(place.source()).output().expect("the program runs");
    assert!(output.status.success(), "{}", said(&output));
    assert_same(&source, &files(&place.destination()));
}

#[test]
fn files_of_the_destination_stay() {
    let place = Place::with_tree();
    place.write("a", b"of the source");
    let own = [("a#1", "of the user"), ("empty#7", ""), ("folder/b", "older")];
    for (name, content) in own {
        fs::create_dir_all(place.destination().join("folder")).expect("a folder");
        fs::write(place.destination().join(name), content).expect("a file");
    }
    let mut process = Process::spawn(place.program(&["source", "destination"]).stdout(Stdio::null()));
    assert!(process.run_until("files in the destination", || paths(&place.destination()).len() >= 50));
    process.kill();
    let output = place.run(&["source", "destination"]);
    assert!(output.status.success(), "{}", said(&output));
    for (name, content) in own {
        assert_eq!(fs::read_to_string(place.destination().join(name)).expect("it is there"), content);
    }
    assert_eq!(paths(&place.destination()).len(), paths(&place.source()).len() + own.len(), "nothing is left between");
}

#[cfg(unix)]
#[test]
fn links_are_left_out_and_cannot_make_loops() {
    let place = Place::empty();
    place.write("folder/file", b"x");
    std::os::unix::fs::symlink("..", place.source().join("folder/loop")).expect("a link");
    std::os::unix::fs::symlink("nowhere", place.source().join("dangling")).expect("a link");
    let text = said(&place.run(&["source", "destination"]));
    assert_eq!(figures(&text), (1, 1), "{text}");
    assert!(text.contains("left out 2 links"), "{text}");
}

/// Runs the program to a bad end and checks that it says why in a sentence.
#[track_caller]
fn refuses(place: &Place, arguments: &[&str], why: &str) {
    let output = place.run(arguments);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("Error: ") && text.contains(why), "no `{why}` in: {text}");
    assert!(!text.contains("panicked") && text.lines().count() == 1, "{text}");
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence() {
    let place = Place::empty();
    place.write("file", b"x");
    let to = "destination";
    refuses(&place, &["missing", to], "could not read the source `missing`: No such file or directory");
    refuses(&place, &[r"C:\Users\ada", to], r"could not read the source `C:\Users\ada`: it is a Windows path");
    refuses(&place, &["source/file", to], "it is not a directory");
    refuses(&place, &["source", "source/inside"], "must lie apart");
    refuses(&place, &["source", "."], "must lie apart");
    refuses(&place, &["source", "source/below/it"], "must lie apart");
    refuses(&place, &["source", "s3://bucket/path"], "cannot back up into `s3://bucket/path`");
    refuses(&place, &["source", "nonsense://path"], "nonsense://path");
    refuses(&place, &["source", to, "--id", "a/b"], "cannot be an instance id");
    refuses(&place, &["source", to, "--store", "nonsense"], "`nonsense` names no store");
    place.write("folder/a#1", b"x");
    refuses(&place, &["source", to, "--id", "number"], "/folder/a#1` cannot be backed up into a folder");
    assert!(!place.destination().join("file").exists(), "it was refused before the first copy");
    fs::remove_file(place.source().join("folder/a#1")).expect("it is there");
    fs::remove_dir(place.source().join("folder")).expect("it is there");
    assert_eq!(paths(&place.source()), BTreeSet::from(["file".into()]), "a refused destination was created");

    fs::write(place.path("occupied"), b"").expect("a file");
    refuses(&place, &["source", "occupied"], "cannot back up into `occupied`");
    place.back_up(&["source", to, "--id", "one"]);
    refuses(&place, &["source", "elsewhere", "--id", "one"], "/destination\",\"parallel\":16}; give another --id");
}

#[test]
fn long_paths_are_no_hindrance() {
    let place = Place::empty();
    let [source, destination] = ["source", "destination"].map(|folder| format!("{folder}/{}", "x".repeat(125)));
    place.write(&format!("{}/file", "x".repeat(125)), b"x");
    for again in [false, true] {
        let output = place.run(&[&source, &destination]);
        let text = said(&output);
        assert!(output.status.success() && text.contains("complete already") == again, "{text}");
    }
}

#[test]
fn a_database_in_use_is_named() {
    let place = Place::empty();
    let url = format!("sqlite:{}", place.database().display());
    support::block_on(async {
        let runtime = dacapo::Runtime::open(&url).await?;
        refuses(&place, &["source", "destination"], "works on the database");
        runtime.shutdown().await
    })
    .expect("this test can use the database");
    place.back_up(&["source", "destination"]);
}

#[cfg(unix)]
#[test]
fn a_failed_backup_stays_failed_under_its_id() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::empty();
    let name = place.source().join(std::ffi::OsStr::from_bytes(b"bad \xff name"));
    fs::write(&name, b"x").expect("a file");
    refuses(&place, &["source", "destination", "--id", "b"], "its name is not UTF-8");
    fs::remove_file(name).expect("the file is there");
    refuses(&place, &["source", "destination", "--id", "b"], "give another --id");
    place.back_up(&["source", "destination", "--id", "c"]);
}

#[test]
fn the_input_of_a_copy_is_small() {
    let place = Place::with_tree();
    place.back_up(&["source", "destination", "--id", "b"]);
    let history = support::history(&place.database(), "b");
    let inputs = history.iter().flat_map(|turn| &turn.events).filter_map(|event| match event {
        Event::TaskScheduled { name, input, .. } if name == "E2_CopyFileToBlob" => Some(input.as_str().len()),
        _ => None,
    });
    let room = 100 + 2 * place.0.path().as_os_str().len() + 100;
    assert!(inputs.max().is_some_and(|longest| longest < room));
}
