//! Which functions this process can run, by name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::kernel::entity::EntityRegistration;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::registration::{FunctionKind, Registration};
use crate::store::{Registered, RegisteredKind};

/// How the names of the library's own functions begin.
pub(crate) const OWN: &str = "dacapo:";

/// All functions of a process, found by kind and name.
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
    /// Fails when two functions of one kind share a name; both places are named.
    pub(crate) fn collect(
        automatic: bool,
        more: &[Registration],
        more_entities: &[EntityRegistration],
    ) -> Result<Self, RuntimeError> {
        let mut registry = Self::default();
        let mut conflicts = String::new();
        let found = inventory::iter::<Registration>.into_iter().filter(|_| automatic).copied();
        for registration in found.chain(more.iter().copied()) {
            registry.add(registration, &mut conflicts);
        }
        let found = inventory::iter::<EntityRegistration>.into_iter().filter(|_| automatic).copied();
        for entity in found.chain(more_entities.iter().copied()) {
            registry.add_entity(entity, &mut conflicts);
        }
        if conflicts.is_empty() {
            return Ok(registry);
        }
        let message = format!("function names must be unique, because replay looks functions up by name:{conflicts}");
        Err(RuntimeError::new(ErrorKind::Invalid, message))
    }

    fn add(&mut self, registration: Registration, conflicts: &mut String) {
        let name = registration.name();
        let (there, plural, way_out) = match registration.kind() {
            FunctionKind::Activity => (self.activities.insert(name, registration), "activities", ""),
            FunctionKind::Orchestrator => {
                let there = self.orchestrators.entry(name).or_default().insert(registration.version(), registration);
                (there, "orchestrators", ", or say which is newer with `version = 2`")
            }
        };
        let Some(other) = there.filter(|other| other.site() != registration.site()) else { return };
        let (mut first, mut second) = (other.site(), registration.site());
        if (second.file, second.line) < (first.file, first.line) {
            std::mem::swap(&mut first, &mut second);
        }
        let _ = write!(
            conflicts,
            "\n  two {plural} are named `{name}`: {first} and {second}; rename one with `name = \"…\"`{way_out}"
        );
    }

    fn add_entity(&mut self, entity: EntityRegistration, conflicts: &mut String) {
        let EntityRegistration { name, site, .. } = entity;
        if name.is_empty() || name.contains('@') {
            let _ =
                write!(conflicts, "\n  `{name}` at {site} cannot be the name of an entity; it may not be empty or contain `@`");
        }
        if let Some(other) = self.entities.insert(name, entity).filter(|other| other.site != site) {
            let _ = write!(
                conflicts,
                "\n  two entities are named `{name}`: {} and {site}; rename one with `name = \"…\"`",
                other.site
            );
        }
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
        wrong.map_or(Ok(()), |(activity, why)| {
            let (name, site) = (activity.name(), activity.site());
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
        let versions = self.orchestrators.values().flat_map(BTreeMap::values).filter(|found| !found.name().starts_with(OWN));
        let orchestrators =
            versions.map(|found| Registered::new(RegisteredKind::Orchestrator, found.name(), found.version(), found.shape()));
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
        let versions: Vec<_> = self.versions(name).map(|registration| registration.version().to_string()).collect();
        if versions.is_empty() {
            let known = self.orchestrator_names().join(", ");
            format!("no orchestrator named `{name}` is registered in this process; registered orchestrators: {known}")
        } else {
            format!(
                "version {version} of the orchestrator `{name}` is not registered in this process; registered versions: {}",
                versions.join(", ")
            )
        }
    }
}
