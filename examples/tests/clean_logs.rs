//! The cleaning of logs as a user runs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    env, fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

/// Runs the example, which cargo builds together with this test: its exit code and what it prints.
fn clean_logs(args: &[&str], stdin: &str) -> (i32, String, String) {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = format!("clean_logs{}", env::consts::EXE_SUFFIX);
    let mut command = Command::new(profile.join("examples").join(program));
    let variables = [
        "GITHUB_ACTIONS",
        "GITLAB_CI",
        "CIRCLECI",
        "TF_BUILD",
        "BUILDKITE",
        "JENKINS_URL",
        "TRACEPARENT",
    ];
    for name in variables {
        command.env_remove(name);
    }
    let mut child = command
        .args(args)
        .env("APP_ENV", "prod")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it reads all.
    let _gone = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn records(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What the sample has that is not to leave.
const SECRETS: [&str; 8] = [
    "ann.lee",
    "13800138000",
    "4111 1111",
    "bo@",
    "hunter2secret",
    "9f86d081884c",
    "carl@",
    "1111 1111",
];

#[test]
fn the_sample_comes_out_clean() {
    let (code, out, errors) = clean_logs(&[], "");
    assert_eq!(code, 1, "{errors}");
    for secret in SECRETS {
        assert!(
            !out.contains(secret) && !errors.contains(secret),
            "{secret}: {out}{errors}"
        );
    }
    let records = records(&out);
    assert_eq!(records.len(), 12);
    assert_eq!(records[1]["message.path"], "/orders");
    // What was a number in a document is one, and an array is an array; XML has texts.
    assert_eq!(records[1]["message.user.id"], 71);
    assert_eq!(records[1]["message.ms"], 12.5);
    assert_eq!(records[2]["message.order"], 981);
    assert_eq!(records[2]["message.items"], serde_json::json!([1, 2]));
    assert_eq!(records[6]["message.order.@id"], "981");
    assert_eq!(records[4]["message.reason"], "bad gateway");
    let unmatched = records.last().unwrap();
    assert_eq!(
        (&unmatched["line_number"], &unmatched["unmatched"]),
        (&9.into(), &"no_match".into())
    );
    assert!(
        records
            .iter()
            .all(|record| record["log.file.name"] == "app.log")
    );
    assert!(
        errors.contains("read 12 lines") && errors.contains("11 records, 1 lines unmatched"),
        "{errors}"
    );
    assert!(
        errors.contains("wrote 12 lines") && errors.contains("line 9 (byte "),
        "{errors}"
    );
    // Threads change nothing.
    let (_, threads, _) = clean_logs(&["--threads", "3", "--quiet"], "");
    assert_eq!(threads, out);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clean.ndjson");
    let path = path.to_str().unwrap();
    let (code, out, errors) =
        clean_logs(&["-", "-o", path], "level=info msg=a\nlevel=warn msg=b\n");
    assert_eq!((code, out.as_str()), (0, ""), "{errors}");
    let written = fs::read_to_string(path).unwrap();
    assert_eq!(records(&written)[1]["msg"], "b");

    // What cannot be read leaves what was there.
    let (code, _, errors) = clean_logs(&["/nonexistent/app.log", "-o", path], "");
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("/nonexistent/app.log"), "{errors}");
    let (code, _, errors) = clean_logs(&["-", "-o", "/nonexistent/out"], "level=info msg=a\n");
    assert_eq!(code, 3, "{errors}");
    assert_eq!(fs::read_to_string(path).unwrap(), written);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_and_a_mode_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    let target = folder.path().join("deep/clean.ndjson");
    let (link, loose) = (folder.path().join("link"), folder.path().join("loose"));
    symlink("deep/clean.ndjson", &link).unwrap();
    symlink("link", &loose).unwrap();
    // The first makes the file that the links lead to.
    for (at, mode) in [0o644, 0o600, 0o640].into_iter().enumerate() {
        let log = format!("level=info at={at}\n");
        let (code, out, errors) = clean_logs(&["-", "-o", loose.to_str().unwrap()], &log);
        assert_eq!((code, out.as_str()), (0, ""), "{errors}");
        let written = fs::read_to_string(&target).unwrap();
        assert_eq!(records(&written)[0]["at"], at.to_string());
        if at > 0 {
            let before = [0o644, 0o600][at - 1];
            let is = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
            assert_eq!(is, before);
        }
        fs::set_permissions(&target, PermissionsExt::from_mode(mode)).unwrap();
    }
    assert!(link.is_symlink() && loose.is_symlink() && !target.is_symlink());

    let (code, out, errors) = clean_logs(&["-", "-o", "/dev/stdout"], "level=info at=9\n");
    assert_eq!(code, 0, "{errors}");
    assert_eq!(records(&out)[0]["at"], "9");
}

#[test]
fn an_empty_log_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clean.ndjson");
    let (code, out, errors) = clean_logs(&["-", "-o", path.to_str().unwrap()], "");
    assert_eq!((code, out.as_str()), (0, ""), "{errors}");
    assert!(
        errors.contains("read 0 lines") && errors.contains("wrote 0 lines"),
        "{errors}"
    );
    assert_eq!(fs::read(path).unwrap(), b"");
}

#[test]
fn a_file_says_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    write("mask.toml", "[actions]\nPII_EMAIL = \"redact\"\n");
    let config = write(
        "pipeline.yaml",
        "mask: {policy: mask.toml}\nenrich:\n  environment: {APP_ENV: deployment.environment.name}\noutput: {format: logfmt}\n",
    );
    let (code, out, errors) = clean_logs(
        &["--config", &config, "--quiet", "-"],
        "to=ann@example.com n=1\n",
    );
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(
        out.contains("deployment.environment.name=prod") && !out.contains("ann@"),
        "{out}"
    );

    let says = write("says.toml", "[input]\npreset = \"logfmt\"\n");
    let args = ["--config", &says, "--format", "app", "-"];
    let (code, out, errors) = clean_logs(&args, "n=1\n");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(errors.contains("--format"), "{errors}");
    let (code, out, errors) =
        clean_logs(&["--config", &config, "--format", "logfmt", "-"], "n=1\n");
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("n=1"), "{out}");

    let wrong = write("wrong.toml", "[output]\nformat = \"xml\"\n");
    let (code, out, errors) = clean_logs(&["--config", &wrong], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        errors.contains("wrong.toml: line 2 column 10: output.format"),
        "{errors}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    for (args, expected) in [
        (&["--format", "combind"][..], "did you mean"),
        (&["--treads", "2"], "--treads"),
        (&["--policy", "/nonexistent.toml"], "/nonexistent.toml"),
        (
            &["--policy", "a.toml", "--config", "b.toml"],
            "give one of them",
        ),
    ] {
        let (code, _, errors) = clean_logs(args, "");
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    let (code, out, _) = clean_logs(&["--help"], "");
    assert!(code == 0 && out.contains("Exit code"));
}
