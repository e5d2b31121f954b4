//! The attributes of Dacapo: [`#[activity]`](macro@activity), [`#[orchestrator]`](macro@orchestrator) and
//! [`#[entity]`](macro@entity).
//!
//! Use them through the `dacapo` crate.
//!
//! # Code map
//!
//! `args` reads the attribute, `signature` and `owned` judge the signature, `rules` asks `dacapo-lint` about the body, `rewrite`
//! makes the body durable, `expand`, `function` and `recorded` emit the item from its `expansion`, `entity` the operations of an `impl`
//! block, `fallback` emits what is left of a wrong one. Every stage reports to `context`, so that all findings come at once.

mod args;
mod attributes;
mod context;
mod entity;
mod expand;
mod expansion;
mod fallback;
mod function;
mod kind;
mod logging;
mod owned;
mod recorded;
mod rewrite;
mod rules;
mod signature;
mod spans;

use kind::AttributeKind;
use proc_macro::TokenStream;

/// Makes a function an activity: work of any kind, whose result is recorded when an orchestrator calls it.
///
/// ```
/// use dacapo::activity;
///
/// /// Greets one person.
/// #[activity]
/// async fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
/// ```
///
/// The function keeps its name, its arguments and its docs. A call of it is a value, `dacapo::Activity`, that does nothing until it is
/// awaited: in an `#[orchestrator]` the call is recorded and retried as its options say, anywhere else the body just runs, so
/// that a unit test needs no runtime.
///
/// ```
/// # #[dacapo::activity]
/// # async fn greet(name: String) -> String { format!("Hello, {name}!") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(greet("Ada".into()).await, "Hello, Ada!");
/// # }
/// ```
///
/// # The function
///
/// * An `async fn` runs on the executor. A plain `fn` runs on its pool for blocking work.
///
///   ```
///   #[dacapo::activity]
///   fn digest(path: String) -> dacapo::Result<u64> {
///       Ok(std::fs::read(path)?.iter().map(|byte| u64::from(*byte)).sum())
///   }
///   ```
/// * Arguments and result are owned types with serde's `Serialize` and `Deserialize`; at most twelve arguments. They are recorded
///   as JSON: one argument bare, several as an object keyed by parameter name, so that names may not change while runs are
///   open. A parameter that is a pattern is called by its place: `arg0`.
/// * An error type needs `Display`, serde's traits, and `From<dacapo::Failure>` for a panic, a timeout or a cancellation of the
///   call. `dacapo::Result<T>` takes any error by `?`.
/// * It is a free function without generics, found after a restart by its name.
///
/// Docs, `#[cfg]`, `#[deprecated]` and lint levels hold for the public function; other attributes, such as
/// `#[tracing::instrument]`, are put on the body.
///
/// # Arguments
///
/// Values are expressions of the type given, checked where they stand.
///
/// * `retry = dacapo::Retry`: when a failed attempt is made again. Without it there is one attempt.
/// * `retry_if = fn(&Error) -> bool`: which errors of the function are tried again; a panic or a timeout always is. A path or a closure.
///
///   ```
///   # use dacapo::Retry;
///   # use std::time::Duration;
///   #[dacapo::activity(retry = Retry::fixed(Duration::from_secs(1)), retry_if = |error| !error.to_string().contains("404"))]
///   async fn download(url: String) -> dacapo::Result<String> {
///       # Ok(url)
///       // ..
///   }
///   ```
/// * `timeout = Duration`: how long one attempt may take.
/// * `heartbeat_timeout = Duration`: how long one attempt may be without `dacapo::activity::heartbeat`; then it is given up.
/// * `max_concurrent = usize`: how many calls of this activity run at once in one process.
/// * `rate_limit = dacapo::RateLimit`: how often a call of this activity may start in one process: `PerSecond(n)`, `PerMinute(n)`,
///   `PerHour(n)`, evenly spaced.
/// * `limit_key = expression`: what these two are counted by, from the arguments; anything with `Display`. Each key has the whole of
///   both limits, and keys take turns. A key that is idle takes no memory.
///
///   ```
///   use dacapo::{PerMinute, activity};
///
///   #[derive(serde::Serialize, serde::Deserialize)]
///   struct Message { tenant: String, text: String }
///
///   #[activity(max_concurrent = 4, rate_limit = PerMinute(1000), limit_key = message.tenant)]
///   async fn send(message: Message) {}
///   ```
///
///   ```
///   use std::time::Duration;
///   use dacapo::{Retry, activity};
///
///   const NET: Retry = Retry::exponential(Duration::from_secs(5)).max_attempts(3);
///
///   #[activity(retry = NET, timeout = Duration::from_secs(30), max_concurrent = 10)]
///   async fn fetch(url: String) -> dacapo::Result<String> {
///       # Ok(url)
///       // ..
///   }
///   ```
/// * `name = &'static str`: the name in the history, in place of the function's own. With it a function can be renamed while
///   runs are open.
///
///   ```
///   #[dacapo::activity(name = "charge-card")]
///   async fn charge_card_v2(amount: u64) {}
///   ```
/// * `crate = path`: where the library is found, for crates that export it again. It begins with `::` or `crate::`.
///
///   ```
///   mod vendor {
///       pub use dacapo;
///   }
///
///   #[vendor::dacapo::activity(crate = crate::vendor::dacapo)]
///   async fn ping() {}
///   # fn main() {}
///   ```
#[proc_macro_attribute]
pub fn activity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(AttributeKind::Activity, arguments.into(), item.into()).into()
}

