//! What every [`Store`] promises, as checks that run against any of them.
//!
//! ```
//! use std::sync::Arc;
//! use dacapo::store::{MemoryStore, Store};
//! use dacapo::testing::store_conformance;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let stores = std::cell::RefCell::new(std::collections::HashMap::<String, MemoryStore>::new());
//! store_conformance::check(async |name| {
//!     let mut stores = stores.borrow_mut();
//!     Arc::new(stores.entry(name.to_owned()).or_default().clone()) as Arc<dyn Store>
//! })
//! .await;
//! # });
//! ```

mod batches;
mod given;
mod inbox;
mod lists;
mod views;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::kernel::failure::Failure;
use crate::store::Store;

/// How long a store may take for one rule, so that a check of one that does not answer ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// One store as two processes have it.
struct Views {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
}

type Check = for<'a> fn(&'a Views) -> BoxFuture<'a, ()>;

macro_rules! rules {
    ($($module:ident: $($rule:ident $(($other:ident))?)*;)*) => {
        const RULES: &[(&str, Check)] =
            &[$($((stringify!($rule), |views| $module::$rule(&*views.store $(, &*views.$other)?).boxed()),)*)*];
    };
}

rules! {
    batches:
        what_was_written_is_read_back
        an_answer_comes_after_its_batch_can_be_read(other)
        a_batch_is_applied_as_a_whole
        a_refused_batch_changes_nothing
        a_history_is_dense
        an_execution_takes_the_place_of_the_one_before
        out_of_line_values_live_as_long_as_their_history
        an_id_belongs_to_one_instance
        a_key_is_given_once
        an_older_claim_is_refused
        a_claim_tells_what_its_worker_can_run(other)
        a_census_counts_what_has_not_ended_by_its_code
        batches_that_come_together_are_all_answered
        a_close_writes_what_is_queued(other);
    inbox:
        messages_wait_in_order_until_they_are_consumed
        messages_wait_with_an_instance_that_is_set_aside
        what_is_told_by_id_reaches_the_unfinished_only
        the_last_heartbeat_is_kept_until_it_is_deleted
        what_has_to_run_is_found
        a_start_that_is_not_due_is_left_alone;
    lists:
        a_query_lists_in_its_order_page_by_page
        counts_are_of_orchestrations_by_status
        a_purge_leaves_nothing_and_touches_nothing_unfinished
        an_entity_is_purged_unless_a_message_waits_for_it
        a_family_is_purged_only_when_all_of_it_has_ended;
    views:
        a_worker_hears_of_a_client_and_a_client_of_the_worker(other)
        one_worker_at_a_time_has_a_store(other);
}

/// Checks every rule, each on a store of its own.
///
/// `open` opens the store of a name, as a process that starts does: an empty one for a new name, and another view of the same one for a
/// name that it has had before. Needs tokio's timer.
///
/// # Panics
/// If a rule is broken, with the names of all those that are.
pub async fn check(open: impl AsyncFn(&str) -> Arc<dyn Store>) {
    check_within(PATIENCE, open).await;
}

/// Checks every rule as [`check`] does, with another limit than a minute for each.
///
/// # Panics
/// If a rule is broken, with the names of all those that are.
pub async fn check_within(patience: Duration, open: impl AsyncFn(&str) -> Arc<dyn Store>) {
    let mut broken = Vec::new();
    for (rule, check) in RULES {
        let views = Views { store: open(rule).await, other: open(rule).await };
        let kept = AssertUnwindSafe(tokio::time::timeout(patience, check(&views))).catch_unwind().await;
        match kept {
            Ok(Ok(())) => {}
            Ok(Err(_)) => broken.push(format!("`{rule}`: the store took longer than {patience:?}")),
            Err(panic) => broken.push(format!("`{rule}`: {}", Failure::panic(&*panic).message())),
        }
    }
    assert!(broken.is_empty(), "the store breaks {} of {} rules\n\n{}", broken.len(), RULES.len(), broken.join("\n\n"));
}
