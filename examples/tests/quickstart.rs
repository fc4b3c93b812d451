//! The quickstart as a user runs it: on its samples, and on what users give by mistake.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Runs the quickstart, which cargo builds together with this test, in the root of the repository.
fn quickstart(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = profile
        .join("examples")
        .join(format!("quickstart{}", env::consts::EXE_SUFFIX));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(program);
    command.args(args).current_dir(root);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The message of a run that has to fail, and nothing else on standard error.
fn fails(args: &[&str]) -> String {
    let output = quickstart(args);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr).trim_end().to_owned()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.path().join(name);
        #[allow(
            clippy::disallowed_methods,
            reason = "a test's own file, which no crash can harm"
        )]
        fs::write(&path, content).unwrap();
        shown(path)
    }

    fn path(&self) -> String {
        shown(self.0.path().to_owned())
    }
}

fn shown(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

#[test]
fn the_samples_show_all_three_crates_at_work() {
    let output = quickstart(&[]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(text(&output.stderr), "");
    for part in [
        "format     combined (detected, confidence 0.99 from 599 lines)",
        "lines      600 = 597 matched + 3 unmatched",
        "errors     5.03 % client (4xx), 3.02 % server (5xx)",
        "line 513 (byte 88624): the line is empty",
        "EXPIRED  legacy.example.org",
        "intranet.example.net.pem (section index 0): the `-----END CERTIFICATE-----` line is missing",
        "tls_certificate_remaining_days{common_name=\"api.example.net\"",
        "15 pods: 1 StuckTerminating, 1 Unknown, 1 Evicted, 1 OOMKilled, 1 ImagePullBackOff, \
         1 ContainerConfigError, 1 CrashLoopBackOff, 1 Failed, 1 Unschedulable, 1 NotReady, \
         1 Completed, 4 Healthy",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn only_what_was_asked_for_is_shown() {
    let output = quickstart(&["--log", "examples/samples/access.log"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("LOG") && !shown.contains("PODS") && !shown.contains("CERTIFICATES"));
}

#[test]
fn bad_logs() {
    let folder = Folder::new();
    let path = folder.file("empty.log", b"");
    assert_eq!(
        fails(&["--log", &path]),
        format!("log: {path} is empty: no line to show")
    );

    let path = folder.path();
    assert_eq!(
        fails(&["--log", &path]),
        format!("log: cannot read {path}: it is a folder; give a log file")
    );

    let path = folder.file("binary.log", b"\x7fELF\x02\x01\x01\0\0\0\n\xff\xfe");
    assert_eq!(
        fails(&["--log", &path]),
        format!(
            "log: format of {path} not recognised: there is a NUL at byte 7, so this looks like a \
             binary file or UTF-16; decompress it, or convert it to UTF-8, first"
        )
    );

    let path = folder.file("app.log", b"2026-01-02 03:04:05 [INFO] up\n");
    assert_eq!(
        fails(&["--log", &path, "--format", "combind"]),
        "log: no preset is named \"combind\"; did you mean \"combined\"?"
    );
    assert_eq!(
        fails(&["--log", &path, "--format", r"(?P<user>\w+)(?=@)"]),
        "log: pattern, byte 13, at \"(?=\": look-around is refused, since no engine with a \
         guaranteed linear time can run it; capture more of the line and test the value in code"
    );
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let folder = Folder::new();
    let mut log = vec![b'x'; 100 << 20];
    log.extend_from_slice(b"\n2026-01-02 03:04:05 [INFO] after\n");
    let path = folder.file("long.log", &log);
    let output = quickstart(&["--log", &path, "--format", "app"]);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("lines      2 = 1 matched + 1 unmatched"),
        "{shown}"
    );
    assert!(shown.contains("line 1 (byte 0): longer than the limit of 1048576 bytes: xxx"));
}

#[test]
fn bad_certificates() {
    let folder = Folder::new();
    let key = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    for (name, content, problem) in [
        ("empty.pem", &b""[..], "the file is empty (0 bytes)"),
        (
            "binary.pem",
            &[0xff, 0, 1, 2],
            "the file is binary and neither a DER certificate nor PEM",
        ),
        (
            "key.pem",
            key,
            "it holds a private key and no certificate; give the certificate",
        ),
        (
            "cut.pem",
            b"-----BEGIN CERTIFICATE-----\nMIIB\n",
            "the `-----END CERTIFICATE-----` line is missing, so the section is truncated",
        ),
    ] {
        let path = folder.file(name, content);
        let output = quickstart(&["--certs", &path]);
        let shown = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{name}: {shown}");
        assert!(shown.contains(problem), "{name}: {shown}");
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }
}

#[test]
fn bad_pod_lists() {
    let folder = Folder::new();
    for (name, content, problem) in [
        ("empty.json", &b""[..], "it is empty"),
        (
            "cut.json",
            b"{\"kind\":\"List\",\"items\":[{\"kind\":\"Pod\",",
            "the JSON ends in the middle",
        ),
        (
            "words.json",
            b"error: no context set\n",
            "expected a PodList, a List or a Pod",
        ),
        (
            "deployment.json",
            b"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"}}",
            "found a Deployment: save one with `kubectl get pods -A -o json`",
        ),
    ] {
        let path = folder.file(name, content);
        let message = fails(&["--pods", &path]);
        assert!(
            message.starts_with(&format!("pods: cannot read pods from {path}: ")),
            "{message}"
        );
        assert!(message.contains(problem), "{message}");
    }
    let message = fails(&["--pods", &folder.path()]);
    assert!(message.contains("it is a directory"), "{message}");
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let mut run = command(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stdout.take());
    let output = run.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn wrong_arguments() {
    let output = quickstart(&["--pod", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("quickstart: invalid option '--pod'"));
    assert_eq!(quickstart(&["--help"]).status.code(), Some(0));
}
