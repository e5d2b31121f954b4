//! Which functions this process can run, by name.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::entity::EntityRegistration;
use crate::kernel::barrier::Guarded;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::function::{Function, Recorded, Returned, Site};
use crate::kernel::limits::Throttle;
use crate::kernel::payload::Payload;
use crate::orchestration::activity::Activity;
use crate::orchestration::child::Orchestration;
use crate::store::{Registered, RegisteredKind};

/// An annotated function without its types: what the engine needs to run it by name.
#[derive(Clone, Copy)]
pub struct Registration {
    role: Role,
    name: &'static str,
    version: u32,
    site: Site,
    shape: u64,
    run: fn(Payload) -> BoxFuture<'static, Recorded>,
    throttle: fn() -> Throttle,
    output: fn() -> TypeId,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} `{}` at {}", self.role, self.name, self.site)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Activity,
    Orchestrator,
}

impl Registration {
    /// Of an activity.
    #[must_use]
    pub const fn activity<F: Function>() -> Self {
        Self::new::<F>(Role::Activity)
    }

    /// Of an orchestrator.
    #[must_use]
    pub const fn orchestrator<F: Function>() -> Self {
        Self::new::<F>(Role::Orchestrator)
    }

    const fn new<F: Function>(role: Role) -> Self {
        Self {
            role,
            name: F::NAME,
            version: F::VERSION,
            site: F::SITE,
            shape: F::SHAPE,
            run: run::<F>,
            throttle: F::throttle,
            output: TypeId::of::<F::Output>,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn shape(&self) -> u64 {
        self.shape
    }

    /// The declared return type.
    pub(crate) fn output(&self) -> TypeId {
        (self.output)()
    }

    pub(crate) fn throttle(&self) -> Throttle {
        (self.throttle)()
    }

    /// The body on recorded input, to its recorded outcome. A panic of the body is a failure.
    pub(crate) fn run(&self, input: Payload) -> BoxFuture<'static, Recorded> {
        (self.run)(input)
    }
}

fn run<F: Function>(input: Payload) -> BoxFuture<'static, Recorded> {
    let body = async move {
        let input = F::decode(&input).map_err(|failure| failure.context(format!("the input of `{}` cannot be read", F::NAME)))?;
        F::Kind::record(F::call(input).await)
    };
    Guarded::new(F::NAME, body).map(|outcome| outcome.unwrap_or_else(Err)).boxed()
}

inventory::collect!(Registration);

/// An annotated function as a value: `greet` itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated function",
    note = "pass the function itself, as in `attach(checkout, id)`; it must carry `#[activity]` or `#[orchestrator]`"
)]
pub trait Callable<Arguments> {
    /// What a call of it gives.
    type Call: Call;

    #[doc(hidden)]
    fn registration(&self) -> Registration {
        Self::Call::REGISTRATION
    }
}

/// What a call of an annotated function gives: [`Activity`] or [`Orchestration`].
pub trait Call {
    #[doc(hidden)]
    const REGISTRATION: Registration;
}

impl<F: Function> Call for Activity<F> {
    const REGISTRATION: Registration = Registration::activity::<F>();
}

impl<F: Function> Call for Orchestration<F> {
    const REGISTRATION: Registration = Registration::orchestrator::<F>();
}

macro_rules! callable {
    ($($argument:ident)*) => {
        impl<G, R: Call, $($argument),*> Callable<($($argument,)*)> for G
        where
            G: Fn($($argument),*) -> R,
        {
            type Call = R;
        }
    };
}

callable!();
callable!(A1);
callable!(A1 A2);
callable!(A1 A2 A3);
callable!(A1 A2 A3 A4);
callable!(A1 A2 A3 A4 A5);
callable!(A1 A2 A3 A4 A5 A6);
callable!(A1 A2 A3 A4 A5 A6 A7);
callable!(A1 A2 A3 A4 A5 A6 A7 A8);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);

/// How the names of the library's own functions begin.
pub(crate) const OWN: &str = "dacapo:";

/// All functions of a process, found by role and name.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    activities: HashMap<&'static str, Registration>,
    /// By name and version.
    orchestrators: HashMap<&'static str, BTreeMap<u32, Registration>>,
    entities: HashMap<&'static str, EntityRegistration>,
}

