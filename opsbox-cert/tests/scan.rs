//! Folders: what is read, what is a problem, what is left out, and that it all adds up.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use opsbox_cert::{Counts, ErrorKind, Scan, ScanReport, SkipReason, read_file};

use common::{data, fixture, fresh, write};

fn assert_adds_up(report: &ScanReport) {
    let Counts {
        files,
        read,
        failed,
        skipped,
        ignored,
        certificates,
        problems,
        ..
    } = report.counts();
    assert_eq!(
        files,
        read + failed + skipped + ignored,
        "{:?}",
        report.counts()
    );
    assert_eq!(read, report.bundles().len());
    assert_eq!(skipped, report.skipped().len());
    assert_eq!(problems, report.problems().len());
    assert_eq!(certificates, report.certificates().count());
}

/// The names of the files that were read, below `dir`.
fn sources(report: &ScanReport, dir: &Path) -> Vec<PathBuf> {
    let below = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_path_buf();
    report
        .bundles()
        .iter()
        .map(|bundle| below(bundle.source()))
        .collect()
}

#[test]
fn a_broken_certificate_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let good = fixture("leaf.pem");
    let text = String::from_utf8(good.clone()).unwrap();
    let two = format!("{text}{}{text}", text.replacen("MII", "M!I", 1));
    write(dir.path(), "a.pem", &good);
    let mixed = write(dir.path(), "b.pem", two);
    let cut = write(dir.path(), "sub/c.crt", &good[..200]);
    write(dir.path(), "sub/d.der", fixture("p256.der"));

    let report = Scan::new().path(dir.path()).run();
    assert_eq!(
        sources(&report, dir.path()),
        ["a.pem", "b.pem", "sub/d.der"].map(PathBuf::from)
    );
    let places: Vec<_> = report
        .problems()
        .iter()
        .map(|problem| {
            (
                problem.path().unwrap(),
                problem.place().unwrap().index,
                problem.kind(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (mixed.as_path(), 1, ErrorKind::Pem),
            (cut.as_path(), 0, ErrorKind::Truncated)
        ]
    );
    assert_eq!(report.bundles()[1].problems().len(), 1);
    let counts = report.counts();
    assert_eq!(
        (counts.files, counts.read, counts.failed, counts.folders),
        (4, 3, 1, 2)
    );
    assert_eq!(counts.certificates, 4);
    assert_adds_up(&report);
}

#[test]
fn the_fixtures_are_read_whole() {
    let report = Scan::new().path(data()).run();
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert_eq!(report.counts().ignored, 1, "the script that makes them");
    assert_eq!(
        report.counts().certificates,
        report.counts().read + 2,
        "one is a chain of three"
    );
    assert_adds_up(&report);
}

#[test]
fn a_folder_without_certificates_is_empty_and_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "README.md", "nothing here");
    write(dir.path(), "app.log", [0; 100]);
    let report = Scan::new().path(dir.path()).run();
    assert!(report.is_empty());
    assert!(report.problems().is_empty());
    assert_eq!((report.counts().files, report.counts().ignored), (2, 2));
    assert_adds_up(&report);
    let nothing = Scan::new().run();
    assert!(nothing.is_empty());
    assert_eq!(nothing.counts(), Counts::default());
}

#[test]
fn content_decides_where_the_name_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = fresh("combined.example.com");
    let combined = format!("{}{}", fresh.key.serialize_pem(), fresh.pem);
    write(dir.path(), "haproxy.combined", &combined);
    write(dir.path(), "noextension", &fresh.pem);
    write(dir.path(), "mark", format!("\u{feff}{}", fresh.pem));
    write(dir.path(), "UPPER.PEM", &fresh.pem);
    write(dir.path(), "unknown.bin", &fresh.der);
    let report = Scan::new().path(dir.path()).run();
    assert_eq!(
        sources(&report, dir.path()),
        ["UPPER.PEM", "haproxy.combined", "mark", "noextension"].map(PathBuf::from)
    );
    assert_eq!(report.bundles()[1].private_keys(), 1);
    assert_eq!(
        report.bundles()[1].places()[0].index,
        1,
        "the key is section 0"
    );
    assert_eq!(report.counts().ignored, 1);
    // Given by name it is read whatever its name is.
    let given = Scan::new().path(dir.path().join("unknown.bin")).run();
    assert_eq!(given.counts().certificates, 1);
}

