//! Known macros are opened, and what is awaited in them is durable.

use dacapo::{activity, orchestrator};
use serde_json::json;

#[activity]
async fn price(item: u64) -> u64 {
    item
}

#[activity]
async fn maybe(item: u64) -> Option<u64> {
    Some(item)
}

#[orchestrator]
async fn run(name: String) -> String {
    let list = vec![price(1).await, price(2).await];
    let repeated = vec![price(1).await; 3];
    let text = format!("{name} {} {total:>5}", price(3).await, total = price(4).await);
    assert!(price(5).await > 0, "{name}");
    assert_eq!(price(6).await, 6);
    let matched = matches!(maybe(7).await, Some(n) if n > 1);
    let value = json!({ "price": price(8).await, "list": [price(9).await, null], "name": name });
    println!("{text} {}", price(10).await);
    println!("{text}");
    let nested = vec![format!("{}", price(11).await), vec!["a"; 2].join("")];
    let branches = futures::future::join_all(vec![async { price(12).await }]).await;
    if list.is_empty() {
        println!("empty");
    } else {
        eprintln!("{list:?}")
    }
    match matched {
        true => println!("matched"),
        false => print!("not"),
    }
    format!("{list:?} {repeated:?} {text} {value} {nested:?} {branches:?}")
}

fn main() {
    let _ = run("Ada".into());
}
