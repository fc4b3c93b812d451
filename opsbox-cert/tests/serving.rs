//! Servers with real clients: curl and openssl, which nobody here wrote, and rustls for the counts.
//!
//! A program that is missing makes its trials ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it makes them fail. `OPSBOX_HANDSHAKES` and `OPSBOX_SWAPS` make the swap
//! under load longer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;
#[path = "common/issue.rs"]
mod issue;
#[path = "common/trials.rs"]
mod trials;

use std::convert::Infallible;
use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use libtest_mimic::{Arguments, Failed};
use opsbox_cert::ACME_TLS_ALPN;
use opsbox_cert::install::{Candidate, Certificates, Installed, Policy};
use opsbox_cert::serve::{Acceptor, HandshakeError, Peer, Served, Server};
use opsbox_cert::{Clock as _, SystemClock};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use common::write;
use issue::{Ca, Order, Pair, provider};
use trials::trial;

/// For what has to happen, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

type Check = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let none: &[&str] = &[];
    let trials = [
        ("swaps_fail_no_handshake", none, swaps as Check),
        (
            "swaps_fail_no_handshake_of_openssl",
            &["openssl"],
            swaps_openssl,
        ),
        ("curl_is_served", &["curl"], curl),
        ("curl_is_redirected_and_answered", &["curl"], curl_plain),
        (
            "openssl_gets_the_kind_it_can_verify",
            &["openssl"],
            key_kinds,
        ),
        ("a_silent_client_is_cut", none, silent),
        ("a_client_without_a_request_is_cut", none, no_request),
        ("a_shutdown_lets_requests_end", none, shutdown),
        ("a_shutdown_ends_all_the_same", none, shutdown_cuts),
        ("validations_by_alpn_get_their_own", none, alpn_challenge),
    ];
    let trials = trials.map(|(name, programs, check)| {
        let missing = programs.iter().find(|program| !is_there(program));
        let needed = missing.map_or(Ok(()), |program| Err(format!("{program} is missing")));
        trial(name, needed, move |()| check())
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn is_there(program: &str) -> bool {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).any(|path| path.join(program).is_file())
}

fn run(test: impl Future<Output = ()>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        tokio::time::timeout(10 * PATIENCE, test)
            .await
            .map_err(|_| "the test hangs".into())
    })
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable)
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

/// A server that runs until it is asked to stop.
struct Running {
    certificates: Certificates,
    ca: Ca,
    dir: TempDir,
    https: SocketAddr,
    http: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Served>,
    /// Requests of `/slow` that have begun, and what lets them end.
    slow: Arc<(Notify, Notify)>,
}

impl Running {
    async fn new(adjust: impl FnOnce(Server) -> Server) -> Self {
        let certificates = Certificates::new();
        let acceptor = Acceptor::new(certificates.clone(), provider()).unwrap();
        let (https, http) = (bind().await, bind().await);
        let addresses = (https.local_addr().unwrap(), http.local_addr().unwrap());
        let slow = Arc::new((Notify::new(), Notify::new()));
        let shared = slow.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let slow = shared.clone();
            async move {
                if request.uri().path() == "/slow" {
                    slow.0.notify_one();
                    slow.1.notified().await;
                }
                let peer = request.extensions().get::<Peer>().unwrap();
                let name = peer.server_name.as_deref().unwrap_or("nobody");
                let body = format!(
                    "{:?} for {name}, {}\n",
                    request.version(),
                    peer.address.ip()
                );
                Ok::<_, Infallible>(Response::new(body))
            }
        });
        let server = Server::new(acceptor)
            .redirect(http)
            .answers(|host, path| async move {
                (host == "a.example" && path.ends_with("/token-1"))
                    .then(|| format!("{path}.answer"))
            });
        let (stop, stopped) = oneshot::channel::<()>();
        let running = adjust(server).run(https, service, async {
            drop(stopped.await);
        });
        let ca = Ca::new();
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "ca.pem", &ca.pem);
        Self {
            certificates,
            dir,
            ca,
            https: addresses.0,
            http: addresses.1,
            stop,
            done: tokio::spawn(async { running.await.unwrap() }),
            slow,
        }
    }

    fn issue(&self, names: &[&str]) -> Pair {
        self.ca.issue(&Order::new(names, SystemClock.now(), 30))
    }

    fn install(&self, id: &str, pair: &Pair) -> Candidate {
        let candidate = pair.candidate();
        self.certificates
            .install(id, candidate.clone(), &Policy::new())
            .unwrap();
        candidate
    }

    fn client(&self, alpn: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config).into()
    }

    fn ca_file(&self) -> String {
        self.dir.path().join("ca.pem").to_str().unwrap().to_owned()
    }

    async fn stop(self) -> Served {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.done)
            .await
            .unwrap()
            .unwrap()
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A full handshake, verified by rustls, and the chain that was served.
async fn handshake(
    client: &TlsConnector,
    to: SocketAddr,
    name: &str,
) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = client.connect(name, stream).await?;
    let chain = tls.get_ref().1.peer_certificates().unwrap().to_vec();
    tls.shutdown().await?;
    Ok(chain)
}

