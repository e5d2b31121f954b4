//! A helper that starts a thread.

use std::thread;

fn in_background(name: &str) {
    let name = name.to_owned();
    thread::spawn(move || println!("{name}"));
}

#[dacapo::orchestrator]
async fn greet(name: String) -> String {
    in_background(&name);
    name
}

fn main() {}
