//! The whole loop against a real API server with its controllers: pods fall ill, and are healed.
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
    reason = "figures are read by people, with --nocapture"
)]

#[path = "common/api_server.rs"]
mod api_server;
#[path = "heal/conditions.rs"]
mod conditions;
#[path = "heal/killed.rs"]
mod killed;
#[path = "common/kubelet.rs"]
mod kubelet;
#[path = "heal/leaders.rs"]
mod leaders;
#[path = "heal/limits.rs"]
mod limits;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/trials.rs"]
mod trials;
#[path = "heal/world.rs"]
mod world;

use std::process::ExitCode;

use api_server::Check;

fn main() -> ExitCode {
    if killed::controller() {
        return ExitCode::SUCCESS;
    }
    // They share two cores with the server, and measure time.
    let threads = 1;
    let checks: &[(&str, Check)] = &[
        ("each_condition_is_healed", conditions::healed),
        ("what_a_restart_cannot_heal_is_told", conditions::told),
        ("a_sweep_does_the_same", conditions::swept),
        ("a_dry_run_writes_nothing", limits::dry_run),
        ("a_disruption_budget_is_obeyed", limits::disruption_budget),
        ("a_bad_rollout_is_left_alone", limits::rollout),
        (
            "acts_are_refused_that_cannot_be_recorded",
            limits::unrecorded,
        ),
        ("missing_rights_are_told", limits::forbidden),
        ("two_candidates_act_once", leaders::once),
        ("the_leader_is_killed_in_the_middle", killed::leader),
        ("events_and_audit_tell_of_each_act", conditions::recorded),
        ("how_long_it_takes", leaders::latency),
    ];
    api_server::run(checks, threads)
}
