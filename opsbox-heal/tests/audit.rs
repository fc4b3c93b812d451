//! The audit stream: its lines to the byte, and what is left of it after failures.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "files of a test may be half written"
)]

use std::fs;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsbox_heal::act::{Outcome, Recovery, Target};
use opsbox_heal::record::{AuditLog, Entry, EntryKind, EntryTarget, SyncPolicy, entries};
use opsbox_heal::{ErrorKind, PodSnapshot, Timestamp, diagnose, limits};

fn time() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn entry(reason: &str) -> Entry {
    Entry::new(EntryKind::Decision, time(), "wait", reason)
}

/// What can be read, and how many lines cannot.
fn read(path: &Path) -> (Vec<Entry>, usize) {
    let file = BufReader::new(fs::File::open(path).unwrap());
    let (good, bad): (Vec<_>, Vec<_>) = entries(file).partition(Result::is_ok);
    (good.into_iter().map(Result::unwrap).collect(), bad.len())
}

fn reasons(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.reason.as_str()).collect()
}

/// Every field, so that a change of the schema is a change of this test.
#[test]
fn the_schema() {
    let pods = PodSnapshot::from_json(
        br#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "uid": "0b0e"},
            "spec": {"containers": [{"name": "app", "image": "web:1"}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "app", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}]}}"#,
    );
    let pods = pods.unwrap();
    let target = Target::from(&pods.pods()[0]).resource_version("71");
    let target = EntryTarget::from(&target)
        .workload("Deployment/web")
        .node("node-a");
    let blocked = Outcome::Blocked {
        budget: "The disruption budget web needs 2".into(),
        retry_after: Some(Duration::from_secs(10)),
    };
    let recovered = Recovery::Recovered {
        after: Duration::from_secs(12),
        replacement: Some("web-2".into()),
    };
    let entry = Entry::new(EntryKind::Outcome, time(), "evict", "ImagePullBackOff")
        .act("0b0e-1")
        .target(target)
        .verdict(&diagnose(&pods.pods()[0], time()))
        .cause("ImageNotFound")
        .message("the image is not there")
        .rule("pull")
        .dry_run(true)
        .outcome(&blocked)
        .recovery(&recovered);
    let shared = Shared::default();
    let mut audit = AuditLog::to_writer(shared.clone())
        .cluster("test")
        .controller("heal-1");
    audit.append(&entry).unwrap();
    let text = shared.text();
    let expected = concat!(
        r#"{"schema":1,"sequence":1,"time":"2026-03-01T12:00:00Z","kind":"outcome","cluster":"test","#,
        r#""controller":"heal-1","act":"0b0e-1","target":{"namespace":"shop","name":"web-1","uid":"0b0e","#,
        r#""resource_version":"71","workload":"Deployment/web","node":"node-a"},"condition":"ImagePullBackOff","#,
        r#""cause":"ImageNotFound","severity":"critical","confidence":"high","summary":"SUMMARY","action":"evict","#,
        r#""reason":"ImagePullBackOff","message":"the image is not there","rule":"pull","dry_run":true,"#,
        r#""outcome":{"result":"blocked","message":"blocked by a disruption budget, to be tried again in 10 s: "#,
        r#"The disruption budget web needs 2","retry_after_seconds":10},"recovery":{"result":"recovered","#,
        r#""after_seconds":12,"replacement":"web-2"}}"#,
        "\n"
    );
    let summary = entry.summary.as_deref().unwrap();
    let summary = serde_json::to_string(summary).unwrap();
    assert_eq!(text, expected.replace("\"SUMMARY\"", &summary));
    let back = entries(text.as_bytes()).next().unwrap().unwrap();
    assert_eq!(
        (back.outcome, back.recovery),
        (entry.outcome, entry.recovery)
    );
}

