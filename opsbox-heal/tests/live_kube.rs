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
use std::sync::{Arc, OnceLock};

use api_server::{ApiServer, block_on};
use libtest_mimic::{Arguments, Failed};
use trials::trial;

type Check = fn(&ApiServer) -> Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One stops the server, so they run one after the other.
    arguments.test_threads = Some(1);
    let assets = api_server::assets();
    let shared: Arc<OnceLock<ApiServer>> = Arc::default();
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
    let trials = checks.iter().map(|&(name, check)| {
        let shared = Arc::clone(&shared);
        trial(name, assets.clone(), move |assets| {
            let server = shared.get_or_init(|| block_on(ApiServer::start(&assets)));
            check(server)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Nothing that is static is dropped, and the server must end.
    drop(shared);
    conclusion.exit_code()
}
