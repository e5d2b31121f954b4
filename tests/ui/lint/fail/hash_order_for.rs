//! A `for` loop over a hash map.

use std::collections::HashMap;

#[dacapo::orchestrator]
async fn names(ages: HashMap<String, u32>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, age) in &ages {
        names.push(format!("{name} {age}"));
    }
    names
}

fn main() {}
