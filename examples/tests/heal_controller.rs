//! The controller's program as a user meets it before there is a cluster. On a real one it is tested by
//! the library's `heal` tests.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "nobody reads a test's files while it writes"
)]

use std::{
    env, fs,
    process::{Command, Output},
};

fn run(args: &[&str]) -> (i32, String, String) {
    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = format!("heal_controller{}", env::consts::EXE_SUFFIX);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(profile.join("examples").join(program))
        .args(args)
        .env("KUBECONFIG", folder.path().join("none"))
        .env("HOME", folder.path())
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn it_prints_what_it_needs() {
    let (code, rbac, _) = run(&["--print-rbac", "ops/heal", "--namespace", "shop"]);
    assert_eq!(code, 0);
    assert!(rbac.contains("resources: [pods/eviction]"), "{rbac}");
    assert!(!rbac.contains("secrets"), "{rbac}");
    let (code, schema, _) = run(&["--print-schema"]);
    assert_eq!(code, 0);
    let committed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../opsbox-heal/policy.schema.json"
    );
    assert_eq!(schema, fs::read_to_string(committed).unwrap());
}

#[test]
fn bad_arguments_and_policies_are_explained() {
    let (code, _, said) = run(&["--lease", "heal"]);
    assert_eq!(code, 2);
    assert!(said.contains("\"heal\" is not NAMESPACE/NAME"), "{said}");
    let (code, _, said) = run(&["--act", "--dry-run"]);
    assert_eq!(code, 2);
    assert!(said.contains("give one"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(
        &policy,
        "[[responses]]\ncondition = \"CrashLop\"\nsteps = [\"evict\"]\n",
    )
    .unwrap();
    let (code, _, said) = run(&["--policy", policy.to_str().unwrap()]);
    assert_eq!(code, 2);
    let expected = "line 2 column 13 (byte 26): responses[0].condition: there is no condition \
                    `CrashLop`; did you mean `CrashLoopBackOff`?";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn without_a_cluster_it_says_where_it_looked() {
    let (code, _, said) = run(&["--once"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("KUBECONFIG") || said.contains("kubeconfig"),
        "{said}"
    );
}
