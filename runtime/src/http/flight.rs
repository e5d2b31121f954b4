//! How many bytes of bodies and answers are in memory at once.
//!
//! Invariant: what waits for room takes none. An answer that does not fit is dropped, and read again when it has its room; few are
//! read at the same time.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is at most so long never waits.
const SMALL: usize = 64 << 10;

/// How many answers are read and encoded at once, whose length is not known yet.
const READS: usize = 8;

/// The bytes that one permit stands for.
const UNIT: usize = 1 << 10;

/// The room for bodies and answers.
pub(super) struct Flight {
    room: Arc<Semaphore>,
    units: u32,
    reads: Semaphore,
}

/// Whether something of this length never waits.
pub(super) fn is_small(bytes: usize) -> bool {
    bytes <= SMALL
}

/// Room that is taken until it is dropped; none for what is small.
pub(super) type Room = Option<OwnedSemaphorePermit>;

impl Flight {
    pub(super) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { room: Arc::new(Semaphore::new(units as usize)), units, reads: Semaphore::new(READS) }
    }

    /// How many bytes of values a page of a list has at most, but for its last one.
    pub(super) fn longest_page(&self) -> usize {
        self.units as usize * UNIT / 32
    }

    /// What is longer than all the room takes all of it.
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    /// Waits for room, first come, first served.
    pub(super) async fn room(&self, bytes: usize) -> Room {
        if is_small(bytes) {
            return None;
        }
        // The semaphore is never closed.
        self.room.clone().acquire_many_owned(self.units(bytes)).await.ok()
    }

    /// Reads a value of a length that is not known before, and takes room for it.
    pub(super) async fn read<T, E, F>(&self, read: impl Fn() -> F, length: impl Fn(&T) -> usize) -> Result<(T, Room), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let value = self.one_of_few(&read).await?;
        self.fit(value, read, length).await
    }

    async fn one_of_few<F: Future>(&self, read: impl Fn() -> F) -> F::Output {
        let _reads = self.reads.acquire().await;
        read().await
    }

    /// Takes room for a value. Where there is none, the value is read again when there is.
    pub(super) async fn fit<T, E, F>(&self, value: T, read: impl Fn() -> F, length: impl Fn(&T) -> usize) -> Result<(T, Room), E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let bytes = length(&value);
        if is_small(bytes) {
            return Ok((value, None));
        }
        if let Ok(room) = self.room.clone().try_acquire_many_owned(self.units(bytes)) {
            return Ok((value, Some(room)));
        }
        drop(value);
        let room = self.room(bytes).await;
        Ok((self.one_of_few(read).await?, room))
    }

    /// Makes an answer that has room until it is sent.
    pub(super) async fn answer<E, F>(&self, answer: impl Fn() -> F) -> Result<Response, E>
    where
        F: Future<Output = Result<Response, E>>,
    {
        // A stream has no length.
        let length = |answer: &Response| answer.body().size_hint().exact().map_or(0, |bytes| bytes as usize);
        let (answer, room) = self.read(answer, length).await?;
        Ok(match room {
            None => answer,
            Some(room) => held(answer, room).await,
        })
    }
}

/// An answer whose bytes keep their room until the connection has let go of them.
async fn held(answer: Response, room: OwnedSemaphorePermit) -> Response {
    let (parts, body) = answer.into_parts();
    // It is in memory as a whole: nothing waits here, and nothing fails.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    Response::from_parts(parts, Body::from(Bytes::from_owner(Held { bytes, _room: room })))
}

struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::{Body, HttpBody as _, to_bytes};
    use axum::extract::Request;
    use axum::response::Response;
    use futures::StreamExt as _;
    use futures::future::join_all;
    use futures::stream::FuturesUnordered;
    use tokio::time::timeout;
    use tower_service::Service as _;

    use crate::http::Api;
    use crate::{Event, Runtime};

    const GO: Event<()> = Event::new("go");

    #[dacapo_macros::orchestrator(crate = crate)]
    async fn keeps(text: String) -> String {
        GO.wait().await;
        text
    }

    #[dacapo_macros::orchestrator(crate = crate)]
    async fn echoes(text: String) -> String {
        text
    }

    const LONG: usize = 300 << 10;
    const BOUND: u64 = 1 << 20;

    /// A run of a long input that waits, one that has ended, and an API with room for three answers of that length.
    async fn api() -> crate::Result<(Runtime, axum::Router)> {
        let runtime = Runtime::builder("memory:").only_registered().register(keeps).register(echoes).open().await?;
        runtime.start(keeps("x".repeat(LONG))).id("waits").await?.started().await?;
        runtime.start(echoes("x".repeat(LONG))).id("ended").await?.result().await?;
        runtime.start(echoes("x".to_owned())).id("small").await?.result().await?;
        let api = Api::new(runtime.client()).allow_anonymous(true).max_bytes_in_flight(BOUND as usize).router();
        Ok((runtime, api))
    }

    async fn ask(api: &axum::Router, method: &str, path: &str, body: &str) -> Response {
        let request = Request::builder().method(method).uri(format!("/runtime/webhooks/durabletask{path}"));
        let request = request.header("accept", if body == "stream" { "text/event-stream" } else { "*/*" });
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let answer = api.clone().call(request).await.expect("it cannot fail");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer
    }

    async fn length(answer: Response) -> usize {
        to_bytes(answer.into_body(), usize::MAX).await.expect("a whole body").len()
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(30), future).await.expect("each gets its room")
    }

    #[tokio::test]
    async fn answers_above_the_bound_wait_and_are_given_as_ever() -> crate::Result<()> {
        let (_runtime, api) = api().await?;
        let body = format!("\"{}\"", "x".repeat(LONG));
        for (method, path) in [
            ("GET", "/instances/waits"),
            ("GET", "/instances/ended?showInput=false"),
            ("GET", "/instances/waits?showHistory=true"),
            ("GET", "/instances?instanceIdPrefix=waits"),
            ("POST", "/orchestrators/echoes?timeout=20&pollingInterval=1"),
        ] {
            let mut asked: FuturesUnordered<_> = (0..20).map(|_| ask(&api, method, path, &body)).collect();
            let mut held: Vec<_> = soon(asked.next()).await.into_iter().collect();
            while let Ok(Some(answer)) = timeout(Duration::from_millis(200), asked.next()).await {
                held.push(answer);
            }
            let in_flight: u64 = held.iter().filter_map(|answer| answer.body().size_hint().exact()).sum();
            assert!(in_flight <= BOUND, "{path}: {} answers of {in_flight} bytes", held.len());
            soon(ask(&api, "GET", "/instances/small", "")).await;

            let mut lengths = Vec::new();
            for answer in held {
                lengths.push(length(answer).await);
            }
            while let Some(answer) = soon(asked.next()).await {
                lengths.push(length(answer).await);
            }
            assert!(
                lengths.len() == 20 && lengths.iter().all(|bytes| *bytes == lengths[0] && *bytes > LONG),
                "{path}: {lengths:?}"
            );
        }
        Ok(())
    }

    /// An input that is longer than the bound goes in and comes out when nothing else is under way.
    #[tokio::test]
    async fn what_is_longer_than_the_bound_is_alone() -> crate::Result<()> {
        let (_runtime, api) = api().await?;
        let body = format!("\"{}\"", "x".repeat(2 * BOUND as usize));
        let all = join_all((0..6).map(async |_| {
            let path = "/orchestrators/echoes?timeout=20&pollingInterval=1";
            length(ask(&api, "POST", path, &body).await).await
        }));
        assert_eq!(soon(all).await, [body.len(); 6]);
        Ok(())
    }

    #[tokio::test]
    async fn streams_take_turns() -> crate::Result<()> {
        let (runtime, api) = api().await?;
        let all = (0..20).map(async |_| {
            let mut stream = ask(&api, "GET", "/instances/waits", "stream").await.into_body().into_data_stream();
            let mut bytes = 0;
            while let Some(chunk) = stream.next().await {
                bytes += chunk.expect("a chunk").len();
            }
            bytes
        });
        let (all, raised) = soon(futures::future::join(join_all(all), runtime.raise("waits", GO, ()))).await;
        raised?;
        assert!(all.iter().all(|bytes| *bytes > LONG), "{all:?}");
        Ok(())
    }
}
