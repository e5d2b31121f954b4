//! Runs machines in a world that one seed rules, and checks what they promise.
//!
//! The world is a shell without a thread: a store in plain maps, and a bag of what can happen next, from which it takes one thing at a time. So
//! answers, jobs, deliveries, places, timers, evictions, refusals, stops and crashes come in every order that a real shell allows. Batches are
//! applied in the order in which they were sent; what was not applied when the process ends is gone. After a time of trouble everything is let
//! run to its end.
//!
//! Checked all the time: a call has one outcome, and that of a child is how it ended; histories are dense; nothing is answered, started or told
//! before its commit is applied; no message is taken twice or thrown away; a machine has one thing under way at most; nobody writes into a
//! locked entity but the holder of the lock. Checked at the end: every run has ended, every request was answered, every entry that was sent
//! to an entity is in it, and no lock, place, timer, heartbeat or message is left over.
//!
//! A failure prints `DACAPO_SEED=..`; with that variable the test lives through that seed alone and prints each step. `DACAPO_SEEDS=100000`
//! says how many to try.
//!
//! # Faults that it finds
//!
//! Each was put into the machines once, and the seeds tried from 0 on.
//!
//! | fault | first seed that finds it | what it says |
//! |---|---|---|
//! | a request is answered with its commit, not after it | 0 | it is answered before it is in the store |
//! | an entity answers before its commit | 0 | the same |
//! | a commit begins while another is under way | 0 | two things are under way |
//! | attempts that start with a turn are not counted as work | 4 | a run waits for nothing |
//! | a message of the inbox is taken and not consumed | 10 | an event is taken twice |
//! | a retry that is due starts after the end of its run | 28 | an attempt starts after the end |
//! | a parked run keeps the time of its timer | 132 | something goes on for ever |
//! | an instance is evicted with a message in its mailbox | 287 | a request is not answered |
//! | a place is kept by a run that a replay finds at rest | 353 | a place is taken at the end |
//! | a purge that a stop meets is not answered | 374 | a request is not answered |
//! | the end of a child of a replaced run is taken for that of the new one | 405 | a call has the result of another's child |
//! | the lock of a run that ended while it was set aside is kept | 588 | runs do not end |
//! | a retry is started although the result of the call waits in the inbox | 863 | a call is over, and starts |
//! | attempts of a run that has ended go on | 1900 | attempts go on after the end |

mod attempts;
mod calm;
mod clients;
mod entities;
mod ledger;
mod programs;
mod services;
mod shell;
mod store;
mod world;

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

/// Lives through a seed; how to repeat it is printed where it breaks a promise.
fn check(seed: u64, tells: bool) -> u64 {
    catch_unwind(|| calm::live(seed, tells)).unwrap_or_else(|panic| {
        println!("DACAPO_SEED={seed}");
        std::panic::resume_unwind(panic)
    })
}

/// As many seeds as fit into a second, or the one of `DACAPO_SEED`, or as many as `DACAPO_SEEDS` says.
#[test]
fn machines_keep_their_promises_in_every_order() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("it is a number"));
    if let Some(seed) = number("DACAPO_SEED") {
        check(seed, true);
        return;
    }
    let (began, seeds) = (Instant::now(), number("DACAPO_SEEDS"));
    let goes_on = |seed| seeds.map_or_else(|| began.elapsed() < Duration::from_secs(1), |seeds| seed < seeds);
    let (mut seed, mut steps) = (0, 0);
    while goes_on(seed) {
        steps += check(seed, false);
        seed += 1;
    }
    println!("{seed} seeds, {steps} steps, {:?}", began.elapsed());
}