fn chain(candidate: &Candidate) -> Vec<CertificateDer<'static>> {
    candidate.chain().cloned().collect()
}

fn swaps() -> Result<(), Failed> {
    run(async {
        let (handshakes, swaps) = (
            number("OPSBOX_HANDSHAKES", 600),
            number("OPSBOX_SWAPS", 100),
        );
        let server = Running::new(|server| server).await;
        let end = SystemClock.now();
        let candidates: Vec<Candidate> = (0..8)
            .map(|_| {
                server
                    .ca
                    .issue(&Order::new(&["a.example"], end, 30))
                    .candidate()
            })
            .collect();
        let install = |number: usize| {
            let candidate = &candidates[number % candidates.len()];
            let policy = Policy::new();
            let done = server
                .certificates
                .install("a", candidate.clone(), &policy)
                .unwrap();
            assert_ne!(done, Installed::Unchanged);
            candidate
        };
        install(0);
        let known: Arc<Vec<_>> = Arc::new(candidates.iter().map(chain).collect());
        let done = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (client, to) = (server.client(&[]), server.https);
                let (done, known) = (done.clone(), known.clone());
                tokio::spawn(async move {
                    let mut failed = Vec::new();
                    while done.fetch_add(1, Ordering::Relaxed) < handshakes {
                        match handshake(&client, to, "a.example").await {
                            Ok(chain) => assert!(known.contains(&chain), "another chain"),
                            Err(error) => failed.push(error.to_string()),
                        }
                    }
                    failed
                })
            })
            .collect();
        let client = server.client(&[]);
        for swap in 1..=swaps {
            // Spread over the handshakes.
            while done.load(Ordering::Relaxed) < swap * handshakes / (swaps + 1) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let candidate = install(swap);
            let served = handshake(&client, server.https, "a.example").await.unwrap();
            assert_eq!(served, chain(candidate), "after swap {swap}");
        }
        let mut failed = Vec::new();
        for client in clients {
            failed.extend(client.await.unwrap());
        }
        let served = server.stop().await;
        println!(
            "{} handshakes, {swaps} swaps: {} failed",
            served.connections,
            failed.len()
        );
        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(served.failed_handshakes, 0);
        let least = u64::try_from(handshakes + swaps).unwrap();
        assert!(served.connections >= least, "{served:?}");
    })
}