#[test]
fn newer_lines_are_read_as_far_as_they_can_be() {
    let line = r#"{"schema":1,"time":"2026-03-01T12:00:00+01:00","kind":"dream","action":"a","reason":"R","new":[1]}"#;
    let newer = line.replace("\"schema\":1", "\"schema\":2");
    let long = "x".repeat(limits::MAX_AUDIT_LINE_BYTES + 1);
    let text = format!("{line}\n\n{newer}\n{long}\n[]\n\u{feff}\n{line}");
    let mut stream = text.into_bytes();
    stream.extend(b"\n\xff\xfe\n");
    let all: Vec<_> = entries(stream.as_slice()).collect();
    let kinds: Vec<_> = all
        .iter()
        .map(|one| match one {
            Ok(entry) => Ok((entry.kind, entry.time.to_string())),
            Err(error) => Err((error.kind(), error.line().unwrap())),
        })
        .collect();
    let good = Ok((EntryKind::Other, "2026-03-01T11:00:00Z".to_owned()));
    assert_eq!(
        kinds,
        [
            good.clone(),
            Err((ErrorKind::WrongKind, 3)),
            Err((ErrorKind::TooLarge, 4)),
            Err((ErrorKind::Syntax, 5)),
            Err((ErrorKind::Syntax, 6)),
            good,
            Err((ErrorKind::Syntax, 8)),
        ]
    );
    let newer = all[1].as_ref().unwrap_err().to_string();
    assert_eq!(
        newer,
        format!(
            "line 3 column 1 (byte {}): the line has schema 2, and this version knows 1; read it with a newer one",
            line.len() + 2
        )
    );
}

#[test]
fn texts_are_bounded_and_without_secrets() {
    let shared = Shared::default();
    let mut audit = AuditLog::to_writer(shared.clone());
    let long = format!("https://joe:CANARY@r.example/ {}\n", "ü".repeat(100_000));
    audit.append(&entry("R").message(long)).unwrap();
    let text = shared.text();
    assert!(!text.contains("CANARY") && text.len() < limits::MAX_AUDIT_TEXT_BYTES + 300);
    assert_eq!(text.matches('\n').count(), 1);
}

/// Wherever a crash cuts the last line.
#[test]
fn a_torn_line_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut audit = AuditLog::open(&path).unwrap();
    audit.append(&entry("First")).unwrap();
    let first = fs::read(&path).unwrap().len();
    audit.append(&entry("Second").message("ü")).unwrap();
    drop(audit);
    let whole = fs::read(&path).unwrap();
    for cut in first..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut audit = AuditLog::open(&path).unwrap();
        audit.append(&entry("Third")).unwrap();
        drop(audit);
        let (good, bad) = read(&path);
        // Only the line's end is missing: nothing of it is lost.
        let is_whole = cut + 1 >= whole.len();
        let expected: &[&str] = match is_whole {
            true => &["First", "Second", "Third"],
            false => &["First", "Third"],
        };
        assert_eq!(reasons(&good), expected, "cut at {cut}");
        assert_eq!(bad, usize::from(!is_whole && cut > first), "cut at {cut}");
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails after so many bytes, once in a while.
struct Failing {
    to: Shared,
    room: usize,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.room = 700;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(self.room).min(97);
        self.room -= count;
        self.to.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_leaves_a_gap_that_can_be_seen() {
    let shared = Shared::default();
    let to = shared.clone();
    let mut audit = AuditLog::to_writer(Failing { to, room: 150 });
    let mut written = Vec::new();
    for number in 0..60 {
        match audit.append(&entry(&format!("R{number}"))) {
            Ok(sequence) => written.push(sequence),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Io);
                let said = error.to_string();
                assert!(
                    said.starts_with("the audit stream cannot be written: "),
                    "{said}"
                );
            }
        }
    }
    assert!(written.len() < 60);
    let text = shared.text();
    let good = entries(text.as_bytes()).filter_map(Result::ok);
    let read: Vec<u64> = good.map(|entry| entry.sequence).collect();
    // What was said to be written is there. One whose last byte alone failed may be there, too.
    assert!(
        written.iter().all(|sequence| read.contains(sequence)),
        "{written:?} {read:?}"
    );
    assert!(read.is_sorted());
}

