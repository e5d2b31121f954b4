//! Every correct orchestrator of `pass/` in one crate: all of them are type-checked at the cost of one build.
#![allow(dead_code, unused)]

#[path = "pass/address_values.rs"]
mod address_values;
#[path = "pass/await_in_loop_allowed.rs"]
mod await_in_loop_allowed;
#[path = "pass/await_in_loop_asserted.rs"]
mod await_in_loop_asserted;
#[path = "pass/await_in_loop_batches.rs"]
mod await_in_loop_batches;
#[path = "pass/await_in_loop_builds_calls.rs"]
mod await_in_loop_builds_calls;
#[path = "pass/await_in_loop_loop_carried.rs"]
mod await_in_loop_loop_carried;
#[path = "pass/await_in_loop_odd_rest.rs"]
mod await_in_loop_odd_rest;
#[path = "pass/await_in_loop_results_decide.rs"]
mod await_in_loop_results_decide;
#[path = "pass/await_in_loop_sequential.rs"]
mod await_in_loop_sequential;
#[path = "pass/await_in_loop_started_before.rs"]
mod await_in_loop_started_before;
#[path = "pass/await_in_loop_streams.rs"]
mod await_in_loop_streams;
#[path = "pass/await_in_loop_time_and_events.rs"]
mod await_in_loop_time_and_events;
#[path = "pass/await_one_by_one_one_of_two.rs"]
mod await_one_by_one_one_of_two;
#[path = "pass/await_one_by_one_together.rs"]
mod await_one_by_one_together;
#[path = "pass/clock_allowed.rs"]
mod clock_allowed;
#[path = "pass/clock_arithmetic.rs"]
mod clock_arithmetic;
#[path = "pass/clock_in_activity.rs"]
mod clock_in_activity;
#[path = "pass/clock_own_type.rs"]
mod clock_own_type;
#[path = "pass/clock_shadowed_import.rs"]
mod clock_shadowed_import;
#[path = "pass/clock_trait_methods.rs"]
mod clock_trait_methods;
#[path = "pass/environment_constant.rs"]
mod environment_constant;
#[path = "pass/hash_order_free.rs"]
mod hash_order_free;
#[path = "pass/hash_order_inside.rs"]
mod hash_order_inside;
#[path = "pass/hash_order_lookups.rs"]
mod hash_order_lookups;
#[path = "pass/hash_order_own_type.rs"]
mod hash_order_own_type;
#[path = "pass/hash_order_sorted.rs"]
mod hash_order_sorted;
#[path = "pass/identity_own_type.rs"]
mod identity_own_type;
#[path = "pass/identity_recorded.rs"]
mod identity_recorded;
#[path = "pass/identity_side_effect.rs"]
mod identity_side_effect;
#[path = "pass/io_in_activity.rs"]
mod io_in_activity;
#[path = "pass/io_included.rs"]
mod io_included;
#[path = "pass/race_allowed.rs"]
mod race_allowed;
#[path = "pass/race_durable.rs"]
mod race_durable;
#[path = "pass/race_futures_join.rs"]
mod race_futures_join;
#[path = "pass/random_own_module.rs"]
mod random_own_module;
#[path = "pass/random_seeded.rs"]
mod random_seeded;
#[path = "pass/real_01_order.rs"]
mod real_01_order;
#[path = "pass/real_02_billing.rs"]
mod real_02_billing;
#[path = "pass/real_03_etl.rs"]
mod real_03_etl;
#[path = "pass/real_04_provisioning.rs"]
mod real_04_provisioning;
#[path = "pass/real_05_approval.rs"]
mod real_05_approval;
#[path = "pass/real_06_polling.rs"]
mod real_06_polling;
#[path = "pass/real_07_saga.rs"]
mod real_07_saga;
#[path = "pass/real_08_agent.rs"]
mod real_08_agent;
#[path = "pass/real_09_import.rs"]
mod real_09_import;
#[path = "pass/real_10_paging.rs"]
mod real_10_paging;
#[path = "pass/real_11_rate_limited.rs"]
mod real_11_rate_limited;
#[path = "pass/real_12_map_reduce.rs"]
mod real_12_map_reduce;
#[path = "pass/real_13_human_review.rs"]
mod real_13_human_review;
#[path = "pass/real_14_escalation.rs"]
mod real_14_escalation;
#[path = "pass/real_15_children.rs"]
mod real_15_children;
#[path = "pass/real_16_compensation.rs"]
mod real_16_compensation;
#[path = "pass/real_17_leader_worker.rs"]
mod real_17_leader_worker;
#[path = "pass/real_18_quorum.rs"]
mod real_18_quorum;
#[path = "pass/real_19_watchdog.rs"]
mod real_19_watchdog;
#[path = "pass/real_20_cron.rs"]
mod real_20_cron;
#[path = "pass/real_21_state_machine.rs"]
mod real_21_state_machine;
#[path = "pass/real_22_failover.rs"]
mod real_22_failover;
#[path = "pass/real_23_rolling_deploy.rs"]
mod real_23_rolling_deploy;
#[path = "pass/real_24_signup.rs"]
mod real_24_signup;
#[path = "pass/real_25_dag.rs"]
mod real_25_dag;
#[path = "pass/real_26_summarize.rs"]
mod real_26_summarize;
#[path = "pass/real_27_auction.rs"]
mod real_27_auction;
#[path = "pass/real_28_subscription.rs"]
mod real_28_subscription;
#[path = "pass/real_29_price_compare.rs"]
mod real_29_price_compare;
#[path = "pass/real_30_bisect.rs"]
mod real_30_bisect;
#[path = "pass/real_31_inventory_sync.rs"]
mod real_31_inventory_sync;
#[path = "pass/real_32_document.rs"]
mod real_32_document;
#[path = "pass/real_33_research_agent.rs"]
mod real_33_research_agent;
#[path = "pass/real_34_ledger.rs"]
mod real_34_ledger;
#[path = "pass/real_35_canary.rs"]
mod real_35_canary;
#[path = "pass/real_36_two_phase.rs"]
mod real_36_two_phase;
#[path = "pass/real_37_warmup_cache.rs"]
mod real_37_warmup_cache;
#[path = "pass/real_38_data_export.rs"]
mod real_38_data_export;
#[path = "pass/real_39_moderation.rs"]
mod real_39_moderation;
#[path = "pass/real_40_tournament.rs"]
mod real_40_tournament;
#[path = "pass/shared_state_constants.rs"]
mod shared_state_constants;
#[path = "pass/signature_owned.rs"]
mod signature_owned;
#[path = "pass/sleep_durable.rs"]
mod sleep_durable;
#[path = "pass/spawn_own_function.rs"]
mod spawn_own_function;
#[path = "pass/spawn_started.rs"]
mod spawn_started;
#[path = "pass/unbounded_loop_exits.rs"]
mod unbounded_loop_exits;
#[path = "pass/unchecked_macro_plain.rs"]
mod unchecked_macro_plain;
#[path = "pass/unused_call_other.rs"]
mod unused_call_other;
#[path = "pass/unused_call_values.rs"]
mod unused_call_values;

fn main() {}
