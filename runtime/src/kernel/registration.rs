//! What the engine needs of an annotated function: its name, its version, and how it is run on recorded input.

use std::any::TypeId;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::barrier::Guarded;
use crate::kernel::function::{Function, Recorded, Returned, Site};
use crate::kernel::limits::Throttle;
use crate::kernel::payload::Payload;

/// An annotated function without its types: what the engine needs to run it by name.
#[derive(Clone, Copy)]
pub struct Registration {
    kind: FunctionKind,
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
        write!(f, "{:?} `{}` at {}", self.kind, self.name, self.site)
    }
}

/// Which attribute a function carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionKind {
    Activity,
    Orchestrator,
}

impl Registration {
    /// Of an activity.
    #[must_use]
    pub const fn activity<F: Function>() -> Self {
        Self::new::<F>(FunctionKind::Activity)
    }

    /// Of an orchestrator.
    #[must_use]
    pub const fn orchestrator<F: Function>() -> Self {
        Self::new::<F>(FunctionKind::Orchestrator)
    }

    const fn new<F: Function>(kind: FunctionKind) -> Self {
        Self {
            kind,
            name: F::NAME,
            version: F::VERSION,
            site: F::SITE,
            shape: F::SHAPE,
            run: run::<F>,
            throttle: F::throttle,
            output: TypeId::of::<F::Output>,
        }
    }

    pub(crate) fn kind(&self) -> FunctionKind {
        self.kind
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Where it is written.
    pub(crate) fn site(&self) -> Site {
        self.site
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
