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

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use trials::trial;

type Check = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! trials {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((stringify!($name), (|| Box::pin($module::$name())) as Check)),*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let programs = [
        ("PEBBLE", "pebble"),
        ("PEBBLE_CHALLTESTSRV", "pebble-challtestsrv"),
    ];
    let programs: Result<Vec<String>, String> = programs
        .into_iter()
        .map(|(variable, default)| program(variable, default))
        .collect();
    let pebble = programs.map(drop);
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
    let mut trials: Vec<Trial> = with_pebble
        .into_iter()
        .map(|(name, check)| trial(name, pebble.clone(), move |()| run(check)))
        .collect();
    trials.extend(without.map(|(name, check)| trial(name, Ok(()), move |()| run(check))));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(check: Check) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(check());
    Ok(())
}

/// The program to run, or why it cannot be.
pub(crate) fn program(variable: &str, default: &str) -> Result<String, String> {
    trials::program(variable, default, "-h")
}