fn swaps_openssl() -> Result<(), Failed> {
    run(async {
        let (handshakes, swaps) = (
            number("OPSBOX_HANDSHAKES", 300),
            number("OPSBOX_SWAPS", 100),
        );
        let server = Running::new(|server| server).await;
        let end = SystemClock.now();
        let candidates: Vec<Candidate> = (0..8)
            .map(|_| {
                server
                    .ca
                    .issue(&Order::new(&["127.0.0.1"], end, 30))
                    .candidate()
            })
            .collect();
        let policy = Policy::new();
        server
            .certificates
            .install("a", candidates[0].clone(), &policy)
            .unwrap();
        let (to, ca) = (server.https.to_string(), server.ca_file());
        // One second a run, since it can only be told a time.
        let mut total = 0;
        let mut swap = 0;
        let mut runs = 0;
        while total < handshakes || swap < swaps {
            // With a request: one that hangs up right after its last message of TLS 1.3 is a broken handshake
            // to the server.
            let arguments = [
                "s_time", "-connect", &to, "-new", "-time", "1", "-www", "/", "-verify", "3",
                "-CAfile", &ca,
            ];
            let run = Command::new("openssl")
                .args(arguments)
                .kill_on_drop(true)
                .output();
            let mut run = std::pin::pin!(run);
            let output = loop {
                tokio::select! {
                    output = &mut run => break output.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(5)), if swap < swaps => {
                        swap += 1;
                        let next = candidates[swap % candidates.len()].clone();
                        let done = server.certificates.install("a", next, &policy).unwrap();
                        assert_eq!(done, Installed::Replaced);
                    }
                }
            };
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && !said.contains("ERROR"), "{said}");
            let connections = text
                .lines()
                .find_map(|line| line.split_once(" connections in "));
            total += connections.unwrap().0.trim().parse::<usize>().unwrap();
            runs += 1;
            assert!(runs < 300, "openssl does {total} handshakes in {runs} s");
        }
        let served = server.stop().await;
        println!(
            "{total} handshakes by openssl s_time, {swap} swaps: {} failed",
            served.failed_handshakes
        );
        assert_eq!(served.failed_handshakes, 0, "{served:?} in {runs} runs");
        let least = u64::try_from(total).unwrap();
        assert!(served.connections >= least, "{served:?}");
    })
}

async fn curl_of(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "30", "--noproxy", "*"])
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn curl() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server).await;
        server.install("a", &server.issue(&["a.example", "*.b.example"]));
        let ca = server.ca_file();
        let port = server.https.port();
        let get = async |host: &str, more: &[&str]| {
            let url = format!("https://{host}:{port}/");
            let resolve = format!("{host}:{port}:127.0.0.1");
            let arguments = ["--cacert", &ca, "--resolve", &resolve, &url];
            curl_of(&[&arguments, more].concat()).await
        };
        for (host, version) in [
            ("a.example", "--http1.1"),
            ("x.b.example", "--http1.1"),
            ("a.example", "--http2"),
        ] {
            let (good, text) = get(host, &[version]).await;
            let version = if version == "--http2" {
                "HTTP/2.0"
            } else {
                "HTTP/1.1"
            };
            assert!(good, "{text}");
            assert_eq!(text, format!("{version} for {host}, 127.0.0.1\n"));
        }
        let (good, text) = get("other.example", &[]).await;
        assert!(!good, "{text}");
        let by_ip = format!("https://127.0.0.1:{port}/");
        let (good, text) = curl_of(&["--cacert", &ca, &by_ip]).await;
        assert!(!good, "{text}");
        server.install("ip", &server.issue(&["127.0.0.1"]));
        let (good, text) = curl_of(&["--cacert", &ca, "--http1.1", &by_ip]).await;
        assert!(good && text == "HTTP/1.1 for nobody, 127.0.0.1\n", "{text}");
        let served = server.stop().await;
        assert_eq!((served.connections, served.cut), (4, 0), "{served:?}");
    })
}

