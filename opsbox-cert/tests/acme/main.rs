//! The ACME issuer against Pebble, a real CA for tests.
//!
//! A program that is missing makes its trials ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it makes them fail. `PEBBLE` and `PEBBLE_CHALLTESTSRV` name the programs
//! if they are not in the path.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, in its helpers too, and its files need not survive a crash"
)]

#[macro_use]
#[path = "../common/async_trials.rs"]
mod async_trials;
mod ari;
mod config;
mod dns;
#[path = "../common/gated.rs"]
mod gated;
#[path = "../common/http01.rs"]
mod http01;
mod issue;
mod kills;
mod on_demand;
mod pebble;
mod persist;
#[path = "../common/ports.rs"]
mod ports;
mod refuse;
mod resume;
#[path = "../common/trials.rs"]
mod trials;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use async_trials::{needing, pebble as needs_pebble, program, runtime};

fn main() -> ExitCode {
    if let Some(setup) = async_trials::setup_of_child(kills::CHILD) {
        runtime().block_on(kills::child(setup));
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let pebble = needs_pebble(&[("CURL", "curl")]);
    let with_pebble = trials![
        issue::http_01_issues_and_the_account_is_reused,
        issue::tls_alpn_01_issues_names_and_addresses,
        issue::external_accounts_are_bound,
        issue::profiles_are_chosen,
        issue::refused_nonces_are_borne,
        issue::valid_authorizations_are_reused,
        issue::alternate_chains_are_chosen_by_name,
        issue::certificates_are_revoked,
        issue::a_replaced_certificate_is_no_obstacle,
        issue::a_ca_that_breaks_at_replaces_is_no_obstacle,
        issue::account_keys_are_changed,
        issue::a_forgotten_account_is_opened_again,
        refuse::a_failed_challenge_shows_what_the_ca_says,
        refuse::a_blocked_name_is_refused,
        refuse::no_key_is_shown,
        resume::a_kill_at_each_step_leaves_one_order,
        resume::an_order_on_a_later_page_is_found,
        resume::a_kill_while_the_account_key_changes_keeps_the_account,
        resume::two_instances_order_once,
        kills::kills_at_random_moments_lose_nothing_and_order_nothing_twice,
        dns::dns_01_issues_wildcards_and_follows_aliases,
        ari::windows_are_asked_for_and_any_answer_is_borne,
        ari::two_managers_order_each_name_once_and_keep_the_limit,
        on_demand::a_first_handshake_orders_once_by_each_challenge,
        on_demand::a_first_handshake_that_the_ca_does_not_validate_is_not_repeated,
        persist::dns_persist_01_writes_a_record_that_stays,
        persist::dns_persist_01_says_which_record_is_missing,
        persist::dns_persist_01_replaces_a_record_that_has_ended,
        config::a_challenge_that_is_asked_for_is_the_only_one,
        dns::what_never_propagates_is_said_and_taken_away,
    ];
    let without = trials![
        refuse::a_wrong_server_is_explained,
        persist::dns_persist_01_takes_its_own_answers_alone,
        refuse::settings_are_checked,
        dns::hooks_are_called_as_lego_and_certbot_call_theirs,
        dns::failing_hooks_are_explained,
    ];
    let knot = program("KNOTD", "knotd");
    let with_knot = trials![
        config::a_configuration_is_all_it_takes,
        dns::dynamic_updates_are_taken_by_knot,
        persist::dns_persist_01_is_written_to_knot,
    ];
    let needs_knot = pebble.clone().and_then(|()| knot.map(drop));
    let trials: Vec<Trial> = needing(&pebble, with_pebble)
        .chain(needing(&needs_knot, with_knot))
        .chain(needing(&Ok(()), without))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
