//! The machines as lists of inputs and what they bring about, without an executor, a store or a thread.
//!
//! [`stage`] steps the machine of an orchestration and [`entity_stage`] that of an entity. They do what the machine asks for, or stop
//! there, so that a test brings something in the middle of a load, a turn or a commit.
//!
//! # The races of the integration tests, as lists of inputs
//!
//! `tests/faults.rs`:
//! * the disk that fails: `starts::a_refused_start_…`; that a turn is written again and again is the shell's
//! * nothing leaves before it is durable: `starts::nothing_leaves_…`, `commits::nothing_…`, `attempts::an_attempt_is_cancelled_…`,
//!   `operations::an_operation_is_answered_…`
//! * the worker that was replaced: `commits::a_turn_that_does_not_follow_…`, `commits::attempts_end_…`
//! * the crash right after an end: `children::the_end_of_a_run_…`, `aside::the_end_of_a_suspended_run_…`
//! * the run that is rewound while it is read: `loading::what_comes_for_a_run_that_is_rewound_…`, `loading::what_comes_after_…`
//! * the shutdown in the middle of a replay: `loading::a_stop_in_the_middle_…`, and of anything else: `leaving`, `places::a_stop_…`
//!
//! `tests/entity_locks.rs`:
//! * locks in opposite orders: `locks::a_lock_of_several_…`, `locks::others_wait_…`, `entity_calls::a_lock_is_asked_for_in_one_order_…`
//! * the lock that ends with its holder, however that ends: `entity_calls::whatever_ends_a_run_…`, `entity_calls::a_run_that_is_ended_…`,
//!   `locks::a_lock_whose_holder_has_ended_…`, `locks::a_lock_survives_a_restart`
//! * the wait that is given up: `locks::a_wait_for_a_lock_…`, `entity_calls::whatever_ends_a_run_…`
//! * the one that ended in the queue: `locks::a_lock_is_not_left_to_one_that_ended_in_the_queue`
//! * the dead run whose id is used again: `locks::a_run_under_a_used_id_…`, `locks::only_its_holder_…`
//! * the answer to the run before: `entity_calls::a_run_under_a_used_id_…`, `entity_calls::the_grant_of_a_lock_of_another_run_…`
//!
//! `tests/rewind.rs`:
//! * what runs again, and what does not: `loading::a_rewound_run_tries_again_…`, `loading::a_rewind_that_was_read_…`
//! * the children: `loading::a_rewound_run_looks_for_…`, `children::after_a_reload_…`, `children::the_end_of_an_earlier_instance_…`
//! * starts that take the place of what is rewound: `starts::what_came_for_a_start_that_is_refused_…`, `starts::what_was_meant_…`,
//!   `turns::an_end_stops_…`, `turns::an_attempt_that_ends_after_…`, `commits::a_turn_that_does_not_follow_…`
//!
//! `tests/purge.rs` is about stores and clients; the purges that a machine takes part in, those of entities, are in `purges`.

mod aside;
mod attempts;
mod children;
mod commits;
mod continuing;
mod entity_calls;
mod entity_stage;
mod events;
mod functions;
mod kept;
mod leaving;
mod loading;
mod locks;
mod operations;
mod parking;
mod places;
mod process;
mod purges;
mod seen;
mod stage;
mod starts;
mod turns;
