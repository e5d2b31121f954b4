//! The disk of a worker: a library that is preloaded into it and lets its calls fail.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const KINDS: [&str; 4] = ["ENOSPC", "short writes", "EIO on read", "failing fdatasync"];
/// What the library reads and counts: the state of its generator, and rates, bursts and counts by kind, each 8 bytes.
const LENGTH: usize = 8 * (1 + 3 * KINDS.len());

pub(crate) struct Faults {
    library: PathBuf,
    control: PathBuf,
    file: File,
}

impl Faults {
    /// Compiles the library into `folder`.
    pub(crate) fn new(folder: &Path, seed: u64) -> Self {
        let library = folder.join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/faults.c");
        let mut compiles = Command::new("cc");
        compiles.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compiles.status().expect("`cc` runs").success());
        let control = folder.join("faults");
        let file = File::options().read(true).write(true).create_new(true).open(&control).expect("a file for the faults");
        file.set_len(LENGTH as u64).expect("room for the faults");
        file.write_all_at(&seed.to_ne_bytes(), 0).expect("the seed is written");
        Self { library, control, file }
    }

    /// Gives a program this disk, for files whose paths begin with `database`.
    pub(crate) fn befall(&self, program: &mut Command, database: &Path) {
        program.env("LD_PRELOAD", &self.library).env("DACAPO_FAULTS", &self.control).env("DACAPO_FAULTS_ON", database);
    }

    /// How many of 100,000 calls fail from now on, by kind.
    pub(crate) fn set(&self, rates: [u64; 4]) {
        let rates: Vec<u8> = rates.iter().flat_map(|rate| rate.to_ne_bytes()).collect();
        self.file.write_all_at(&rates, 8).expect("the rates are written");
    }

    /// How many calls have failed, by kind.
    pub(crate) fn met(&self) -> [(&'static str, u64); 4] {
        let mut bytes = [0; LENGTH];
        self.file.read_exact_at(&mut bytes, 0).expect("the counts are readable");
        let count = |kind: usize| {
            let at = 8 * (1 + 2 * KINDS.len() + kind);
            u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
        };
        std::array::from_fn(|kind| (KINDS[kind], count(kind)))
    }
}
