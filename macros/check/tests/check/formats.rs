//! How findings are shown to people and to tools.

use crate::fixture::Workspace;
use crate::follow::far_clock;
use serde_json::{Value, json};

fn shown(workspace: &Workspace, format: &str) -> Value {
    let outcome = workspace.run(&["check", "--format", format]);
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

#[test]
fn people_see_the_way_to_what_is_refused() {
    let outcome = far_clock().run(&["check"]);
    let expected = "\
error[clock]: `price` reads a clock
 --> shop/src/orders.rs:5:17
  |
5 |     let total = price_of(&item) + 1;
  |                 ^^^^^^^^ checkout → price → Table::cached_rate → Table::age → Clock::now at rates/src/table.rs:6
  |
 ::: api/src/pricing.rs:5:11
  |
5 |     table.cached_rate(item)
  |           ----------- calls `Table::cached_rate`
  |
 ::: rates/src/table.rs:5:57
  |
5 |     pub fn cached_rate(&self, item: &str) -> u64 { self.age().len() as u64 }
  |                                                         --- calls `Table::age`
6 |     fn age(&self) -> String { format!(\"{:?}\", Clock::now()) }
  |                                                      --- reads a clock
  |
  = note: a replay reads another time than the first run did
  = help: use `dacapo::now()`, the time of the turn
  = help: see `cargo dacapo explain clock`

checked 1 orchestrator in 6 files of 3 packages: 1 error
";
    assert_eq!(outcome.out, expected);
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn the_json_is_as_the_help_describes_it() {
    let place = |file: &str, line: u32, column: u32, length: u32| json!({ "file": file, "line": line, "column": column, "end_line": line, "end_column": column + length });
    let expected = json!({
        "version": 1,
        "findings": [{
            "rule": "clock",
            "level": "error",
            "package": "shop",
            "orchestrator": "checkout",
            "what": "`price` reads a clock",
            "why": "a replay reads another time than the first run did",
            "instead": "use `dacapo::now()`, the time of the turn",
            "at": place("shop/src/orders.rs", 5, 17, 8),
            "chain": [
                { "text": "price", "at": place("shop/src/orders.rs", 5, 17, 8) },
                { "text": "Table::cached_rate", "at": place("api/src/pricing.rs", 5, 11, 11) },
                { "text": "Table::age", "at": place("rates/src/table.rs", 5, 57, 3) },
                { "text": "Clock::now", "at": place("rates/src/table.rs", 6, 54, 3) },
            ],
        }],
        "problems": [],
        "checked": { "packages": 3, "files": 6, "orchestrators": 1 },
    });
    assert_eq!(shown(&far_clock(), "json"), expected);
}

/// The parts of the SARIF 2.1.0 schema that this tool writes: required members, and that references lead somewhere.
#[test]
fn the_sarif_keeps_to_its_schema() {
    let workspace = far_clock().file(
        "api/src/lib.rs",
        "mod pricing; // dacapo: allow(clock) nothing\nmod gone;\npub mod prelude { pub use crate::pricing::price as price_of; }",
    );
    let log = shown(&workspace, "sarif");
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().is_some_and(|schema| schema.ends_with("sarif-2.1.0.json")));
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!((&driver["name"], &run["columnKind"]), (&json!("cargo-dacapo"), &json!("unicodeCodePoints")));
    let rules = driver["rules"].as_array().expect("rules are a list");
    assert_eq!(rules.len(), dacapo_lint::RULES.len() + 1);
    assert!(rules.iter().all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string()));

    let results = run["results"].as_array().expect("results are a list");
    let levels: Vec<&Value> = results.iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["warning", "error"]);
    for result in results {
        let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("an index is a number");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        assert!(is_location(&result["locations"][0]));
    }
    let clock = &results[1];
    assert_eq!(
        clock["locations"][0]["physicalLocation"]["artifactLocation"],
        json!({ "uri": "shop/src/orders.rs", "uriBaseId": "ROOT" })
    );
    let expected = json!({ "startLine": 5, "startColumn": 17, "endLine": 5, "endColumn": 25 });
    assert_eq!(clock["locations"][0]["physicalLocation"]["region"], expected);
    assert_eq!(clock["locations"][0]["logicalLocations"][0]["name"], "checkout");
    let flow = clock["codeFlows"][0]["threadFlows"][0]["locations"].as_array().expect("a flow has locations");
    assert!(flow.iter().all(|step| is_location(&step["location"]) && step["location"]["message"]["text"].is_string()));
    assert_eq!(flow.len(), 4);

    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notification = &invocation["toolExecutionNotifications"][0];
    assert!(notification["message"]["text"].as_str().is_some_and(|text| text.contains("module `gone`")));
    assert!(is_location(&notification["locations"][0]));
}

fn is_location(location: &Value) -> bool {
    let physical = &location["physicalLocation"];
    let uri = physical["artifactLocation"]["uri"].as_str().unwrap_or_default();
    let region = &physical["region"];
    let numbers = ["startLine", "startColumn", "endLine", "endColumn"].map(|name| region[name].as_u64().unwrap_or_default());
    !uri.is_empty() && !uri.contains(['\\', ' ', '#']) && numbers.iter().all(|number| *number > 0)
}

#[test]
fn a_path_in_sarif_is_a_uri() {
    let workspace = Workspace::of("#[path = \"späte züge#1.rs\"] mod late;")
        .file("shop/src/späte züge#1.rs", "#[orchestrator] async fn run(n: u8) { std::process::id(); }");
    let uri = &shown(&workspace, "sarif")["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "shop/src/sp%C3%A4te%20z%C3%BCge%231.rs");
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    assert!(!far_clock().run(&["check"]).out.contains('\u{1b}'));
}