#[test]
fn keys_and_containers_are_skipped_in_a_folder_and_errors_when_given() {
    let dir = tempfile::tempdir().unwrap();
    let key = fresh("key.example.com").key;
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    write(dir.path(), "a.key", "never opened");
    let pem = write(dir.path(), "b.pem", key.serialize_pem());
    write(dir.path(), "c", key.serialize_pem());
    let der = write(dir.path(), "d.der", key.serialize_der());
    write(dir.path(), "e.p12", [0x30, 0x82, 0, 5, 2, 1, 3, 0x30, 0]);
    write(dir.path(), "f.pem", request);
    let report = Scan::new().path(dir.path()).run();
    let why: Vec<SkipReason> = report
        .skipped()
        .iter()
        .map(|skipped| skipped.why())
        .collect();
    assert_eq!(
        why,
        [
            SkipReason::PrivateKey,
            SkipReason::PrivateKey,
            SkipReason::PrivateKey,
            SkipReason::PrivateKey,
            SkipReason::Container,
            SkipReason::OtherContent,
        ]
    );
    let first = report.skipped()[0].to_string();
    assert!(
        first.ends_with("a.key: it is named as a private key and was not opened"),
        "{first}"
    );
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    assert_adds_up(&report);

    let given = Scan::new().path(pem).path(der).run();
    let kinds: Vec<ErrorKind> = given
        .problems()
        .iter()
        .map(|problem| problem.kind())
        .collect();
    assert_eq!(kinds, [ErrorKind::PrivateKey; 2]);
    assert_adds_up(&given);
}

#[test]
fn a_path_given_twice_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "sub/a.pem", fixture("leaf.pem"));
    let report = Scan::new()
        .paths([
            &file,
            &dir.path().to_path_buf(),
            &dir.path().join("sub"),
            &file,
        ])
        .run();
    assert_eq!(report.counts().certificates, 1);
    assert_adds_up(&report);
}

#[test]
fn a_missing_path_is_a_problem_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.pem", fixture("leaf.pem"));
    let report = Scan::new()
        .path(dir.path().join("missing"))
        .path(dir.path())
        .run();
    assert_eq!(report.counts().certificates, 1);
    assert_eq!(report.problems()[0].kind(), ErrorKind::Io);
    assert_adds_up(&report);
}

#[test]
fn depth_and_number_have_limits_that_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.pem", "1/b.pem", "1/2/c.pem", "1/2/3/d.pem"] {
        write(dir.path(), name, fixture("leaf.pem"));
    }
    let report = Scan::new().path(dir.path()).max_depth(1).run();
    assert_eq!(report.counts().certificates, 2);
    assert_eq!(report.problems().len(), 1);
    assert!(
        report.problems()[0]
            .to_string()
            .contains("deeper than the limit of 1")
    );
    assert_adds_up(&report);

    let report = Scan::new().path(dir.path()).max_files(3).run();
    assert_eq!(report.problems().len(), 1);
    assert!(
        report.problems()[0]
            .to_string()
            .contains("ended here after 3 entries")
    );
    assert_adds_up(&report);

    let all = Scan::new().path(dir.path()).run();
    assert_eq!(all.counts().certificates, 4);
}

