//! The same test again and again: with crashes, and with answers in another order.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use crate::testing::driver::Driver;
use crate::testing::harness::Harness;
use crate::testing::schedule::Schedule;

/// Runs a scenario once as it is, and then once for every commit of it with a crash right after that commit, and requires the same
/// result each time. Gives that result.
///
/// A scenario starts orchestrations on the harness it is given, raises events, and returns what is to be the same, or asserts it. Each
/// run has a harness of its own. At a crash the runtime is dropped, with everything that is in memory; a new one goes on with what
/// was committed. An attempt that was under way is made again, so a mock may be asked twice under one
/// [`idempotency_key`](crate::activity::idempotency_key).
///
/// # Panics
/// When a run fails or returns something else, naming the commit; and with the panic of the scenario, when it fails without a crash.
///
/// ```standalone_crate
/// use dacapo::testing::crash_everywhere;
///
/// #[dacapo::activity]
/// async fn charge(amount: u32) -> u32 { amount }
///
/// #[dacapo::orchestrator]
/// async fn pay(amounts: (u32, u32)) -> u32 {
///     let first = charge(amounts.0).await;
///     charge(amounts.1 + first).await
/// }
///
/// let paid = crash_everywhere(|harness| {
///     harness.mock(charge, |amount| amount + 1);
///     harness.run(pay((1, 2))).unwrap()
/// });
/// assert_eq!(paid, 5);
/// ```
#[track_caller]
pub fn crash_everywhere<R: PartialEq + Debug>(scenario: impl Fn(&Harness) -> R) -> R {
    let plain = Outcome::of(&scenario, Schedule::of(Vec::new()), BTreeSet::new(), false);
    let expected = plain.result.unwrap_or_else(|panic| resume_unwind(panic));
    for (number, commit) in (1..).zip(&plain.commits) {
        let run = Outcome::of(&scenario, Schedule::of(Vec::new()), BTreeSet::from([number]), true);
        if let Some(difference) = run.differs_from(&expected) {
            panic!(
                "a crash changes what happens: after commit {number} of {}, {commit}\n{difference}\n  usual causes: the orchestrator keeps \
                 something outside its arguments and the results of its calls, such as a `static` or a cache, or an activity is not \
                 prepared to be run again",
                plain.commits.len()
            );
        }
    }
    expected
}

/// Runs a scenario in 100 schedules, as [`Explore`] does. Gives the result they all have.
///
/// # Panics
/// With the shortest schedule that changes what happens.
#[track_caller]
pub fn explore<R: PartialEq + Debug>(scenario: impl Fn(&Harness) -> R) -> R {
    Explore::new().run(scenario)
}

/// Runs a scenario in many schedules: in each the answers of activities that are under way together come in another order, and in
/// every second one the process crashes somewhere. All must end as the run with answers in the order of the calls and no crash.
///
/// Schedules are drawn from a seed. One that changes what happens is made as short as can be and shown with its seed.
/// Time passes only when no answer is left, so an answer never comes too late for a timer; for that there is
/// [`mock_never`](Harness::mock_never).
///
/// ```standalone_crate
/// use dacapo::testing::Explore;
/// use futures::future::join_all;
///
/// #[dacapo::activity]
/// async fn price(item: u32) -> u32 { item }
///
/// #[dacapo::orchestrator]
/// async fn total(items: Vec<u32>) -> u32 { join_all(items.into_iter().map(price)).await.iter().sum() }
///
/// let total = Explore::new().seed(7).schedules(20).run(|harness| {
///     harness.mock(price, |item| item * 10);
///     harness.run(total(vec![1, 2, 3])).unwrap()
/// });
/// assert_eq!(total, 60);
/// ```
#[must_use = "nothing is explored until `.run(scenario)`"]
#[derive(Clone, Copy, Debug)]
pub struct Explore {
    seed: u64,
    schedules: u64,
}

impl Default for Explore {
    fn default() -> Self {
        Self::new()
    }
}

impl Explore {
    /// 100 schedules from seed 0: the same in every run of the test.
    pub const fn new() -> Self {
        Self { seed: 0, schedules: 100 }
    }

    /// The seed of the first schedule; the next one has the next seed.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many schedules are tried.
    pub const fn schedules(mut self, schedules: u64) -> Self {
        self.schedules = schedules;
        self
    }