/// Makes an `async fn` an orchestrator: a function that decides what is done, and survives crashes by being replayed.
///
/// ```
/// use dacapo::{activity, orchestrator};
/// use futures::future::try_join_all;
///
/// #[activity]
/// async fn price(item: String) -> dacapo::Result<u64> {
///     Ok(item.len() as u64)
/// }
///
/// #[orchestrator]
/// async fn total(items: Vec<String>) -> dacapo::Result<u64> {
///     let prices = try_join_all(items.into_iter().map(price)).await?;
///     Ok(prices.iter().sum())
/// }
/// ```
///
/// The function keeps its name, its arguments and its docs. A call of it is a value, `dacapo::Orchestration`: given to a runtime
/// it starts an instance, awaited in another orchestrator it is a sub-orchestration.
///
/// # The body
///
/// * Only durable futures can be awaited: calls of activities and orchestrators, `dacapo::sleep`, `dacapo::timeout`, events, async blocks of
///   the orchestrator, and the combinators of `futures` over these. Anything else does not compile.
///
///   ```compile_fail
///   #[dacapo::orchestrator]
///   async fn wait() {
///       tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///   }
///   ```
/// * What would differ in a replay (a clock, random numbers, files, the order of a `HashMap`) is refused, and so is a loop that
///   awaits one call after another where nothing flows from one to the next. `#[sequential]` on the loop says it is meant.
///
///   ```
///   # #[dacapo::activity]
///   # async fn notify(name: String) {}
///   #[dacapo::orchestrator]
///   async fn notify_in_turn(names: Vec<String>) {
///       #[sequential]
///       for name in names {
///           notify(name).await;
///       }
///   }
///   ```
/// * Statements of `println!` and its family, `tracing` and `log` events write once: they are silent while the function is
///   replayed. Their arguments are evaluated in every replay, whatever the level, so that what they draw or change stays as it was.
/// * The arguments of known macros (`vec!`, `format!`, `assert!`, `matches!`, `json!`, `join!`, `select!`, ..) are part of the
///   body. An unknown macro may not hold an `.await`; bind the value with `let` first.
/// * Functions and other items inside the body are not part of it.
///
/// Signature and attributes follow the rules of [`#[activity]`](macro@activity); what the body holds across an `.await` is `Send`.
///
/// # Arguments
///
/// * `name = &'static str`: the name in the history, in place of the function's own.
///
///   ```
///   #[dacapo::orchestrator(name = "checkout-v2")]
///   async fn checkout(order: u64) {}
///   ```
/// * `version = u32`: which of several orchestrators of one name this is, 1 where it is not said. An instance goes on with the version it
///   was started with, so the old one stays registered beside the new one until no instance needs it; a new instance takes the
///   highest.
///
///   ```
///   #[dacapo::orchestrator(name = "refund")]
///   async fn refund_1(order: u64) {}
///
///   #[dacapo::orchestrator(name = "refund", version = 2)]
///   async fn refund(order: u64) {}
///   ```
/// * `inline`: a helper that runs inside its caller's history and leaves no trace of its own. It may borrow and be generic.
///
///   ```edition2021
///   # #[dacapo::activity]
///   # async fn price(item: String) -> dacapo::Result<u64> { Ok(item.len() as u64) }
///   #[dacapo::orchestrator(inline)]
///   async fn cheaper(a: &str, b: &str) -> dacapo::Result<u64> {
///       let (a, b) = futures::try_join!(price(a.to_owned()), price(b.to_owned()))?;
///       Ok(a.min(b))
///   }
///
///   #[dacapo::orchestrator]
///   async fn quote(name: String) -> dacapo::Result<u64> {
///       cheaper(&name, "reserve").await
///   }
///   ```
/// * `allow(rule, reason = "…")`: switches one rule off for this orchestrator. Every rule names itself in its message.
///
///   ```
///   #[dacapo::orchestrator(allow(clock, reason = "only printed"))]
///   async fn timed() {
///       println!("started at {:?}", std::time::SystemTime::now());
///   }
///   ```
/// * `crate = path`: where the library is found, as for an activity.
///
/// An orchestrator takes no `retry`, `timeout` or limits: it does no work that could be tried again. Give them to its
/// activities, and a deadline to what it awaits with `dacapo::timeout`.
#[proc_macro_attribute]
pub fn orchestrator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(AttributeKind::Orchestrator, arguments.into(), item.into()).into()
}

