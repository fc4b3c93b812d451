//! The scan of certificates as a user runs it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{env, path::Path, process::Command};

/// Runs the example, which cargo builds together with this test: its exit code and what it prints.
fn scan_certs(args: &[&str]) -> (i32, String, String) {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = format!("scan_certs{}", env::consts::EXE_SUFFIX);
    let output = Command::new(profile.join("examples").join(program))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn sample(name: &str) -> String {
    format!("{}/samples/certs/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_next_to_end_stands_first_and_decides_the_exit_code() {
    let (code, shown, errors) = scan_certs(&[]);
    let first = shown.lines().next().unwrap();
    assert!(first.contains("EXPIRED  legacy.example.org  "), "{shown}");
    assert_eq!(code, 1);
    assert!(
        errors.contains("intranet.example.net.pem") && errors.contains("truncated"),
        "{errors}"
    );

    let good = sample("shop.example.com-fullchain.pem");
    let (code, shown, errors) = scan_certs(&[&good, "--within", "-100000"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{shown}");
    let (code, shown, _) = scan_certs(&[&good, "--within", "100000"]);
    assert_eq!(code, 1);
    assert!(
        shown
            .lines()
            .all(|line| line.contains("SOON") || line.contains("EXPIRED")),
        "{shown}"
    );
}

#[test]
fn metrics_and_json_are_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certs.prom");
    let file = file.to_str().unwrap();
    let (_, metrics, _) = scan_certs(&["--format", "prometheus", "--textfile", file]);
    let series = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("remaining"));
        lines.map(String::from).collect::<Vec<_>>()
    };
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(series(&written), series(&metrics));
    assert!(metrics.contains("legacy.example.org"), "{metrics}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    let (_, json, _) = scan_certs(&["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.to_string().contains("legacy.example.org"), "{json}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let missing = Path::new("/nowhere/at/all");
    let (code, shown, errors) = scan_certs(&[missing.to_str().unwrap()]);
    assert_eq!((code, shown.as_str()), (1, ""));
    assert!(
        errors.contains("there is no such file or folder"),
        "{errors}"
    );
    let (code, _, errors) = scan_certs(&["--textfile", "/nowhere/at/all.prom"]);
    assert_eq!(code, 1);
    assert!(
        errors.starts_with("scan_certs: /nowhere/at/all.prom: "),
        "{errors}"
    );
    for args in [
        &["--format", "xml"] as &[_],
        &["--within", "soon"],
        &["--what"],
    ] {
        let (code, shown, errors) = scan_certs(args);
        assert_eq!((code, shown.as_str()), (2, ""), "{args:?}");
        assert!(errors.contains("Usage: "), "{errors}");
    }
}