#[test]
fn a_file_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = AuditLog::open(&path).unwrap();
    let error = AuditLog::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let said = error.to_string();
    assert!(
        said.contains("is written by another process; give each its own file"),
        "{said}"
    );
    drop(first);
    drop(AuditLog::open(&path).unwrap());

    let error = AuditLog::open(folder.path().join("none/audit.jsonl")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(AuditLog::open(folder.path()).is_err());
}

#[test]
fn rotation_loses_nothing_that_is_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let open = || AuditLog::open(&path).unwrap().rotate(1_000, 3);
    let mut audit = open();
    for number in 0..100 {
        audit.append(&entry(&format!("R{number}"))).unwrap();
        // Over restarts, too.
        if number % 7 == 0 {
            drop(audit);
            audit = open();
        }
    }
    drop(audit);
    let mut all = Vec::new();
    for name in [
        "audit.jsonl.3",
        "audit.jsonl.2",
        "audit.jsonl.1",
        "audit.jsonl",
    ] {
        let path = folder.path().join(name);
        assert!(fs::metadata(&path).unwrap().len() <= 1_000, "{name}");
        let (good, bad) = read(&path);
        assert_eq!(bad, 0);
        all.extend(good);
    }
    assert!(!folder.path().join("audit.jsonl.4").exists());
    let last: Vec<String> = (100 - all.len()..100).map(|n| format!("R{n}")).collect();
    assert_eq!(reasons(&all), last);
    assert!(all.len() > 20);
}

/// Not a test of its own: what the tests below start, with the path in `AUDIT_PATH`.
#[test]
fn as_a_process_of_its_own() {
    let Some(path) = std::env::var_os("AUDIT_PATH") else {
        return;
    };
    let mut audit = AuditLog::open(path).unwrap().rotate(200_000, 1_000);
    let count = std::env::var("AUDIT_COUNT").map_or(u64::MAX, |count| count.parse().unwrap());
    let mut failed = 0;
    for number in 0..count {
        let text = "x".repeat(usize::try_from(number % 900).unwrap());
        if audit.append(&entry("R").message(text)).is_err() {
            failed += 1;
        }
    }
    audit = audit.sync(SyncPolicy::EachLine);
    drop(audit);
    // 0 if all was written, or the number that failed.
    std::process::exit(failed.min(100));
}

#[cfg(target_os = "linux")]
fn process(path: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("bash");
    command
        .arg("-c")
        .arg("[ -z \"$LIMIT\" ] || { trap '' XFSZ; ulimit -f $LIMIT; }; exec \"$@\"")
        .arg("bash")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "as_a_process_of_its_own"])
        .env("AUDIT_PATH", path)
        .stdout(std::process::Stdio::null());
    command
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_writer_leaves_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut lines = 0;
    for round in 0..20 {
        let mut child = process(&path).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(40 + round * 7));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "lock") {
            continue;
        }
        let (good, bad) = read(&path);
        assert_eq!(bad, 0, "{}", path.display());
        lines += good.len();
    }
    assert!(lines > 1_000, "{lines}");
}

/// The system writes a part of a line, then no more.
#[test]
#[cfg(target_os = "linux")]
fn what_does_not_fit_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // In units of 1024 bytes.
    let ended = process(&path)
        .env("LIMIT", "24")
        .env("AUDIT_COUNT", "150")
        .status()
        .unwrap();
    let failed = usize::try_from(ended.code().unwrap()).unwrap();
    assert!(failed > 0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n') && text.len() > 24_000);
    let (good, bad) = read(&path);
    assert_eq!((good.len(), bad), (150 - failed, 0));
}