/// Makes a type a durable entity: a state for each key, changed by operations that run one at a time.
///
/// ```
/// use dacapo::{entity, orchestrator};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Counter {
///     value: i64,
/// }
///
/// #[entity]
/// impl Counter {
///     fn add(&mut self, n: i64) -> i64 {
///         self.value += n;
///         if self.value % 100 == 0 {
///             Counter::at("hundreds").add(1).signal();
///         }
///         self.value
///     }
///
///     fn get(&self) -> i64 {
///         self.value
///     }
/// }
///
/// #[orchestrator]
/// async fn visit(page: String) -> i64 {
///     Counter::at("all pages").add(1).signal();
///     Counter::at(page).add(1).await
/// }
/// ```
///
/// The block stays as it is. Beside it the type gets `Counter::at(key)`, which names one entity and has every operation as a method:
/// what that gives is a value, `dacapo::EntityCall`. Awaited in an orchestrator it is a recorded call; `.signal()` asks for the
/// operation and waits for nothing, in an orchestrator or in an operation of another entity; `runtime.call(..)` and
/// `runtime.signal(..)` take it from outside; `runtime.state_of::<Counter>(key)` reads the state without asking.
/// `dacapo::lock` keeps several entities for a critical section.
///
/// # The operations
///
/// * Every function of the block is one, and takes `&mut self`, or `&self` where it only reads. Helpers go into another `impl` block.
/// * They are plain functions: an operation waits for nothing. Messages are taken one at a time, those of one sender in their order.
/// * What an operation changes, returns and signals is one transaction with the message that asked for it, so it takes effect once,
///   whenever the process ends. It is not replayed, so it may read a clock or draw a random number; I/O belongs into activities,
///   because a process that is killed before the transaction runs the operation once more.
/// * One that returns an `Err`, or panics, leaves the state as it was and signals nothing; the caller gets the failure.
/// * The type is the state: `Default` is what a key begins with, serde's traits record it. `delete()`, which every entity has unless
///   it declares one of its own, takes the state away.
/// * Arguments and results follow the rules of [`#[activity]`](macro@activity).
///
/// # Arguments
///
/// * `name = &'static str`: the name in the ids of the entities, `@name@key`, in place of the type's in lower case.
/// * `crate = path`: where the library is found, as for an activity.
#[proc_macro_attribute]
pub fn entity(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entity::expand(arguments.into(), item.into()).into()
}
