//! The functions that the simulated runs are made of, and what their machines ask of the process.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::kernel::engine::execution::{Action, Execution};
use crate::kernel::entity::EntityRegistration;
use crate::kernel::failure::{Failure, FailureKind};
use crate::kernel::machine::code::Code;
use crate::kernel::payload::{Payload, Values};
use crate::kernel::registration::Registration;
use crate::kernel::stored::InstanceKey;
use crate::kernel::time::Timestamp;
use crate::orchestration::activity::Activity;
use crate::orchestration::child::Orchestration;
use crate::registry::Registry;
use crate::{Call, EntityId, Event, Function, Retry, activity, entity, orchestrator};

/// What runs wait for; each carries a token of its own.
pub(super) const SIGNAL: Event<String> = Event::new("signal");

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);

/// The simulation decides whether it succeeds.
#[activity]
async fn sim_step(n: u32) -> Result<u32, String> {
    Ok(n + 1)
}

#[activity(retry = Retry::fixed(SHORT).max_attempts(2))]
async fn sim_retried(n: u32) -> Result<u32, String> {
    Ok(n + 1)
}

/// Keeps what is written into it.
#[derive(Default, Serialize, Deserialize)]
struct SimBook {
    entries: Vec<String>,
}

#[entity]
impl SimBook {
    fn write(&mut self, entry: String) -> usize {
        self.entries.push(entry);
        self.entries.len()
    }

    fn pass_on(&mut self, entry: String, to: String) {
        Self::at(to).write(format!("{entry}, passed on")).signal();
        self.entries.push(entry);
    }

    fn refuse(&mut self, entry: String) -> Result<(), String> {
        self.entries.push(entry);
        Err("it is refused".to_owned())
    }

    fn count(&self) -> usize {
        self.entries.len()
    }
}

/// What an orchestrator writes into a book: no two are equal, whichever run or generation writes.
fn entry(what: &str) -> String {
    format!("{}/{}/{what}", crate::instance_id(), crate::new_uuid())
}

#[orchestrator]
async fn sim_chain(n: u32) -> Result<u32, String> {
    let mut sum = 0;
    #[sequential]
    for _ in 0..n {
        sum = sim_retried(sum).await?;
    }
    SimBook::at("a").write(entry("end")).signal();
    Ok(sum)
}

/// Several at once, and a race whose losers are dropped.
#[orchestrator]
async fn sim_race(n: u32) -> Result<u32, String> {
    let all = join_all((0..n).map(sim_step)).await;
    let failed = all.iter().filter(|result| result.is_err()).count() as u32;
    let first = dacapo::select! {
        won = sim_retried(n) => won,
        other = sim_step(n) => other,
        () = dacapo::sleep(SHORT) => Ok(0),
        child = sim_chain(2) => child,
    };
    Ok(first? + failed)
}

#[orchestrator]
async fn sim_waits(n: u32) -> String {
    let first = SIGNAL.wait().await;
    let second = dacapo::timeout(LONG, SIGNAL.wait()).await;
    dacapo::sleep(SHORT).await;
    SimBook::at("b").pass_on(entry("heard"), "a".to_owned()).signal();
    format!("{n}: {first}, {}", second.unwrap_or_default())
}

/// Children that are awaited, tried again, left alone and dropped.
#[orchestrator]
async fn sim_parent(n: u32) -> Result<u32, String> {
    let hot = sim_race(1).start();
    sim_chain(1).detach();
    let dropped = dacapo::timeout(SHORT, sim_waits(n)).await.is_err();
    let retried = sim_flaky(n).retry(Retry::fixed(SHORT).max_attempts(2)).await;
    let raced = hot.await;
    Ok(u32::from(dropped) + retried? + raced.unwrap_or(100))
}

#[orchestrator]
async fn sim_locks(n: u32) -> Result<usize, String> {
    let (first, second) = if n.is_multiple_of(2) { ("a", "b") } else { ("b", "a") };
    let guard = dacapo::timeout(LONG, dacapo::lock((SimBook::at(first), SimBook::at(second)))).await;
    let Ok(guard) = guard else { return Ok(0) };
    let written = SimBook::at(first).write(entry("locked")).await;
    let _ = SimBook::at(second).refuse(entry("refused")).await;
    sim_retried(n).await?;
    SimBook::at(second).write(entry("locked too")).await;
    if n > 1 {
        drop(guard);
        SimBook::at(second).write(entry("outside")).await;
        dacapo::sleep(SHORT).await;
    }
    Ok(written)
}

