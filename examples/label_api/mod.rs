//! A stand-in for somebody else's API: it keeps a limit of its own, can be made to misbehave, and counts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde::{Deserialize, Serialize};

/// How the API behaves.
#[derive(clap::Args)]
pub(crate) struct Behavior {
    /// How many calls it takes in a minute, evenly spread; ten may come at once
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: u32,
    /// How long an answer takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Answers every N-th call with 503
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    flaky: Option<u64>,
    /// Cuts the connection of every N-th call in the middle of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    cut: Option<u64>,
}

/// What the API has counted.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) over_limit: u64,
    pub(crate) broken: u64,
    pub(crate) cut: u64,
    pub(crate) most_in_a_minute: usize,
    pub(crate) most_at_once: usize,
}

/// What a call meets.
enum Verdict {
    Answered,
    /// Over the limit, and how long until it would not be.
    OverLimit(Duration),
    Broken,
    Cut,
}

struct Meter {
    behavior: Behavior,
    /// When the bucket of ten will be full again.
    full_at: Instant,
    /// The calls of the last minute, those over the limit included.
    recent: VecDeque<Instant>,
    calls: u64,
    open: usize,
    counts: Counts,
}

impl Meter {
    fn admit(&mut self, now: Instant) -> Verdict {
        self.open += 1;
        self.recent.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        self.recent.push_back(now);
        let counts = &mut self.counts;
        counts.most_at_once = counts.most_at_once.max(self.open);
        counts.most_in_a_minute = counts.most_in_a_minute.max(self.recent.len());
        let interval = Duration::from_secs(60) / self.behavior.per_minute;
        let full_at = self.full_at.max(now) + interval;
        if full_at > now + interval * 10 {
            counts.over_limit += 1;
            return Verdict::OverLimit(full_at - now - interval * 10);
        }
        self.full_at = full_at;
        self.calls += 1;
        let is_turn_of = |every: Option<u64>| every.is_some_and(|every| self.calls.is_multiple_of(every));
        if is_turn_of(self.behavior.flaky) {
            counts.broken += 1;
            return Verdict::Broken;
        }
        if is_turn_of(self.behavior.cut) {
            counts.cut += 1;
            return Verdict::Cut;
        }
        counts.answered += 1;
        Verdict::Answered
    }
}

type Shared = Arc<Mutex<Meter>>;

fn locked(meter: &Shared) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves `POST /label` and `GET /counts`.
pub(crate) async fn serve(listen: SocketAddr, behavior: Behavior) -> dacapo::Result<()> {
    let meter =
        Meter { behavior, full_at: Instant::now(), recent: VecDeque::new(), calls: 0, open: 0, counts: Counts::default() };
    let routes = Router::new().route("/label", post(label)).route("/counts", get(counts));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = crate::serve::on(listener, Duration::from_secs(30));
    Ok(server.serve(routes.with_state(Arc::new(Mutex::new(meter))).into_make_service()).await?)
}

#[derive(Deserialize)]
struct Asked {
    text: String,
}

async fn label(State(meter): State<Shared>, Json(asked): Json<Asked>) -> Response {
    let verdict = locked(&meter).admit(Instant::now());
    let latency = locked(&meter).behavior.latency;
    let _open = Open(meter);
    tokio::time::sleep(Duration::from_millis(latency)).await;
    match verdict {
        Verdict::Answered if asked.text.contains("refund") => Json("complaint").into_response(),
        Verdict::Answered if asked.text.contains('?') => Json("question").into_response(),
        Verdict::Answered => Json("praise").into_response(),
        Verdict::OverLimit(wait) => {
            // The header is in whole seconds.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)]).into_response()
        }
        Verdict::Broken => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Verdict::Cut => {
            let half: [Result<Bytes, _>; 2] = [Ok(Bytes::from_static(b"\"pra")), Err(std::io::Error::other("cut"))];
            Body::from_stream(stream::iter(half)).into_response()
        }
    }
}

/// A call that is not answered yet.
struct Open(Shared);

impl Drop for Open {
    fn drop(&mut self) {
        locked(&self.0).open -= 1;
    }
}

async fn counts(State(meter): State<Shared>) -> Json<Counts> {
    Json(locked(&meter).counts.clone())
}
