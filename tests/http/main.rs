//! The contract of the HTTP API, asked for over a socket.

mod access;
mod entities;
mod filters;
mod history;
mod manage;
mod mount;
mod own_store;
mod routes;
mod server;
mod start;
mod status;
mod stream;
mod trace;

use std::sync::atomic::{AtomicBool, Ordering};

use dacapo::{Event, activity, entity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

const GO: Event<u32> = Event::new("go");

#[activity]
async fn twice(n: u32) -> u32 {
    2 * n
}

/// Doubles everything at once.
#[orchestrator]
async fn fan_out(items: Vec<u32>) -> Vec<u32> {
    dacapo::set_custom_status("doubling");
    join_all(items.into_iter().map(twice)).await
}

#[orchestrator]
async fn waits() -> u32 {
    dacapo::set_custom_status("waiting");
    let n = GO.wait().await;
    dacapo::set_custom_status("heard");
    n + GO.wait().await
}

/// Waits for a sub-orchestration, and then for an event.
#[orchestrator]
async fn calls(child: String) -> u32 {
    let n = waits().id(child).await;
    n + GO.wait().await
}

static IS_UP: AtomicBool = AtomicBool::new(false);

#[activity(retry = dacapo::Retry::none())]
async fn call_line(number: String) -> dacapo::Result<usize> {
    if IS_UP.load(Ordering::SeqCst) { Ok(number.len()) } else { Err(dacapo::Error::msg("the line is down")) }
}

#[orchestrator]
async fn rings() -> dacapo::Result<usize> {
    call_line("110".into()).await
}

#[activity(retry = dacapo::Retry::none())]
async fn charge(card: String) -> dacapo::Result<()> {
    Err(dacapo::Error::msg(if card.is_empty() { "no card" } else { "declined" }))
}

#[orchestrator]
async fn pays(card: String) -> dacapo::Result<()> {
    charge(card).await
}

#[orchestrator]
async fn fails(why: String) -> dacapo::Result<()> {
    Err(dacapo::Error::msg(why))
}

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    value: i64,
    note: String,
}

#[entity]
impl Counter {
    fn add(&mut self, n: i64) -> i64 {
        self.value += n;
        self.value
    }

    fn note(&mut self, text: String) {
        self.note = text;
    }

    fn add_and_note(&mut self, n: i64, text: String) {
        self.value += n;
        self.note = text;
    }

    fn refuse(&mut self, why: String) -> Result<(), String> {
        Err(why)
    }

    fn reset(&mut self) {
        self.value = 0;
    }
}

/// Keeps a counter locked until it hears an event.
#[orchestrator]
async fn locks(key: String) {
    let guard = dacapo::lock(Counter::at(key)).await;
    dacapo::set_custom_status("locked");
    GO.wait().await;
    drop(guard);
}

#[activity]
async fn trace_seen() -> Option<String> {
    dacapo::activity::trace_context().map(|trace| trace.traceparent().to_owned())
}

#[orchestrator]
async fn traced() -> Option<String> {
    trace_seen().await
}
