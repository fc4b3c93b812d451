//! The simulation of a fleet as a user runs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{env, fs, process::Command};

use serde_json::Value;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/fleet.toml");

/// Runs the example, which cargo builds together with this test: its exit code and what it prints.
fn simulate_fleet(args: &[&str]) -> (i32, String, String) {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = format!("simulate_fleet{}", env::consts::EXE_SUFFIX);
    let mut command = Command::new(profile.join("examples").join(program));
    let output = command.args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_small_fleet_is_told_of_in_text() {
    let args = ["--certificates", "100", "--for", "100d"];
    let (code, out, errors) = simulate_fleet(&args);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    for part in [
        "100 certificates, 100 days, 1 instances, 1 accounts, seed 0\n",
        "expired: 0;",
        "limits overdrawn: 0\n",
        "duplicate orders: 0\n",
        "peak to mean",
    ] {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    assert_eq!(simulate_fleet(&args).1, out, "it is the same each time");
    let again = simulate_fleet(&[&args[..], &["--seed", "1"]].concat());
    assert_ne!(again.1, out, "another seed is another year");
}

#[test]
fn the_sample_runs_and_options_win_over_it() {
    let args = [SAMPLE, "--certificates", "300", "--format", "json"];
    let (code, out, errors) = simulate_fleet(&args);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["certificates"], 300);
    assert_eq!(report["instances"], 3);
    assert_eq!(report["seed"], 7);
    let by_hour = report["orders_by_hour"].as_array().unwrap();
    assert_eq!(by_hour.len(), 365 * 24);
    let sum: u64 = by_hour.iter().map(|it| it.as_u64().unwrap()).sum();
    assert_eq!(report["orders"], sum);
    assert!(
        report["ca_errors"].as_u64().unwrap() > 0,
        "a week without the CA"
    );
}

#[test]
fn the_load_is_drawn_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load.svg");
    let event = ["--event", "20d outage 3d", "--event", "40d crash 0 for 1h"];
    let args = [
        &[
            "--certificates",
            "50",
            "--for",
            "90d",
            "--format",
            "svg",
            "-o",
            path.to_str().unwrap(),
        ],
        &event[..],
    ];
    let (code, out, errors) = simulate_fleet(&args.concat());
    assert_eq!((code, out.as_str(), errors.as_str()), (0, "", ""));
    let svg = fs::read_to_string(&path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("outage of the CA") && svg.contains("instance lost"));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside"
    );
}

/// What the report says: how many expired, and whether a limit was overdrawn or an order a duplicate.
fn judged(args: &[&str]) -> (i32, u64, u64, u64) {
    let (code, out, errors) = simulate_fleet(&[args, &["--format", "json"]].concat());
    assert_eq!(errors, "", "{args:?}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap();
    (
        code,
        number("expired"),
        number("overdrawn"),
        number("duplicates"),
    )
}

/// The exit code is 1 if something expired that could have been renewed, and only then, with all else the same.
#[test]
fn what_expires_is_an_exit_code() {
    let fleet = [
        &["--certificates", "50", "--lifetime", "160h"][..],
        &["--for", "40d", "--no-ari"],
    ]
    .concat();
    let with = |more: &[&str]| judged(&[&fleet[..], more].concat());
    // The CA is there, and answers no request well.
    let (code, expired, overdrawn, duplicates) = with(&["--faults", "1"]);
    assert_eq!((code, expired), (1, 50));
    assert_eq!(
        (overdrawn, duplicates),
        (0, 0),
        "nothing else is the reason"
    );
    assert_eq!(with(&["--faults", "0"]), (0, 0, 0, 0));
    // What no one could have renewed is none: the CA is not there for longer than what is left of each.
    let event = ["--event", "20d outage 7d"];
    assert_eq!(with(&event), (0, 0, 0, 0));
    let (_, out, _) = simulate_fleet(&[&fleet[..], &event, &["--format", "json"]].concat());
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["expired_while_down"], 50);

    // Orders for what is new still are found too: a policy of days burns certificates of hours.
    let (code, expired, overdrawn, duplicates) = with(&["--policy", "classic"]);
    assert_eq!((code, expired, overdrawn), (1, 0, 0));
    assert!(duplicates > 0);
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("fleet.toml");
        let mut written = fs::File::create(&path).unwrap();
        std::io::Write::write_all(&mut written, text.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let run = |args: &[&str], reasons: &[&str]| {
        let (code, out, errors) = simulate_fleet(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {errors}");
        for reason in reasons {
            assert!(
                errors.contains(reason),
                "{args:?}: {reason:?} is not in {errors}"
            );
        }
    };
    run(&["--certificates", "many"], &["many"]);
    run(&["--certificates", "0"], &["no certificates"]);
    run(&["--lifetime", "90"], &["\"90\" is no time"]);
    run(&["--lifetime", "90d=x"], &["the part is a whole number"]);
    run(&["--kinds", "1,2"], &["three whole numbers"]);
    run(&["--issued", "never"], &["\"never\"", "one-day"]);
    run(&["--policy", "best"], &["\"best\"", "classic"]);
    run(&["--faults", "2"], &["0 to 1"]);
    run(&["--format", "png"], &["png", "svg"]);
    run(
        &["--event", "10d flood"],
        &["10d flood", "nothing that can happen"],
    );
    run(
        &["--event", "10d crash 3"],
        &["instance 3", "counted from 0"],
    );
    run(&["--event", "400d repair"], &["day 400"]);
    run(&["--colour"], &["--colour"]);
    run(&["/nowhere/fleet.toml"], &["/nowhere/fleet.toml"]);
    run(
        &[&file("certificates = 10\ncertificats = 11\n")],
        &["fleet.toml", "line 2", "certificats"],
    );
    run(
        &[&file("certificates = \"ten\"\n")],
        &["fleet.toml", "line 1"],
    );
    let (code, out, errors) = simulate_fleet(&[
        "--certificates",
        "5",
        "--for",
        "10d",
        "-o",
        "/nowhere/report",
    ]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(errors.contains("/nowhere/report"), "{errors}");
}
