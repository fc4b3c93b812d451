//! The watch, the sweep and the API double against a real API server with its controllers.
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

#[path = "common/api_server.rs"]
mod api_server;
#[path = "live/double.rs"]
mod double;
#[path = "live/errors.rs"]
mod errors;
#[path = "common/kubelet.rs"]
mod kubelet;
#[path = "common/ports.rs"]
mod ports;
#[path = "live/selectors.rs"]
mod selectors;
#[path = "live/table.rs"]
mod table;
#[path = "common/trials.rs"]
mod trials;
#[path = "live/watches.rs"]
mod watches;

use std::process::ExitCode;

use api_server::Check;

fn main() -> ExitCode {
    // One stops the server, so they run one after the other.
    let threads = 1;
    let checks: &[(&str, Check)] = &[
        ("phases_that_are_joined_select_nothing", selectors::phases),
        ("the_double_answers_as_the_server_does", double::answers),
        ("the_double_watches_as_the_server_does", double::watches),
        ("the_double_prints_the_servers_table", table::cells),
        ("a_sweep_finds_what_a_full_list_shows", table::sweep),
        ("what_is_wrong_is_named", errors::named),
        ("the_store_follows_the_server", watches::follows),
        ("the_store_outlives_the_server", watches::outlives),
    ];
    api_server::run(checks, threads)
}