#[test]
fn two_scans_give_the_same_report() {
    let shown = |report: &ScanReport| {
        let lines: Vec<String> = report
            .certificates()
            .map(|(path, facts)| format!("{path:?} {facts}"))
            .collect();
        lines
    };
    let one = Scan::new().path(data()).run();
    let two = Scan::new().path(data()).run();
    assert_eq!(shown(&one), shown(&two));
    let mut sorted = sources(&one, &data());
    sorted.sort();
    assert_eq!(sorted, sources(&one, &data()));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_kubernetes_secret_mount_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path().join("tls");
        write(
            &mount,
            "..2026_01_01_00_00_00.123/tls.crt",
            fixture("leaf.pem"),
        );
        write(&mount, "..2026_01_01_00_00_00.123/tls.key", "a key");
        symlink("..2026_01_01_00_00_00.123", mount.join("..data")).unwrap();
        symlink("..data/tls.crt", mount.join("tls.crt")).unwrap();
        symlink("..data/tls.key", mount.join("tls.key")).unwrap();
        let report = Scan::new().path(&mount).run();
        assert_eq!(sources(&report, &mount), [PathBuf::from("tls.crt")]);
        assert_eq!(report.counts().certificates, 1);
        assert_eq!(report.skipped()[0].why(), SkipReason::PrivateKey);
        assert_adds_up(&report);
        // A relative path may start with two dots all the same.
        let up = mount.join("../tls");
        assert_eq!(Scan::new().path(up).run().counts().certificates, 1);
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        write(&real, "a.pem", fixture("leaf.pem"));
        symlink("..", real.join("up")).unwrap();
        symlink("real", dir.path().join("again")).unwrap();
        symlink("real/a.pem", dir.path().join("link.pem")).unwrap();
        symlink("circle", dir.path().join("circle")).unwrap();
        symlink("link.pem", dir.path().join("4042bcee.0")).unwrap();
        symlink("nowhere", dir.path().join("gone.crt")).unwrap();
        symlink("user@host:123", dir.path().join(".#lock")).unwrap();
        let report = Scan::new().path(dir.path()).run();
        assert_eq!(
            sources(&report, dir.path()),
            ["again/a.pem", "link.pem"].map(PathBuf::from)
        );
        let why: Vec<SkipReason> = report
            .skipped()
            .iter()
            .map(|skipped| skipped.why())
            .collect();
        assert_eq!(why, [SkipReason::AlreadyScanned; 2]);
        let problems: Vec<String> = report.problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("circle"), "{problems:?}");
        assert!(
            problems[1].contains("gone.crt: there is no such file"),
            "{problems:?}"
        );
        assert_eq!(
            report.counts().ignored,
            2,
            "the hash link and the editor's lock"
        );
        assert_adds_up(&report);

        let report = Scan::new().path(dir.path()).follow_links(false).run();
        assert_eq!(sources(&report, dir.path()), [PathBuf::from("real/a.pem")]);
        assert_adds_up(&report);
    }

    #[test]
    fn a_hash_link_is_ignored_only_if_it_repeats_an_entry_of_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let real = write(dir.path(), "real/leaf.pem", fixture("leaf.pem"));
        let links = dir.path().join("links");
        write(&links, "own.pem", fixture("root.pem"));
        write(&links, "..old/hidden.pem", fixture("p256.pem"));
        write(&links, "..hidden.pem", fixture("p384.pem"));
        for (name, target) in [
            ("00000000.0", "own.pem".into()),
            ("00000000.1", "./own.pem".into()),
            ("00000000.2", links.join("own.pem")),
            ("00000000.3", "../links/own.pem".into()),
            ("11111111.0", "../real/leaf.pem".into()),
            ("11111111.1", real),
            ("11111111.2", "11111111.0".into()),
            ("22222222.0", "..old/hidden.pem".into()),
            ("22222222.1", "..hidden.pem".into()),
            ("33333333.0", "gone.pem".into()),
            ("33333333.1", "33333333.2".into()),
            ("33333333.2", "33333333.1".into()),
        ] {
            symlink::<PathBuf, _>(target, links.join(name)).unwrap();
        }
        let report = Scan::new().path(&links).run();
        let read = [
            "11111111.0",
            "11111111.1",
            "22222222.0",
            "22222222.1",
            "own.pem",
        ];
        assert_eq!(sources(&report, &links), read.map(PathBuf::from));
        let failed: Vec<_> = report
            .problems()
            .iter()
            .map(|p| p.path().unwrap())
            .collect();
        let names = ["33333333.0", "33333333.1", "33333333.2"];
        assert_eq!(failed, names.map(|name| links.join(name)));
        assert_eq!(
            report.counts().ignored,
            5 + 2,
            "the repeating links, and what starts with `..`"
        );
        assert_adds_up(&report);
        // A folder that is given as `.` or by another path changes nothing.
        let other = Scan::new().path(dir.path().join("real/../links/.")).run();
        assert_eq!(other.counts(), report.counts());
    }

    #[test]
    fn special_files_are_never_read() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(dir.path().join("a.pem")).unwrap();
        symlink("/dev/zero", dir.path().join("zero.pem")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(dir.path().join("pipe.pem"))
            .status();
        let pipes = usize::from(made.is_ok_and(|status| status.success()));
        let report = Scan::new().path(dir.path()).run();
        assert_eq!(report.skipped().len(), 2 + pipes);
        assert!(
            report
                .skipped()
                .iter()
                .all(|skipped| skipped.why() == SkipReason::NotAFile)
        );
        assert!(
            report.skipped()[0]
                .detail()
                .starts_with("it is a socket and not a regular file")
        );
        assert_adds_up(&report);
        let given = Scan::new().path("/dev/zero").run();
        assert_eq!(given.problems()[0].kind(), ErrorKind::NotAFile);
    }

    #[test]
    fn what_may_not_be_read_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let good = fixture("leaf.pem");
        write(dir.path(), "a.pem", &good);
        let file = write(dir.path(), "b.pem", &good);
        let folder = dir.path().join("sub");
        write(&folder, "c.pem", &good);
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        mode(&file, 0o000).unwrap();
        mode(&folder, 0o000).unwrap();
        let is_root = fs::File::open(&file).is_ok();
        let report = Scan::new().path(dir.path()).run();
        mode(&folder, 0o700).unwrap();
        assert_adds_up(&report);
        if is_root {
            eprintln!("run by root, who may read everything: only the counts are checked");
            return;
        }
        assert_eq!(report.counts().certificates, 1);
        assert_eq!(report.problems().len(), 2);
        let message = report.problems()[0].to_string();
        assert!(
            message.contains("permission denied; let this user read the file"),
            "{message}"
        );
    }

    #[test]
    fn a_name_that_is_not_utf8_is_read_and_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"\xff.pem");
        let path = dir.path().join(name);
        fs::copy(data().join("leaf.pem"), &path).unwrap();
        assert_eq!(read_file(&path).unwrap().source(), path);
        fs::File::create(&path).unwrap();
        let error = read_file(&path).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\u{fffd}.pem: the file is empty"),
            "{error}"
        );
        assert!(error.is_retryable());
    }
}
