//! What the calls of an orchestrator ask for.

use crate::kernel::engine::entity::EntityWork;
use crate::kernel::engine::event::CallId;
use crate::kernel::failure::Failure;
use crate::kernel::function::Options;
use crate::kernel::payload::Payload;
use crate::kernel::time::Timestamp;

/// What has to happen for a call to have an outcome.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Activity {
        name: &'static str,
        input: Payload,
        attempts: Attempts,
        not_before: Option<Timestamp>,
    },
    Timer {
        fire_at: Timestamp,
    },
    /// Nobody waits for one without attempts.
    Child {
        name: &'static str,
        input: Payload,
        instance: String,
        attempts: Option<Attempts>,
    },
    SideEffect {
        result: Payload,
    },
    Entity(EntityWork),
}

/// The attempts of a call.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    pub(crate) options: Options,
    /// The number of the attempt that is under way or next, 1 for the first.
    pub(crate) number: u32,
    /// When the call was made.
    pub(crate) since: Timestamp,
}

impl Attempts {
    /// When to try again after the attempt has failed, if at all.
    pub(crate) fn again(&self, instance: &str, call: CallId, failure: &Failure, now: Timestamp) -> Option<Timestamp> {
        if !self.options.retries(failure) {
            return None;
        }
        let name = format!("{instance}\n{call}\n{}", self.number);
        let (high, _) = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair();
        let chance = (high >> 11) as f64 / (1_u64 << 53) as f64;
        let asked = failure.asked_wait().unwrap_or_default();
        self.options.retry.delay_of(self.number, now.since(self.since), chance, asked).map(|delay| now.after(delay))
    }
}

/// A call made during a poll and not yet recorded.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: CallId,
    pub(crate) work: Work,
    pub(crate) at: String,
}