fn curl_plain() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server).await;
        let (to, https) = (server.http, server.https.port());
        let get = async |path: &str, more: &[&str]| {
            let url = format!("http://{to}{path}");
            let what = ["-w", " %{http_code} %{redirect_url}", "--path-as-is", &url];
            curl_of(&[&what, more].concat()).await.1
        };
        let host = ["-H", "Host: A.example:8080"];
        let away = |path: &str| format!(" 308 https://a.example:{https}{path}");
        assert_eq!(get("/x?y=%2f", &host).await, away("/x?y=%2f"));
        assert_eq!(
            get("/", &[&host[..], &["-d", "body"]].concat()).await,
            away("/")
        );
        assert_eq!(get("//evil.example/", &host).await, away("//evil.example/"));
        let local = format!(" 308 https://127.0.0.1:{https}/");
        assert_eq!(get("/", &[]).await, local);
        for bad in [
            "Host: a@b",
            "Host: a/b",
            "Host: a b",
            "Host: a%2fb",
            "Host;",
            "Host:",
        ] {
            let said = get("/", &["-H", bad]).await;
            assert!(said.contains(" 400 "), "{bad}: {said}");
        }
        let challenge = "/.well-known/acme-challenge/token-1";
        assert_eq!(
            get(challenge, &host).await,
            format!("{challenge}.answer 200 ")
        );
        for (path, host) in [
            (challenge, ["-H", "Host: b.example"]),
            ("/.well-known/acme-challenge/token-2", host),
            ("/.well-known/acme-challenge/", host),
            ("/.well-known/acme-challenge/../token-1", host),
        ] {
            assert_eq!(get(path, &host).await, "no such challenge\n 404 ");
        }
        let long = format!("X-Long: {}", "x".repeat(20_000));
        assert!(get("/", &["-H", &long]).await.contains(" 431 "));
        server.stop().await;
    })
}

fn key_kinds() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server).await;
        let rsa = Order {
            rsa: true,
            ..Order::new(&["a.example"], SystemClock.now(), 60)
        };
        server.install("a", &server.issue(&["a.example"]));
        server.install("a-rsa", &server.ca.issue(&rsa));
        let (to, ca) = (server.https.to_string(), server.ca_file());
        let client = async |more: &[&str]| {
            let output = Command::new("openssl")
                .args([
                    "s_client",
                    "-connect",
                    &to,
                    "-CAfile",
                    &ca,
                    "-verify_return_error",
                ])
                .args(["-servername", "a.example", "-verify_hostname", "a.example"])
                .args(more)
                .stdin(std::process::Stdio::null())
                .kill_on_drop(true)
                .output()
                .await
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{more:?}: {text}");
            assert!(
                text.contains("Verify return code: 0") || text.contains("Verification: OK"),
                "{text}"
            );
            if text.contains("a:PKEY: rsaEncryption") {
                "rsa"
            } else if text.contains("a:PKEY: id-ecPublicKey") || text.contains("a:PKEY: EC") {
                "ecdsa"
            } else {
                panic!("neither kind: {text}")
            }
        };
        assert_eq!(client(&[]).await, "ecdsa");
        assert_eq!(client(&["-tls1_2"]).await, "ecdsa");
        let rsa_only = ["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"];
        assert_eq!(client(&rsa_only).await, "rsa");
        assert_eq!(client(&[&["-tls1_2"], &rsa_only[..]].concat()).await, "rsa");
        assert_eq!(
            client(&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]).await,
            "rsa"
        );
        server.stop().await;
    })
}

fn silent() -> Result<(), Failed> {
    run(async {
        let certificates = Certificates::new();
        let acceptor = Acceptor::new(certificates, provider())
            .unwrap()
            .time_limit(Duration::from_millis(200))
            .max_handshakes(1);
        let listener = bind().await;
        let to = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut handshakes = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(to).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            handshakes.push(tokio::spawn(async move {
                acceptor.accept(stream).await.map(drop)
            }));
        }
        for handshake in handshakes {
            let error = handshake.await.unwrap().unwrap_err();
            assert!(matches!(error, HandshakeError::TimedOut { .. }), "{error}");
            assert!(error.to_string().contains("0.2 s"), "{error}");
        }
        for mut client in clients {
            assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "it is closed");
        }
        // Its turn is free again, and a client that speaks something else is told so.
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let error = acceptor.accept(stream).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Failed(_)), "{error}");
    })
}