/// A few generations, each with calls that its end cancels.
#[orchestrator]
async fn sim_generations(n: u32) -> u32 {
    SimBook::at("b").write(entry("generation")).signal();
    if n == 0 {
        return SimBook::at("a").count().await as u32;
    }
    let late = sim_step(n).start();
    let child = sim_chain(1).id(format!("{}-{n}", crate::instance_id())).start();
    let _ = dacapo::select! {
        heard = SIGNAL.wait() => Some(heard),
        () = dacapo::sleep(SHORT) => None,
    };
    let _ = dacapo::timeout(SHORT, child).await;
    if n == 3 {
        let _ = late.await;
    }
    dacapo::continue_as_new(sim_generations(n - 1)).await
}

/// Fails with any of its steps, and can be rewound then.
#[orchestrator]
async fn sim_flaky(n: u32) -> Result<u32, String> {
    SimBook::at("a").write(entry("before")).signal();
    let one = sim_step(n).await?;
    let two = sim_chain(1).await?;
    let (three, four) = dacapo::try_join!(sim_step(two), sim_retried(one))?;
    Ok(one + three + four)
}

/// The orchestrators that clients start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chain,
    Race,
    Waits,
    Parent,
    Locks,
    Generations,
    Flaky,
}

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Chain, Self::Race, Self::Waits, Self::Parent, Self::Locks, Self::Generations, Self::Flaky];

    /// A start of it: the orchestrator and its recorded arguments.
    pub(super) fn request(self, n: u32) -> (Registration, Payload) {
        match self {
            Self::Chain => asked(sim_chain(n)),
            Self::Race => asked(sim_race(n)),
            Self::Waits => asked(sim_waits(n)),
            Self::Parent => asked(sim_parent(n)),
            Self::Locks => asked(sim_locks(n)),
            Self::Generations => asked(sim_generations(n)),
            Self::Flaky => asked(sim_flaky(n)),
        }
    }
}

fn asked<F: Function>(call: Orchestration<F>) -> (Registration, Payload) {
    (registered(&call), call.into_request().0.expect("the arguments are JSON"))
}

fn registered<F: Function>(_: &Orchestration<F>) -> Registration {
    <Orchestration<F> as Call>::REGISTRATION
}

fn activity_of<F: Function>(_: &Activity<F>) -> Registration {
    <Activity<F> as Call>::REGISTRATION
}

/// Whether an orchestrator waits for signals.
pub(super) fn hears(name: &str) -> bool {
    [Kind::Waits, Kind::Generations].into_iter().any(|kind| kind.request(1).0.name() == name)
}

/// The instance id of a book.
pub(super) fn book(key: &str) -> Arc<str> {
    EntityId::new::<SimBook>(key).to_string().into()
}

/// All functions, found by name.
pub(super) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let orchestrators = Kind::ALL.into_iter().map(|kind| kind.request(1).0);
        let activities = [activity_of(&sim_step(1)), activity_of(&sim_retried(1))];
        let all: Vec<_> = orchestrators.chain(activities).collect();
        Registry::collect(false, &all, &[EntityRegistration::of::<SimBook>()]).expect("no two have one name")
    })
}

/// The process as the jobs see it.
pub(super) struct Process {
    pub(super) now: Timestamp,
    /// Whether each turn is replayed on the side.
    pub(super) verifies: bool,
}

impl Code for Process {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn orchestrator(&self, name: &str) -> Option<Registration> {
        registry().orchestrator(name).copied()
    }

    fn version(&self, name: &str, version: u32) -> Option<Registration> {
        registry().version(name, version).copied()
    }

    fn not_registered(&self, name: &str, version: u32) -> String {
        registry().not_registered(name, version)
    }

    fn execution(&self, orchestrator: Registration, id: &Arc<str>) -> Execution {
        Execution::new(orchestrator, id.clone(), Box::new(|| {})).verified(self.verifies)
    }

    fn activity(&self, name: &str, _input: &Payload) -> Result<(Registration, Option<Arc<str>>), Failure> {
        let activity = registry().activity(name).copied();
        activity.map(|activity| (activity, None)).ok_or_else(|| Failure::new(FailureKind::NotRegistered, name))
    }

    fn excess(&self, _what: fmt::Arguments<'_>, _value: &Payload) -> Option<String> {
        None
    }

    fn values(&self) -> Values {
        Values::Shown
    }

    fn deadly(&self, _key: InstanceKey, _id: &str, _pending: &[Action]) -> Option<String> {
        None
    }

    fn forgive(&self, _key: InstanceKey) {}
}
