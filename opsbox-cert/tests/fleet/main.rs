//! Managers with all that belongs to them, against CAs that count: what is gone on with after failures, kills and
//! restarts costs no second order.
//!
//! Without Pebble its trial is ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and its files need not survive a crash"
)]

#[macro_use]
#[path = "../common/async_trials.rs"]
mod async_trials;
mod counted;
mod gone_on;
#[path = "../common/http01.rs"]
mod http01;
mod kills;
#[path = "../acme/pebble.rs"]
#[allow(dead_code, reason = "this binary uses its own part of it")]
mod pebble;
#[path = "../common/ports.rs"]
mod ports;
mod restarts;
#[path = "../common/trials.rs"]
mod trials;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use async_trials::{needing, pebble as needs_pebble, runtime};

fn main() -> ExitCode {
    if let Some(setup) = async_trials::setup_of_child(kills::CHILD) {
        runtime().block_on(kills::child(setup));
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let pebble = needs_pebble(&[]);
    let with_pebble = trials![kills::two_managers_of_pebble_are_killed_and_order_each_name_once];
    let without = trials![
        counted::orders_on_demand_keep_the_limits_of_all,
        counted::a_new_account_keeps_the_limit_of_its_address,
        gone_on::what_is_issued_and_not_fetched_costs_no_second_order,
        gone_on::an_order_that_is_gone_is_placed_and_counted_again,
        restarts::a_restart_changes_no_moment_of_what_fails_or_is_asked,
        restarts::a_kill_at_any_step_adds_no_order_and_no_try,
        restarts::an_instance_waits_for_what_another_has_seen_fail,
        restarts::a_ca_that_is_away_is_left_alone_after_a_restart,
        kills::two_managers_of_a_ca_with_faults_are_killed_and_order_each_name_once,
    ];
    let trials: Vec<Trial> = needing(&pebble, with_pebble)
        .chain(needing(&Ok(()), without))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
