//! Going on with what has failed.

use crate::client::{Backend, Client};
use crate::kernel::bounds::check_reason;
use crate::kernel::engine::event::{Event, Turn};
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::machine::answers::{not_found, wrong_state};
use crate::store::{Append, Batch, Instance, Lookup, Query, State, Status, StoreResult, Stored, Timestamp, Update};

impl Client {
    /// Continues a failed orchestration: what failed is tried again, and what completed is kept.
    ///
    /// Failed activities start again with their first attempt. Failed sub-orchestrations, and those that ended because of the failure, are
    /// rewound first in the same way. Where the code had reacted to a failure, it decides again.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when it has not failed, or failed with entities locked;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) from a store of your own that does not support it;
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), or an error from the store.
    ///
    /// ```standalone_crate
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// static LINE_IS_UP: AtomicBool = AtomicBool::new(false);
    ///
    /// #[dacapo::activity]
    /// async fn send(text: String) -> dacapo::Result<usize> {
    ///     if LINE_IS_UP.load(Ordering::SeqCst) { Ok(text.len()) } else { Err(dacapo::Error::msg("the line is down")) }
    /// }
    ///
    /// #[dacapo::orchestrator]
    /// async fn report() -> dacapo::Result<usize> { send("all is well".into()).await }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let run = runtime.start(report()).id("monday").await?;
    /// assert!(run.result().await.is_err());
    /// LINE_IS_UP.store(true, Ordering::SeqCst);
    /// runtime.rewind("monday", "the line is up again").await?;
    /// assert_eq!(run.result().await?, 11);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// This method is not cancel safe: when its future is dropped before it completes, some of the sub-orchestrations may have been rewound
    /// without their caller. Call it again; the caller comes last, so until then it has failed and can be rewound.
    pub async fn rewind(&self, id: &str, reason: &str) -> Result<(), RuntimeError> {
        check_reason(reason)?;
        let root = self.find(id).await?;
        if root.state.status != Status::Failed {
            let why = format!("only a failed orchestration can be rewound, and it is {}", root.state.status);
            return Err(wrong_state("rewind", id, &why));
        }
        let mut family = vec![root];
        let mut next = 0;
        while let Some(instance) = family.get(next) {
            let statuses = vec![Status::Failed, Status::Terminated];
            let query = Query { parent: Some(instance.id.clone()), statuses, limit: u32::MAX as usize, ..Query::default() };
            family.extend(self.ask(async move |store| store.query(query).await).await?);
            next += 1;
        }
        // Callers last: until then a crash leaves the root failed, to be rewound once more.
        for instance in family.iter().rev() {
            self.rewind_one(instance, reason).await?;
        }
        Ok(())
    }

    async fn rewind_one(&self, instance: &Instance, reason: &str) -> StoreResult<()> {
        let which = Lookup::Key(instance.key);
        let stored = self.ask(async move |store| store.load(which).await).await?.ok_or_else(|| not_found(&instance.id))?;
        if stored.instance.state.status != instance.state.status {
            return Err(rewound_meanwhile(&instance.id));
        }
        if let Some(entities) = held(&stored.history) {
            let why = format!(
                "it failed in a critical section of {}, which ended with it and cannot be entered again in its middle; restart it instead",
                entities.join(", ")
            );
            return Err(wrong_state("rewind", &instance.id, &why));
        }
        let event = Event::ExecutionRewound { reason: reason.to_owned() };
        let mut batch = after_its_end(&stored, event.clone(), Status::Running, self.now());
        let woken = match &self.backend {
            Backend::Worker(worker) => Some((worker.clone(), instance.id.clone())),
            // The message makes the worker look at the instance; in its history the event stands already.
            Backend::Store(_) => {
                batch.post.push((instance.key, event));
                None
            }
        };
        // The history has grown since if somebody else has rewound it, or has terminated it to replace it.
        let follows =
            |error: RuntimeError| if error.kind() == ErrorKind::Invalid { rewound_meanwhile(&instance.id) } else { error };
        let wake = move || {
            if let Some((worker, id)) = woken {
                worker.wake(&id);
            }
        };
        self.apply_then(batch, wake).await.map(drop).map_err(follows)
    }
}

fn rewound_meanwhile(id: &str) -> RuntimeError {
    wrong_state("rewind", id, "it was rewound or replaced by somebody else just now")
}

/// A turn of one event behind the last one of a run that has ended. It is refused if the history has grown since it was read.
pub(super) fn after_its_end(ended: &Stored, event: Event, status: Status, at: Timestamp) -> Batch {
    let Instance { key: instance, ref state, .. } = ended.instance;
    let number = u32::try_from(ended.history.len()).unwrap_or(u32::MAX).saturating_add(1);
    let state = State { status, busy: status == Status::Running, ..state.clone() };
    Batch {
        append: Some(Append { instance, number, turn: Turn { at, events: vec![event] } }),
        update: Some(Update { instance, state }),
        ..Batch::default()
    }
}

/// The entities that were locked at the end of a history.
fn held(history: &[Turn]) -> Option<&[String]> {
    let events = || history.iter().flat_map(|turn| &turn.events);
    let is_open = |lock| !events().any(|event| matches!(event, Event::EntityUnlockSent { lock: ended, .. } if *ended == lock));
    events().find_map(|event| match event {
        Event::EntityLockRequested { id, entities, .. } if is_open(*id) => Some(entities.as_slice()),
        _ => None,
    })
}
