//! A real API server with its etcd and controller manager, and what a test does with them.
//!
//! `KUBEBUILDER_ASSETS` names the folder with `etcd`, `kube-apiserver` and `kube-controller-manager`, as it
//! does for envtest. Works on 1.20 and on current servers. [`Kubelet`](super::kubelet::Kubelet) stands in for
//! the nodes.
//!
//! ```ignore
//! #[path = "common/api_server.rs"] mod api_server;
//! #[path = "common/ports.rs"] mod ports;
//!
//! let server = ApiServer::start(&api_server::assets()?).await; // share it: one a test binary
//! let client = server.client();                               // once in every runtime
//! server.namespace("shop").await;
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "files of a test may be half written"
)]
#![allow(dead_code, reason = "every test binary uses its own part of it")]

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, PostParams};
use kube::config::AuthInfo;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use libtest_mimic::{Arguments, Failed};
use serde_json::{Value, json};

use super::ports::free_port;
use super::trials::trial;

/// How long anything here may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What the controller manager runs. No scheduler and no kubelet are among them.
const CONTROLLERS: &str =
    "replicaset,deployment,daemonset,disruption,garbagecollector,podgc,job,statefulset,namespace";

/// The folder with the programs, or what is missing.
pub(crate) fn assets() -> Result<PathBuf, String> {
    let folder = env::var_os("KUBEBUILDER_ASSETS").map_or_else(
        || PathBuf::from("/usr/local/kubebuilder/bin"),
        PathBuf::from,
    );
    for program in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        if !folder.join(program).is_file() {
            return Err(format!(
                "there is no `{program}` in {}; put etcd, kube-apiserver and kube-controller-manager there and \
                 set KUBEBUILDER_ASSETS",
                folder.display()
            ));
        }
    }
    Ok(folder)
}

/// A check of a test binary, with the server that all of them share.
pub(crate) type Check = fn(&ApiServer) -> Result<(), Failed>;

