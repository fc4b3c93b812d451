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

#[path = "common/api_server.rs"]
mod api_server;
#[path = "kube/harness.rs"]
mod harness;
#[path = "common/kubelet.rs"]
mod kubelet;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/trials.rs"]
mod trials;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use api_server::{ApiServer, block_on};
use libtest_mimic::{Arguments, Failed};
use trials::trial;

type Check = fn(&ApiServer) -> Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share two cores with the server.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let assets = api_server::assets();
    let shared: Arc<OnceLock<ApiServer>> = Arc::default();
    let checks: [(&str, Check); 2] = [
        ("a_deployment_runs_and_recreates", harness::deployment),
        ("other_users_have_no_rights", harness::users),
    ];
    let trials = checks.map(|(name, check)| {
        let shared = Arc::clone(&shared);
        trial(name, assets.clone(), move |assets| {
            let server = shared.get_or_init(|| block_on(ApiServer::start(&assets)));
            check(server)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    // Nothing that is static is dropped, and the server must end.
    drop(shared);
    conclusion.exit_code()
}