impl Registry {
    /// Every annotated function that is linked into the binary, and `more`.
    ///
    /// Fails when two functions of one role share a name; both places are named.
    pub(crate) fn collect(
        automatic: bool,
        more: &[Registration],
        more_entities: &[EntityRegistration],
    ) -> Result<Self, RuntimeError> {
        let found = inventory::iter::<Registration>.into_iter().filter(|_| automatic).copied();
        let mut registry = Self::default();
        let mut conflicts = String::new();
        for registration in found.chain(more.iter().copied()) {
            let (there, role, way_out) = match registration.role {
                Role::Activity => (registry.activities.insert(registration.name, registration), "activities", ""),
                Role::Orchestrator => {
                    let versions = registry.orchestrators.entry(registration.name).or_default();
                    (
                        versions.insert(registration.version, registration),
                        "orchestrators",
                        ", or say which is newer with `version = 2`",
                    )
                }
            };
            match there {
                Some(other) if other.site != registration.site => {
                    let (mut first, mut second) = (other.site, registration.site);
                    if (second.file, second.line) < (first.file, first.line) {
                        std::mem::swap(&mut first, &mut second);
                    }
                    let _ = write!(
                        conflicts,
                        "\n  two {role} are named `{}`: {first} and {second}; rename one with `name = \"…\"`{way_out}",
                        registration.name
                    );
                }
                _ => {}
            }
        }
        let found = inventory::iter::<EntityRegistration>.into_iter().filter(|_| automatic).copied();
        for entity in found.chain(more_entities.iter().copied()) {
            if entity.name.is_empty() || entity.name.contains('@') {
                let _ = write!(
                    conflicts,
                    "\n  `{}` at {} cannot be the name of an entity; it may not be empty or contain `@`",
                    entity.name, entity.site
                );
            }
            match registry.entities.insert(entity.name, entity) {
                Some(other) if other.site != entity.site => {
                    let _ = write!(
                        conflicts,
                        "\n  two entities are named `{}`: {} and {}; rename one with `name = \"…\"`",
                        entity.name, other.site, entity.site
                    );
                }
                _ => {}
            }
        }
        if conflicts.is_empty() {
            return Ok(registry);
        }
        let message = format!("a name finds one function when a run is replayed, so it must be unique:{conflicts}");
        Err(RuntimeError::new(ErrorKind::Invalid, message))
    }

    pub(crate) fn activity(&self, name: &str) -> Option<&Registration> {
        self.activities.get(name)
    }

    /// The highest version of an orchestrator: what a new orchestration runs.
    pub(crate) fn orchestrator(&self, name: &str) -> Option<&Registration> {
        self.versions(name).next_back()
    }

    /// One version of an orchestrator: what an orchestration that was started with it goes on with.
    pub(crate) fn version(&self, name: &str, version: u32) -> Option<&Registration> {
        self.orchestrators.get(name)?.get(&version)
    }

    /// The versions of an orchestrator, the lowest first.
    fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Registration> {
        self.orchestrators.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// Fails when the limits of an activity never let it run.
    pub(crate) fn check_limits(&self) -> Result<(), RuntimeError> {
        let wrong = self.activities().find_map(|activity| Some((activity, activity.throttle().wrong()?)));
        wrong.map_or(Ok(()), |(Registration { name, site, .. }, why)| {
            Err(RuntimeError::new(ErrorKind::Invalid, format!("the activity `{name}` at {site} can never run: {why}")))
        })
    }

    pub(crate) fn activities(&self) -> impl Iterator<Item = &Registration> {
        self.activities.values()
    }

    /// An entity type.
    pub(crate) fn entity(&self, name: &str) -> Option<&EntityRegistration> {
        self.entities.get(name)
    }

    /// Everything that can be addressed by name.
    pub(crate) fn registered(&self) -> Vec<Registered> {
        let versions = self.orchestrators.values().flat_map(BTreeMap::values).filter(|found| !found.name.starts_with(OWN));
        let orchestrators =
            versions.map(|found| Registered::new(RegisteredKind::Orchestrator, found.name, found.version, found.shape));
        let entities = self.entities.keys().map(|name| Registered::new(RegisteredKind::Entity, *name, 1, 0));
        orchestrators.chain(entities).collect()
    }

    /// The registered orchestrators' names, sorted, for messages.
    pub(crate) fn orchestrator_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.orchestrators.keys().copied().filter(|name| !name.starts_with(OWN)).collect();
        names.sort_unstable();
        names
    }

    /// Why an orchestration cannot be run here.
    pub(crate) fn not_registered(&self, name: &str, version: u32) -> String {
        let versions: Vec<_> = self.versions(name).map(|registration| registration.version.to_string()).collect();
        if versions.is_empty() {
            let known = self.orchestrator_names().join(", ");
            format!("no orchestrator named `{name}` is registered in this process; those that are: {known}")
        } else {
            format!(
                "version {version} of the orchestrator `{name}` is not registered in this process; those that are: {}",
                versions.join(", ")
            )
        }
    }
}
