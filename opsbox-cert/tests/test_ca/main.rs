//! The CA for tests: against Pebble, whose answers to the same requests are compared, and against this crate's
//! own issuer, by each challenge and with faults.
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
mod client;
mod compare;
mod faults;
#[path = "../common/http01.rs"]
mod http01;
mod instances;
mod issue;
mod keys;
#[path = "../acme/pebble.rs"]
#[allow(dead_code, reason = "this binary uses its own part of it")]
mod pebble;
#[path = "../common/ports.rs"]
mod ports;
mod servers;
#[path = "../common/trials.rs"]
mod trials;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use async_trials::{needing, pebble as needs_pebble};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let pebble = needs_pebble(&[]);
    let with_pebble = trials![compare::answers_are_those_of_pebble];
    let without = trials![
        issue::each_challenge_issues,
        issue::wrong_answers_fail_with_what_the_ca_saw,
        issue::certificates_are_renewed_inside_their_windows,
        issue::chains_end_at_the_root_that_is_preferred,
        issue::limits_are_told_and_counted,
        issue::accounts_and_certificates_are_managed,
        issue::profiles_have_their_lifetimes,
        keys::accounts_sign_by_each_algorithm,
        keys::keys_of_each_kind_are_certified,
        keys::signing_requests_are_checked,
        keys::strangers_see_nothing,
        keys::requests_are_limited_by_their_address,
        instances::calls_that_are_cut_at_any_moment_order_once,
        faults::each_fault_is_survived_or_said,
        faults::an_outage_of_days_and_a_clock_that_jumps_are_survived,
        faults::hundreds_are_issued_in_a_storm_without_a_duplicate,
    ];
    let trials: Vec<Trial> = needing(&pebble, with_pebble)
        .chain(needing(&Ok(()), without))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
