//! A real test CA for one test, the DNS that it asks, and the web server that it validates.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opsbox_cert::ACME_TLS_ALPN;
use opsbox_cert::challenge::{Http01, TlsAlpn01};
use opsbox_cert::issuer::{AcmeBuilder, AcmeIssuer};
use opsbox_cert::store::Store;
use rustls::crypto::CryptoProvider;
use serde_json::{Value, json};
use tokio_rustls::LazyConfigAcceptor;

use crate::async_trials::program;
use crate::ports::free_port;

/// The name by which the CA goes in the DNS.
pub(crate) const CAA_IDENTITY: &str = "pebble.example";
pub(crate) const EAB_ID: &str = "kid-1";
/// From Pebble's own example.
pub(crate) const EAB_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) nonce_reject: u8,
    pub(crate) authz_reuse: u8,
    pub(crate) alternate_roots: u8,
    pub(crate) chain_length: u8,
    pub(crate) external: bool,
    /// No challenge is looked at.
    pub(crate) always_valid: bool,
    /// On each page of the list of an account's orders; its default is 15.
    pub(crate) orders_per_page: Option<u8>,
    /// In place of a server that knows every name.
    pub(crate) dns: Option<std::net::SocketAddr>,
}

pub(crate) struct Pebble {
    ca: Child,
    dns: Child,
    pub(crate) url: String,
    pub(crate) management: String,
    pub(crate) root_pem: String,
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in [&mut self.ca, &mut self.dns] {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

pub(crate) fn wait_for(port: u16, what: &str) {
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{what} does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Pebble {
    pub(crate) fn start(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [
            acme,
            management,
            http_port,
            tls_port,
            dns_port,
            dns_management,
        ] = std::array::from_fn(|_| free_port());
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = rcgen::CertificateParams::new(names).unwrap();
        let root_pem = params.self_signed(&key).unwrap().pem();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = write("cert.pem", &root_pem);
        let key = write("key.pem", &key.serialize_pem());
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{acme}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificate, "privateKey": key,
            "httpPort": http_port, "tlsPort": tls_port,
            "externalAccountBindingRequired": options.external,
            "externalAccountMACKeys": {EAB_ID: EAB_KEY},
            "caaIdentities": [CAA_IDENTITY],
            "domainBlocklist": ["blocked.example"],
            "retryAfter": {"authz": 0, "order": 0},
            "keyAlgorithm": "ecdsa",
            "ordersPerPage": options.orders_per_page.unwrap_or(15),
            "profiles": {
                "default": {"description": "ninety days", "validityPeriod": 7_776_000},
                "shortlived": {"description": "six days", "validityPeriod": 518_400},
            },
        }});
        let config = write("config.json", &config.to_string());
        let dns = Command::new(program("PEBBLE_CHALLTESTSRV", "pebble-challtestsrv").unwrap())
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""])
            .args(["-dnsserver", &format!("127.0.0.1:{dns_port}")])
            .args(["-management", &format!("127.0.0.1:{dns_management}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dns_server = match options.dns {
            Some(server) => server.to_string(),
            None => format!("127.0.0.1:{dns_port}"),
        };
        let log = std::fs::File::create(dir.path().join("pebble.log")).unwrap();
        let ca = Command::new(program("PEBBLE", "pebble").unwrap())
            .arg("-config")
            .arg(&config)
            .args(["-dnsserver", &dns_server])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env(
                "PEBBLE_VA_ALWAYS_VALID",
                u8::from(options.always_valid).to_string(),
            )
            .env("PEBBLE_WFE_NONCEREJECT", options.nonce_reject.to_string())
            .env("PEBBLE_AUTHZREUSE", options.authz_reuse.to_string())
            .env(
                "PEBBLE_ALTERNATE_ROOTS",
                options.alternate_roots.to_string(),
            )
            .env(
                "PEBBLE_CHAIN_LENGTH",
                options.chain_length.max(1).to_string(),
            )
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pebble = Self {
            ca,
            dns,
            url: format!("https://localhost:{acme}/dir"),
            management: format!("https://localhost:{management}"),
            root_pem,
            http_port,
            tls_port,
            _dir: dir,
        };
        wait_for(dns_management, "pebble-challtestsrv");
        wait_for(acme, "pebble");
        pebble
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self._dir.path().join("pebble.log")).unwrap()
    }

    /// How many orders the CA was asked for.
    pub(crate) fn orders(&self) -> usize {
        self.log().matches("Added order ").count()
    }

    pub(crate) fn builder(&self, store: &Arc<dyn Store>) -> AcmeBuilder {
        AcmeIssuer::builder(self.url.as_str(), store.clone(), provider())
            .root_pem(self.root_pem.as_str())
            .agree_to_terms()
            .lease_time(Duration::from_secs(1))
            .time_limit(Duration::from_secs(60))
    }

    pub(crate) fn http01(&self, store: &Arc<dyn Store>) -> AcmeIssuer {
        self.builder(store)
            .solver(Http01::new(store.clone()))
            .build()
            .unwrap()
    }

    /// A root of the chains that it issues.
    pub(crate) async fn root(&self, index: u8) -> String {
        self.get(&format!("{}/roots/{index}", self.management))
            .await
    }

    /// By curl, a client that is not of this crate.
    async fn get(&self, url: &str) -> String {
        let output = tokio::process::Command::new("curl")
            .args(["-sk", "--max-time", "30", url])
            .output()
            .await
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes the CA answer this to the question when to renew a certificate, whatever it is.
    pub(crate) async fn set_renewal_info(&self, certificate: &str, answer: &str) {
        let body = json!({"certificate": certificate, "ariResponse": answer});
        let output = tokio::process::Command::new("curl")
            .args([
                "-sk",
                "--max-time",
                "30",
                "--fail",
                "-X",
                "POST",
                "-d",
                &body.to_string(),
            ])
            .arg(format!("{}/set-renewal-info/", self.management))
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) async fn status_of(&self, serial: &str) -> Value {
        let url = format!("{}/cert-status-by-serial/{serial}", self.management);
        serde_json::from_str(&self.get(&url).await).unwrap()
    }

    /// Serves http-01 on the port that the CA asks.
    pub(crate) async fn serve_http(&self, http01: Http01) -> tokio::task::AbortHandle {
        let address = ("127.0.0.1", self.http_port);
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        crate::http01::serve(listener, http01)
    }

    /// Serves tls-alpn-01 on the port that the CA asks.
    pub(crate) async fn serve_tls(&self, solver: TlsAlpn01) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.tls_port))
            .await
            .unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let solver = solver.clone();
                tokio::spawn(async move {
                    let start = LazyConfigAcceptor::new(Default::default(), stream).await;
                    let Ok(start) = start else { return };
                    let hello = start.client_hello();
                    let alpn: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
                    assert_eq!(alpn, [ACME_TLS_ALPN]);
                    let name = hello.server_name().unwrap_or_default().to_owned();
                    if let Some(config) = solver.server_config(&name).await.unwrap() {
                        start.into_stream(config).await.ok();
                    }
                });
            }
        });
    }
}
