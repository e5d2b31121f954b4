//! Where what becomes of an attempt goes.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::kernel::engine::event::{CallId, Event};
use crate::kernel::payload::Payload;
use crate::kernel::stored::InstanceKey;

/// Where an attempt goes: to an instance here, or to whoever else has asked for it.
pub(crate) trait Sink: Send + Sync {
    /// The instance that called the activity.
    fn instance(&self) -> &Arc<str>;

    /// The attempt has ended: what it said last, and its outcome unless it was cancelled. What follows is done by the future.
    fn ended(
        self: Arc<Self>,
        call: CallId,
        last_heartbeat: Option<Payload>,
        event: Option<Event>,
    ) -> Option<BoxFuture<'static, ()>>;

    /// Keeps what an attempt has said of itself, or forgets it.
    fn heartbeat(&self, instance: InstanceKey, call: CallId, details: Option<Payload>);
}