fn no_request() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server.head_time(Duration::from_millis(100))).await;
        server.install("a", &server.issue(&["a.example"]));
        for (alpn, sent) in [
            (&b"h2"[..], &b""[..]),
            (b"http/1.1", b""),
            (b"http/1.1", b"GET / HTTP/1.1\r\nHost:"),
        ] {
            let stream = TcpStream::connect(server.https).await.unwrap();
            let name = ServerName::try_from("a.example").unwrap();
            let mut tls = server.client(&[alpn]).connect(name, stream).await.unwrap();
            tls.write_all(sent).await.unwrap();
            let mut answer = Vec::new();
            drop(tls.read_to_end(&mut answer).await);
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
        }
        let mut plain = TcpStream::connect(server.http).await.unwrap();
        plain.write_all(b"GET / HT").await.unwrap();
        let mut answer = Vec::new();
        drop(plain.read_to_end(&mut answer).await);
        assert!(!answer.starts_with(b"HTTP/1.1 308"), "{answer:?}");
        assert_eq!(server.stop().await.cut, 0);
    })
}

/// A request of `/slow`, once the server has it.
async fn slow(server: &Running) -> tokio_rustls::client::TlsStream<TcpStream> {
    server.install("a", &server.issue(&["a.example"]));
    let stream = TcpStream::connect(server.https).await.unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let mut tls = server
        .client(&[b"http/1.1"])
        .connect(name, stream)
        .await
        .unwrap();
    tls.write_all(b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await
        .unwrap();
    server.slow.0.notified().await;
    tls
}

fn shutdown() -> Result<(), Failed> {
    run(async {
        let long = 10 * PATIENCE;
        let server = Running::new(|server| server.head_time(long).drain_time(long)).await;
        let mut tls = slow(&server).await;
        // One that is open and idle is in nobody's way.
        let idle = TcpStream::connect(server.https).await.unwrap();
        let idle = server
            .client(&[])
            .connect(ServerName::try_from("a.example").unwrap(), idle)
            .await;
        let (to, slow) = (server.https, server.slow.clone());
        let stopping = tokio::spawn(server.stop());
        let closed = async {
            while TcpStream::connect(to).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(120), closed);
        closed.await.expect("it takes no more connections");
        slow.1.notify_one();
        let mut answer = Vec::new();
        tls.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1\n"),
            "{answer}"
        );
        assert_eq!(stopping.await.unwrap().cut, 0);
        drop(idle);
    })
}

fn shutdown_cuts() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server.drain_time(Duration::from_millis(50))).await;
        let mut tls = slow(&server).await;
        assert_eq!(server.stop().await.cut, 1);
        let mut answer = Vec::new();
        drop(tls.read_to_end(&mut answer).await);
        assert!(answer.is_empty(), "{answer:?}");
    })
}

fn alpn_challenge() -> Result<(), Failed> {
    run(async {
        let server = Running::new(|server| server).await;
        let usual = server.install("a", &server.issue(&["a.example"]));
        // What a solver has: a resolver of its own.
        let answers = Certificates::new();
        let answer = server.issue(&["a.example"]).candidate();
        answers
            .install("answer", answer.clone(), &Policy::new())
            .unwrap();
        assert!(
            server
                .certificates
                .set_challenges(Arc::new(answers.clone()))
        );
        assert!(!server.certificates.set_challenges(Arc::new(answers)));
        for (alpn, expected) in [(ACME_TLS_ALPN, &answer), (b"http/1.1", &usual)] {
            let client = server.client(&[alpn]);
            let served = handshake(&client, server.https, "a.example").await.unwrap();
            assert_eq!(served, chain(expected));
        }
        server.stop().await;
    })
}
