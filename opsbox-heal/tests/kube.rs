//! Acts, records, leader election and permissions against a real API server with its controllers.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `etcd`, `kube-apiserver` and `kube-controller-manager`. Without
//! them the trials are ignored, with a line on stderr, never passed. With `OPSBOX_REQUIRE_COUNTERPARTS=1`
//! they fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::print_stdout,
    reason = "messages are read by people, with --nocapture"
)]

#[path = "kube/acts.rs"]
mod acts;
#[path = "common/api_server.rs"]
mod api_server;
#[path = "kube/events.rs"]
mod events;
#[path = "kube/harness.rs"]
mod harness;
#[path = "common/kubelet.rs"]
mod kubelet;
#[path = "kube/leases.rs"]
mod leases;
#[path = "kube/permissions.rs"]
mod permissions;
#[path = "common/ports.rs"]
mod ports;
#[path = "kube/restarts.rs"]
mod restarts;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;

use api_server::Check;

fn main() -> ExitCode {
    // They share two cores with the server.
    let threads = 2;
    let checks: &[(&str, Check)] = &[
        ("a_deployment_runs_and_recreates", harness::deployment),
        ("other_users_have_no_rights", harness::users),
        ("a_pod_of_another_uid_lives", acts::another_uid),
        ("a_pod_that_changed_lives_if_that_is_asked", acts::unchanged),
        ("a_dry_run_writes_nothing", acts::dry_run),
        ("a_disruption_budget_is_one_answer", acts::blocked),
        ("grace_periods_are_kept", acts::grace),
        ("claims_are_not_touched", acts::claims),
        ("what_is_forbidden_is_named", acts::forbidden),
        ("what_is_gone_is_told", acts::gone),
        ("a_server_that_is_away_is_told", acts::away),
        ("owners_are_restarted", restarts::restarted),
        (
            "owners_that_cannot_be_restarted_are_told",
            restarts::refused,
        ),
        ("a_leader_that_is_gone_is_followed", leases::taken_over),
        ("clocks_of_others_do_not_matter", leases::skewed),
        ("never_two_leaders", leases::never_two),
        ("an_election_without_rights_says_so", leases::forbidden),
        ("events_are_recorded", events::recorded),
        ("a_remediation_is_two_requests", events::remediation),
        (
            "a_manifest_for_the_cluster_is_enough_and_no_more",
            permissions::cluster,
        ),
        (
            "a_manifest_for_namespaces_is_enough_and_no_more",
            permissions::namespaces,
        ),
        (
            "an_overloaded_server_is_no_disruption_budget",
            acts::overloaded,
        ),
        ("client_go_and_we_share_a_lease", leases::client_go),
    ];
    api_server::run(checks, threads)
}
