//! The HTTPS server as a user runs it, with a CA of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "nobody reads a test's files while it writes"
)]
#![cfg(unix)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject as _},
};

fn command(args: &[&str]) -> Command {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let mut command = Command::new(profile.join("examples/https_server"));
    command.args(args);
    command
}

/// A server that is ended with the test.
struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    https: String,
    http: String,
    /// What it said before it listened.
    before: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args)
            .args(["--https", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self {
            lines: BufReader::new(child.stdout.take().unwrap()),
            child,
            https: String::new(),
            http: String::new(),
            before: String::new(),
        };
        server.https = server.address("https://");
        server.http = server.address("http://");
        server
    }

    fn line(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "no line {start}"
            );
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
            if self.https.is_empty() {
                self.before.push_str(&line);
            }
        }
    }

    fn address(&mut self, scheme: &str) -> String {
        self.line(scheme).trim_end_matches('/').to_owned()
    }

    /// Ends it as ctrl-c does, and gives the last line.
    fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(killed.success());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest.lines().last().unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn exchange(mut stream: impl std::io::Read + std::io::Write, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A client that trusts this root.
fn client(root: &Path, name: &str) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(root).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// What a client says of a handshake that fails.
fn handshake(stream: &mut TcpStream, root: &Path, name: &str) -> Result<(), String> {
    let done = client(root, name).complete_io(stream);
    done.map(|_| ()).map_err(|error| error.to_string())
}

/// A request over TLS; with the certificate that was served.
fn get(address: &str, root: &Path, name: &str) -> (String, Vec<u8>) {
    let client = client(root, name);
    let mut tls = StreamOwned::new(client, TcpStream::connect(address).unwrap());
    let answer = exchange(&mut tls, "/some/where");
    let leaf = tls.conn.peer_certificates().unwrap()[0].to_vec();
    (answer, leaf)
}

#[test]
fn clients_that_trust_its_root_are_served_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let root = store.join("root.pem");
    let mut served = Vec::new();
    for first in ["was issued by local-ca:https_server", "is in service (new)"] {
        let mut server = Server::start(&["--store", store.to_str().unwrap()]);
        assert_eq!(server.line("certificate localhost "), first);
        if first.starts_with("was issued") {
            server.line("certificate localhost is in service");
        }
        for name in ["localhost", "127.0.0.1"] {
            let (answer, leaf) = get(&server.https, &root, name);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(
                answer.ends_with("\r\n\r\nthis is /some/where\n"),
                "{answer}"
            );
            served.push(leaf);
        }
        let moved = exchange(TcpStream::connect(&server.http).unwrap(), "/some/where");
        assert!(moved.starts_with("HTTP/1.1 308 "), "{moved}");
        assert_eq!(server.interrupt(), "2 connections");
    }
    served.dedup();
    assert_eq!(
        served.len(),
        1,
        "one certificate for both names and both starts"
    );
}

#[test]
fn names_below_a_suffix_get_theirs_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let root = store.join("root.pem");
    let args = [
        "--store",
        store.to_str().unwrap(),
        "--on-demand",
        "shop.test",
    ];
    let mut served = Vec::new();
    for says in ["was issued by local-ca:https_server", "is in service (new)"] {
        let mut server = Server::start(&args);
        let (answer, leaf) = get(&server.https, &root, "tea.shop.test");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(server.line("certificate tea.shop.test "), says);
        served.push(leaf);
        let mut stream = TcpStream::connect(&server.https).unwrap();
        let refused = handshake(&mut stream, &root, "tea.other.test").unwrap_err();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
        server.line("no certificate is issued on demand for tea.other.test");
        assert_eq!(server.interrupt(), "1 connections");
    }
    assert_eq!(
        served[0], served[1],
        "the second start found it in the store"
    );
}

#[test]
fn a_configuration_says_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (folder.path().join("key"), folder.path().join("opsbox.toml"));
    fs::write(&key, "a1".repeat(32)).unwrap();
    let store = folder.path().join("store");
    let text = format!(
        r#"
[store]
kind = "folder"
path = {store:?}
encryption_key_file = {key:?}

[issuers.internal]
kind = "local-ca"
common_name = "The cellar"

[[certificates]]
names = ["db.internal", "127.0.0.1"]
"#
    );
    fs::write(&file, &text).unwrap();
    let args = ["--config", file.to_str().unwrap()];
    let mut server = Server::start(&args);
    server.line("certificate db.internal is in service");
    let root = folder.path().join("root.pem");
    let (_, pem) = server.before.split_once(" root of internal:\n").unwrap();
    fs::write(&root, pem).unwrap();
    let (answer, _) = get(&server.https, &root, "db.internal");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    server.interrupt();

    fs::write(&file, text.replace("common_name", "comon_name")).unwrap();
    let Output { status, stderr, .. } = command(&args).output().unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("line 9, column "), "{error}");
    assert!(error.contains("issuers.internal.comon_name"), "{error}");
}

#[test]
fn wrong_arguments_say_what_is_wrong() {
    let fails = |args: &[&str], code: i32| {
        let Output { status, stderr, .. } = command(args).output().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
        String::from_utf8(stderr).unwrap()
    };
    let error = fails(&["--directory", "https://ca.example/dir"], 2);
    assert!(
        error.contains("--directory goes with --agree-to-terms"),
        "{error}"
    );
    let error = fails(&["--challenge", "dns"], 2);
    assert!(error.contains("`dns` is no challenge"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().to_str().unwrap();
    let error = fails(&["--store", store, "--name", "a..b"], 1);
    assert!(
        error.contains("cannot take `a..b` as a name of a certificate"),
        "{error}"
    );
}
