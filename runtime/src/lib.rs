//! Durable execution for plain async Rust.
//!
//! Annotate functions with [`#[activity]`](macro@activity) and [`#[orchestrator]`](macro@orchestrator); the [`Runtime`] records every
//! decision and result in a history and, after a crash, goes on where it stopped.
//!
//! # Code map
//!
//! * `orchestration/` is what orchestrator code calls: calls, timers, events, the type rule of `.await`.
//! * `kernel/` is what an orchestration is, apart from where it runs: values, events, the replay engine. It knows no tokio, clock,
//!   store or thread.
//! * [`store`] keeps histories: one trait, one write verb, in memory and in SQLite.
//! * `worker/` runs turns and activities; the client and the [`Runtime`] are its doors.
//! * `http/` serves the HTTP API of Durable Functions (feature `http`).
//! * `schedule/` starts runs again and again; a schedule is an orchestration itself.

#[cfg(test)]
extern crate self as dacapo;

pub mod activity;
mod client;
mod clock;
mod entity;
#[cfg(feature = "http")]
pub mod http;
mod kernel;
mod lock;
mod orchestration;
mod registry;
mod runtime;
#[cfg(feature = "schedules")]
mod schedule;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod worker;

pub use dacapo_macros::{activity, entity, orchestrator};

pub use activity::state;
pub use client::{
    Client, Counts, EntityPage, EntityQuery, EntityStatus, Handle, InstanceStatus, Named, Page, Purge, Query, Restart, Resume,
    ReuseId, Start, StatusRequest, Watch,
};
pub use entity::{Entity, EntityId, EntityState};
pub use kernel::error::{Error, ErrorKind, Result, RuntimeError};
pub use kernel::failure::{FailedCall, Failure, FailureKind};
pub use kernel::function::Function;
pub use kernel::limits::RateLimit;
pub use kernel::limits::RateLimit::{PerHour, PerMinute, PerSecond};
pub use kernel::payload::Payload;
pub use kernel::retry::Retry;
pub use kernel::trace::TraceContext;
pub use orchestration::activity::Activity;
pub use orchestration::ambient::{
    instance_id, is_replaying, new_uuid, now, parent_id, patched, rng, set_custom_status, side_effect,
};
pub use orchestration::callable::{Call, Callable};
pub use orchestration::checked::Checked;
pub use orchestration::child::Orchestration;
pub use orchestration::continue_as_new::{ContinueAsNew, continue_as_new};
pub use orchestration::durable::{Block, Durable, DurableStream};
pub use orchestration::entity::{CheckedEntityCall, EntityCall, Lock, LockGuard, Lockset, lock};
pub use orchestration::event::{Event, EventWait};
pub use orchestration::fan_out::{FanOut, TryFanOut, fan_out, try_fan_out};
pub use orchestration::fan_out_rules::{FanOutError, NeedSuccesses, TolerateFailures};
pub use orchestration::timer::{Elapsed, Sleep, Timeout, sleep, sleep_until, timeout};
pub use orchestration::window::Progress;
pub use runtime::{Builder, Runtime};
#[cfg(feature = "schedules")]
pub use schedule::{CatchUp, Overlap, PlanSchedule, Schedule, ScheduleDescription, Timetable};
pub use store::{Census, Codec, Payloads, Status};
pub use worker::Retention;

/// What the attributes emit. Not for users; may change with any version.
#[doc(hidden)]
pub mod __private {
    pub use {futures, inventory};

    pub use crate::orchestration::branches::First;

    pub use crate::activity::blocking;
    pub use crate::entity::{Delete, EntityOperation};
    pub use crate::kernel::entity::EntityRegistration;
    pub use crate::kernel::failure::Failure;
    pub use crate::kernel::function::{
        Codec, Decoder, Distinct, Encoder, ErrorProbe, Function, IsDistinct, Kind, NotResult, NotStdError, Options, Probe,
        Recorded, Returned, Sides, Site, Stored, StoredError,
    };
    pub use crate::kernel::limits::{LimitKey, Throttle};
    pub use crate::kernel::payload::Payload;
    pub use crate::kernel::registration::Registration;
}

/// The README's program compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