    /// Runs the scenario. Gives the result that all schedules have.
    ///
    /// # Panics
    /// With the shortest schedule that changes what happens; and with the panic of the scenario, when it fails as it is.
    #[track_caller]
    pub fn run<R: PartialEq + Debug>(self, scenario: impl Fn(&Harness) -> R) -> R {
        let plain = Outcome::of(&scenario, Schedule::of(Vec::new()), BTreeSet::new(), false);
        let expected = plain.result.unwrap_or_else(|panic| resume_unwind(panic));
        for seed in (0..self.schedules).map(|index| self.seed.wrapping_add(index)) {
            let crashes = crash_of(seed, plain.commits.len());
            let run = Outcome::of(&scenario, Schedule::seeded(seed), crashes.clone(), true);
            if run.differs_from(&expected).is_none() {
                continue;
            }
            let (difference, story) = shortest(&scenario, &expected, run.taken.clone(), crashes)
                .unwrap_or_else(|| (run.differs_from(&expected).unwrap_or_default(), run.story()));
            panic!(
                "what happens depends on the order of answers, or on a crash\n{difference}\n  the shortest schedule that shows it, from \
                 seed {seed}:\n{story}\n  run it again with `Explore::new().seed({seed}).schedules(1).run(..)`"
            );
        }
        expected
    }
}

/// Every second seed has a crash, after one of so many commits.
fn crash_of(seed: u64, commits: usize) -> BTreeSet<usize> {
    let number = 1 + (seed / 2) % (commits.max(1) as u64);
    (seed % 2 == 1).then(|| usize::try_from(number).unwrap_or(1)).into_iter().collect()
}

/// Takes out of a schedule that changes what happens whatever it can do without.
fn shortest<R: PartialEq + Debug>(
    scenario: &impl Fn(&Harness) -> R,
    expected: &R,
    mut choices: Vec<usize>,
    mut crashes: BTreeSet<usize>,
) -> Option<(String, String)> {
    let fails = |choices: &[usize], crashes: &BTreeSet<usize>| {
        let run = Outcome::of(scenario, Schedule::of(choices.to_vec()), crashes.clone(), true);
        run.differs_from(expected).map(|difference| (difference, run.story()))
    };
    let mut found = fails(&choices, &crashes)?;
    if let Some(without) = fails(&choices, &BTreeSet::new()) {
        crashes.clear();
        found = without;
    }
    // What is given up first is half of what is left, then smaller parts, at last single decisions.
    let mut part = choices.len();
    while part > 0 {
        for start in (0..choices.len()).step_by(part) {
            let end = (start + part).min(choices.len());
            if choices[start..end].iter().all(|choice| *choice == 0) {
                continue;
            }
            let mut fewer = choices.clone();
            fewer[start..end].fill(0);
            if let Some(still) = fails(&fewer, &crashes) {
                (choices, found) = (fewer, still);
            }
        }
        part /= 2;
    }
    Some(found)
}

/// What came of one run of a scenario.
struct Outcome<R> {
    result: Result<R, Box<dyn Any + Send>>,
    commits: Vec<String>,
    taken: Vec<usize>,
    told: Vec<String>,
    crashes: BTreeSet<usize>,
}

impl<R: PartialEq + Debug> Outcome<R> {
    fn of(scenario: &impl Fn(&Harness) -> R, schedule: Schedule, crashes: BTreeSet<usize>, quiet: bool) -> Self {
        let harness = Harness::driven_by(Driver::new(schedule, crashes.clone()));
        let result = quietly(quiet, || catch_unwind(AssertUnwindSafe(|| scenario(&harness))));
        let driver = &harness.driver;
        let commits = driver.commits.told();
        let schedule = driver.schedule();
        Self { result, commits, taken: schedule.taken(), told: schedule.told(), crashes }
    }

    /// Both results, when they are not the same.
    fn differs_from(&self, expected: &R) -> Option<String> {
        let now = match &self.result {
            Ok(result) if result == expected => return None,
            Ok(result) => format!("{result:?}"),
            Err(panic) => format!("panicked: {}", crate::kernel::failure::Failure::panic(&**panic).message()),
        };
        Some(format!("  without: {expected:?}\n  with:    {now}"))
    }

    /// What was not as usual.
    fn story(&self) -> String {
        let crash = |number: &usize| {
            let commit = self.commits.get(number - 1).map_or("the last", String::as_str);
            format!("a crash after commit {number}, {commit}")
        };
        let steps = self.told.iter().cloned().chain(self.crashes.iter().map(crash));
        (1..).zip(steps).map(|(number, step)| format!("    {number}. {step}")).collect::<Vec<_>>().join("\n")
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` without the panic messages of this thread: a schedule that fails is told of once, when it is the shortest.
fn quietly<T>(quiet: bool, work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    if !quiet {
        return work();
    }
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let outcome = work();
    QUIET.set(before);
    outcome
}
