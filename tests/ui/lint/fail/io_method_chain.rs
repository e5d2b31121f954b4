//! A file that is opened by a type of `std::fs`, through `self`.

use std::fs::{self, File};
use std::io::Read as _;

#[dacapo::orchestrator]
async fn load(path: String) -> dacapo::Result<String> {
    let mut text = String::new();
    File::open(&path)?.read_to_string(&mut text)?;
    fs::remove_file(path)?;
    Ok(text)
}

fn main() {}
