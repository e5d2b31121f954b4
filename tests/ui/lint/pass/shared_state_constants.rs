//! Constants, plain statics, locks and cells of one's own run, and events.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use dacapo::Event;

const LIMITS: [u64; 3] = [1, 2, 3];
static GREETING: &str = "hello";
const APPROVAL: Event<bool> = Event::new("approval");

#[dacapo::orchestrator]
async fn greet(name: String) -> String {
    let tries = {
        let tries = Cell::new(0);
        let seen = RefCell::new(vec![]);
        for limit in LIMITS {
            tries.set(tries.get() + limit);
            seen.borrow_mut().push(limit);
        }
        tries.get() + seen.into_inner().len() as u64
    };
    let shared = Arc::new(Mutex::new(tries));
    if let Ok(mut tries) = shared.lock() {
        *tries += 1;
    }
    let approved = APPROVAL.wait().await;
    format!("{GREETING} {name} {tries} {approved}")
}

fn main() {}