/// Runs the checks, at most so many at a time, on one server that is started for the first and ends
/// with the last.
pub(crate) fn run(checks: &[(&str, Check)], threads: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let asked = arguments.test_threads.unwrap_or(threads);
    arguments.test_threads = Some(asked.min(threads));
    let assets = assets();
    let shared: Arc<OnceLock<ApiServer>> = Arc::default();
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

/// Fails with what was waited for if it does not hold within [`LIMIT`].
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs on a runtime of its own: a client lives as long as the runtime that it was made on.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// A process of this test alone, killed at its end, be it that the test itself is killed.
struct Process {
    child: Child,
    /// Waits for the end of this process, which ends its input.
    reaper: Child,
}

impl Process {
    /// What it says goes to a file in the folder, for the message if it does not come up.
    fn start(program: &Path, arguments: &[String], says: &Path) -> Self {
        let says = File::options().create(true).append(true).open(says);
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(says.unwrap())
            .spawn()
            .unwrap();
        let reaper = Command::new("sh")
            .args(["-c", "read -r never; kill -9 \"$1\"", "reaper"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, reaper }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The reaper first: afterwards the number may be that of another process.
        for child in [&mut self.reaper, &mut self.child] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// One of the programs with its arguments, so that it can be started again.
struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    says: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Program {
    fn new(assets: &Path, name: &str, folder: &Path, arguments: Vec<String>) -> Self {
        Self {
            path: assets.join(name),
            arguments,
            says: folder.join(format!("{name}.log")),
            process: Mutex::new(None),
        }
    }

    fn start(&self) {
        let process = Process::start(&self.path, &self.arguments, &self.says);
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// As `kill -9` does.
    fn kill(&self) {
        drop(
            self.process
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    fn assert_is_running(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.as_mut().is_some_and(Process::has_ended) {
            let said = fs::read_to_string(&self.says).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(15).collect();
            panic!(
                "{} has ended; it said (last first): {last:#?}",
                self.path.display()
            );
        }
    }
}

/// A second controller manager, which stands for election by client-go; killed at drop.
pub(crate) struct Candidate(Process);

impl Candidate {
    /// It ends by itself when it loses the election.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.has_ended()
    }
}

/// An API server with its etcd and its controllers, killed at drop.
pub(crate) struct ApiServer {
    // In the order in which they are to end.
    controllers: Program,
    api: Program,
    etcd: Program,
    port: u16,
    /// The minor version: 20 for 1.20.
    minor: u32,
    folder: tempfile::TempDir,
}

impl ApiServer {
    /// Starts all three and waits until they are ready.
    pub(crate) async fn start(assets: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let key = rcgen::KeyPair::generate().unwrap();
        fs::write(path("sa.key"), key.serialize_pem()).unwrap();
        fs::write(path("sa.pub"), key.public_key_pem()).unwrap();
        fs::write(
            path("tokens.csv"),
            "admintoken,admin,1,\"system:masters\"\nnobodytoken,nobody,2\n",
        )
        .unwrap();
        let (client, peer) = (free_port(), free_port());
        let (port, controllers_port) = (free_port(), free_port());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true}}],
            "users": [{"name": "admin", "user": {"token": "admintoken"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        });
        fs::write(path("kubeconfig"), config.to_string()).unwrap();
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"], "rules": [{"level": "Metadata"}],
        });
        fs::write(path("policy.json"), policy.to_string()).unwrap();
        let minor = minor_version(&assets.join("kube-apiserver"));
        let etcd = vec![
            format!("--data-dir={}", path("etcd")),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            "--unsafe-no-fsync".into(),
        ];
        let api = vec![
            format!("--etcd-servers=http://127.0.0.1:{client}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", path("certificates")),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", path("sa.pub")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            "--disable-admission-plugins=ServiceAccount".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--audit-policy-file={}", path("policy.json")),
            format!("--audit-log-path={}", path("audit.log")),
        ];
        let mut controllers = vec![
            format!("--kubeconfig={}", path("kubeconfig")),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={controllers_port}"),
            "--leader-elect=false".into(),
            format!("--cert-dir={}", path("controllers")),
            format!("--controllers={CONTROLLERS}"),
            "--kube-api-qps=200".into(),
            "--kube-api-burst=400".into(),
        ];
        if minor < 24 {
            controllers.push("--port=0".into());
        }
        let program = |name, arguments| Program::new(assets, name, folder.path(), arguments);
        let server = Self {
            controllers: program("kube-controller-manager", controllers),
            api: program("kube-apiserver", api),
            etcd: program("etcd", etcd),
            port,
            minor,
            folder,
        };
        server.etcd.start();
        server.api.start();
        server.ready().await;
        server.controllers.start();
        server.namespace("default").await;
        server.controllers.assert_is_running();
        server
    }

    async fn ready(&self) {
        let client = self.client();
        eventually("the API server is ready", async || {
            self.etcd.assert_is_running();
            self.api.assert_is_running();
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            let asked = tokio::time::timeout(Duration::from_secs(5), client.request_text(request));
            matches!(asked.await, Ok(Ok(_)))
        })
        .await;
    }

    /// Ends the API server as `kill -9` does; etcd stays.
    pub(crate) fn stop(&self) {
        self.api.kill();
    }

    /// Starts it again, on the same port and with all that etcd has.
    pub(crate) async fn up(&self) {
        self.api.start();
        self.ready().await;
    }

    /// Ends the API server and starts it again.
    pub(crate) async fn restart(&self) {
        self.stop();
        self.up().await;
    }

    /// Ends the controllers, so that nothing is recreated.
    pub(crate) fn stop_controllers(&self) {
        self.controllers.kill();
    }

    /// Starts the controllers again.
    pub(crate) fn start_controllers(&self) {
        self.controllers.start();
    }

    /// Another controller manager, a candidate for the Lease of this namespace and name with these terms. What it would
    /// do as the leader is nothing that a test could notice.
    pub(crate) fn candidate(
        &self,
        namespace: &str,
        name: &str,
        [duration, deadline, period]: [Duration; 3],
    ) -> Candidate {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut arguments = vec![
            format!("--kubeconfig={}", path("kubeconfig")),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", free_port()),
            format!("--cert-dir={}", path("candidate")),
            "--controllers=podgc".into(),
            "--leader-elect=true".into(),
            "--leader-elect-resource-lock=leases".into(),
            format!("--leader-elect-resource-namespace={namespace}"),
            format!("--leader-elect-resource-name={name}"),
            format!("--leader-elect-lease-duration={}ms", duration.as_millis()),
            format!("--leader-elect-renew-deadline={}ms", deadline.as_millis()),
            format!("--leader-elect-retry-period={}ms", period.as_millis()),
        ];
        if self.minor < 24 {
            arguments.push("--port=0".into());
        }
        let says = self.folder.path().join("candidate.log");
        Candidate(Process::start(&self.controllers.path, &arguments, &says))
    }

    /// The minor version of the server: 20 for 1.20.
    pub(crate) fn minor(&self) -> u32 {
        self.minor
    }

    /// How to reach it with a token; kube's own retries are on, as in a client that a user makes.
    pub(crate) fn config(&self, token: &str) -> Config {
        let url = format!("https://127.0.0.1:{}", self.port);
        let mut config = Config::new(url.parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        config
    }

    /// Who may do everything.
    pub(crate) fn client(&self) -> Client {
        Client::try_from(self.config("admintoken")).unwrap()
    }

    /// Another user, who may do what RBAC says of this name.
    pub(crate) fn client_as(&self, user: &str) -> Client {
        let mut config = self.config("admintoken");
        config.auth_info.impersonate = Some(user.to_owned());
        Client::try_from(config).unwrap()
    }

    /// A ServiceAccount; it need not exist.
    pub(crate) fn client_of(&self, namespace: &str, service_account: &str) -> Client {
        self.client_as(&account(namespace, service_account))
    }

    /// The requests of a user, or of an account as [`account`] names it, as the server saw them: `verb`,
    /// `requestURI`, `userAgent`, `objectRef` and `responseStatus` of its audit log.
    ///
    /// A request is told when it is done, which can be shortly after its answer.
    pub(crate) fn requests(&self, user: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        // The last line may be half written.
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let events = events.filter(|event: &Value| {
            let by = event["impersonatedUser"]["username"].as_str();
            by.or_else(|| event["user"]["username"].as_str()) == Some(user)
        });
        events.collect()
    }

    /// Makes the namespace if it is not there.
    pub(crate) async fn namespace(&self, name: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let made = async || namespaces.create(&PostParams::default(), &namespace).await;
        eventually("the namespace is made", async || match made().await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) => status.code == 409,
            Err(_) => false,
        })
        .await;
    }

    /// Makes an object of any kind as JSON writes it, `apiVersion` and `kind` included.
    pub(crate) async fn create(&self, object: Value) -> DynamicObject {
        create(&self.client(), object).await
    }

    /// `policy/v1`, or `policy/v1beta1` on a server that has no other.
    pub(crate) fn policy_version(&self) -> &'static str {
        if self.minor < 21 {
            "policy/v1beta1"
        } else {
            "policy/v1"
        }
    }

    /// Makes a PodDisruptionBudget over `app=<app>` and waits until the controller has worked it out.
    pub(crate) async fn disruption_budget(&self, namespace: &str, app: &str, min_available: u32) {
        let made = self
            .create(json!({
                "apiVersion": self.policy_version(), "kind": "PodDisruptionBudget",
                "metadata": {"name": app, "namespace": namespace},
                "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": app}}},
            }))
            .await;
        let budgets = api_of(&self.client(), &made);
        eventually("the disruption budget is worked out", async || {
            let budget = budgets.get(app).await.unwrap();
            let is = |field: &str| budget.data["status"][field].as_i64();
            is("observedGeneration") == budget.metadata.generation
                && is("expectedPods").is_some_and(|pods| pods > 0)
                && is("currentHealthy") == is("expectedPods")
        })
        .await;
    }
}

/// The user name of a ServiceAccount.
pub(crate) fn account(namespace: &str, service_account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{service_account}")
}

/// Makes an object of any kind as JSON writes it.
pub(crate) async fn create(client: &Client, object: Value) -> DynamicObject {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let made = api_of(client, &object)
        .create(&PostParams::default(), &object)
        .await;
    made.unwrap_or_else(|error| panic!("{:?} cannot be made: {error}", object.types))
}

/// The API of the kind of an object, in its namespace if it has one.
pub(crate) fn api_of(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.as_ref().unwrap();
    let kind = GroupVersionKind::try_from(types).unwrap();
    let resource = ApiResource::from_gvk(&kind);
    match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn minor_version(program: &Path) -> u32 {
    let said = Command::new(program).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    // `Kubernetes v1.20.5-...`
    let minor = said.split('.').nth(1).and_then(|minor| minor.parse().ok());
    minor.unwrap_or_else(|| panic!("no version in {said:?}"))
}
