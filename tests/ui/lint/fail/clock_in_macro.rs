//! Macro arguments are opened: `vec!`, `json!`, `assert!`.

use std::time::SystemTime;

use serde_json::json;

#[dacapo::orchestrator]
async fn log(name: String) -> String {
    let times = vec![SystemTime::now(); 2];
    assert!(times[0] <= SystemTime::now(), "{name}");
    json!({ "name": name, "times": [SystemTime::now()] }).to_string()
}

fn main() {}
