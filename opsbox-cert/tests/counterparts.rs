//! Comparison with the programs that operators use: `openssl` and `promtool`.
//!
//! A program that is missing makes its trials ignored, with a line on stderr, never passed. With
//! `OPSBOX_REQUIRE_COUNTERPARTS=1` it makes them fail. `OPENSSL` and `PROMTOOL` name the programs if
//! they are not in the path.

mod common;
#[path = "common/trials.rs"]
mod trials;

use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use libtest_mimic::{Arguments, Failed};
use opsbox_cert::observe::prometheus;
use opsbox_cert::{CertFacts, Scan, read_file};
use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber};

use common::{data, fixture, now, single_fixtures, write};
use trials::trial;

type Check = fn(&Path) -> Result<(), Failed>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let openssl = program("OPENSSL", "openssl", "version");
    let promtool = program("PROMTOOL", "promtool", "--version");
    let trials = [
        (
            "openssl_agrees_on_every_fixture",
            &openssl,
            fixtures_equal as Check,
        ),
        (
            "openssl_agrees_on_fresh_certificates",
            &openssl,
            fresh_equal,
        ),
        (
            "openssl_agrees_on_keys_and_names",
            &openssl,
            keys_and_names_equal,
        ),
        (
            "openssl_verifies_the_order_that_is_found",
            &openssl,
            order_verified,
        ),
        ("promtool_accepts_the_metrics", &promtool, metrics_accepted),
        (
            "promtool_accepts_metrics_of_odd_names",
            &promtool,
            odd_metrics_accepted,
        ),
    ];
    let trials = trials.map(|(name, program, check)| {
        trial(name, program.clone(), move |program| {
            check(program.as_ref())
        })
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// The program to run, or why it cannot be.
fn program(variable: &str, default: &str, probe: &str) -> Result<String, String> {
    let program = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let found = Command::new(&program)
        .arg(probe)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(program),
        Ok(status) => Err(format!("`{program} {probe}` ended with {status}")),
        Err(error) => Err(format!(
            "`{program}` cannot be run ({error}); install it or set {variable}"
        )),
    }
}

/// Runs `program` with `input` and returns what it prints if it succeeds.
fn run(program: &Path, arguments: &[&str], input: &[u8]) -> Result<String, Failed> {
    let output = output(program, arguments, input)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?}: {}: {stderr}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn output(program: &Path, arguments: &[&str], input: &[u8]) -> Result<Output, Failed> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The input is small, the program reads it before it writes more than a pipe holds.
    child.stdin.take().ok_or("no stdin")?.write_all(input)?;
    Ok(child.wait_with_output()?)
}

fn equal(what: &str, ours: &str, theirs: &str) -> Result<(), Failed> {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{what}: ours {ours:?}, theirs {theirs:?}").into())
}

/// What `openssl x509` says about `pem`, against the facts.
fn facts_equal(openssl: &Path, name: &str, pem: &[u8]) -> Result<(), Failed> {
    let facts = CertFacts::from_pem(pem)?;
    let arguments = [
        "x509",
        "-noout",
        "-serial",
        "-fingerprint",
        "-sha256",
        "-startdate",
        "-enddate",
        "-subject",
        "-issuer",
        "-dateopt",
        "iso_8601",
        "-nameopt",
        "RFC2253,utf8,-esc_msb",
    ];
    let output = run(openssl, &arguments, pem)?;
    let field = |key: &str| -> Result<String, Failed> {
        let mut lines = output.lines();
        let line = lines.find_map(|line| line.strip_prefix(key));
        Ok(line
            .ok_or_else(|| format!("{name}: no {key} in {output}"))?
            .to_owned())
    };
    let date = |key: &str| Ok::<_, Failed>(field(key)?.replacen(' ', "T", 1));
    let dates = dates_of(&facts);
    equal(name, &facts.serial(), &field("serial=")?.to_lowercase())?;
    equal(
        name,
        &facts.fingerprint().to_colon_hex(),
        &field("sha256 Fingerprint=")?,
    )?;
    equal(name, &dates.0, &date("notBefore=")?)?;
    equal(name, &dates.1, &date("notAfter=")?)?;
    // OpenSSL writes the hex of an unknown type in upper case.
    equal(
        name,
        &facts.subject().to_lowercase(),
        &field("subject=")?.to_lowercase(),
    )?;
    equal(
        name,
        &facts.issuer().to_lowercase(),
        &field("issuer=")?.to_lowercase(),
    )
}

/// The dates as they stand in the one-line display.
fn dates_of(facts: &CertFacts) -> (String, String) {
    let line = facts.to_string();
    let dates = line
        .split_once(", valid ")
        .and_then(|(_, rest)| rest.split_once(", issued by"));
    let (start, end) = dates
        .and_then(|(dates, _)| dates.split_once(" to "))
        .unwrap_or_default();
    (start.to_owned(), end.to_owned())
}

fn fixtures_equal(openssl: &Path) -> Result<(), Failed> {
    for path in single_fixtures() {
        facts_equal(openssl, &path.display().to_string(), &std::fs::read(&path)?)?;
    }
    Ok(())
}

fn fresh_equal(openssl: &Path) -> Result<(), Failed> {
    let algorithms = [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ];
    for (number, algorithm) in (0_u8..60).zip(algorithms.iter().cycle()) {
        let mut params = CertificateParams::new(vec![format!("host-{number}.example.com")])?;
        params
            .distinguished_name
            .push(DnType::OrganizationName, format!("Größe, {number}; \"x\""));
        params
            .distinguished_name
            .push(DnType::CommonName, format!("#{number} <ü> + \\"));
        params.serial_number = Some(SerialNumber::from_slice(&[
            number.wrapping_mul(37),
            number,
            0,
        ]));
        params.not_before = rcgen::date_time_ymd(1951 + i32::from(number), 2, 28);
        params.not_after = rcgen::date_time_ymd(2001 + i32::from(number) * 7, 12, 31);
        let pem = params
            .self_signed(&KeyPair::generate_for(algorithm)?)?
            .pem();
        facts_equal(openssl, &format!("fresh {number}"), pem.as_bytes())?;
    }
    Ok(())
}

fn keys_and_names_equal(openssl: &Path) -> Result<(), Failed> {
    for path in single_fixtures() {
        let name = path.display().to_string();
        let pem = std::fs::read(&path)?;
        let facts = CertFacts::from_pem(&pem)?;
        let text = run(openssl, &["x509", "-noout", "-text"], &pem)?;
        let bits = match facts.key_type() {
            opsbox_cert::KeyType::Rsa { bits } | opsbox_cert::KeyType::RsaPss { bits } => {
                format!("Public-Key: ({bits} bit)")
            }
            opsbox_cert::KeyType::Ecdsa {
                curve: opsbox_cert::EcCurve::Other(_),
            } => "secp256k1".into(),
            opsbox_cert::KeyType::Ecdsa { curve } => format!("NIST CURVE: {curve}"),
            key => format!("Public Key Algorithm: {}", key.to_string().to_uppercase()),
        };
        if !text.contains(&bits) {
            return Err(format!("{name}: no {bits:?} in {text}").into());
        }
        let is_ca = text.contains("CA:TRUE");
        equal(&name, &facts.is_ca().to_string(), &is_ca.to_string())?;
        let theirs = text.matches("DNS:").count() + text.matches("IP Address:").count();
        equal(
            &name,
            &facts.names().count().to_string(),
            &theirs.to_string(),
        )?;
        for dns in facts
            .names()
            .filter(|name| name.parse::<std::net::IpAddr>().is_err())
        {
            if !text.contains(&format!("DNS:{dns}")) {
                return Err(format!("{name}: no {dns} in {text}").into());
            }
        }
    }
    Ok(())
}

fn order_verified(openssl: &Path) -> Result<(), Failed> {
    let [root, intermediate, leaf] = ["root.pem", "intermediate.pem", "leaf.pem"]
        .map(|name| data().join(name).display().to_string());
    let arguments = [
        "verify",
        "-CAfile",
        &root,
        "-untrusted",
        &intermediate,
        &leaf,
    ];
    run(openssl, &arguments, b"")?;
    let order = read_file(data().join("chain.pem"))?.chain_order().clone();
    equal("chain.pem", &format!("{order:?}"), "Ordered")
}

/// `promtool` ends with 3 where the text is right and a name is not to its taste. It would have
/// seconds in place of `remaining_days`; that name is meant, for people, beside the timestamp in
/// seconds. Anything else that it says is a failure.
fn accepted(promtool: &Path, text: &str) -> Result<(), Failed> {
    const TASTE: &str =
        "tls_certificate_remaining_days use base unit \"seconds\" instead of \"days\"";
    let output = output(promtool, &["check", "metrics"], text.as_bytes())?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || output.status.code() == Some(3) && stderr.trim() == TASTE {
        return Ok(());
    }
    Err(format!("promtool: {}: {stderr}", output.status).into())
}

fn metrics_accepted(promtool: &Path) -> Result<(), Failed> {
    let report = Scan::new().path(data()).run();
    let text = prometheus::encode(report.certificates(), now());
    accepted(promtool, &text)?;
    // The program must be able to refuse, or its consent means nothing.
    let mut twice = text.clone();
    write!(twice, "{text}")?;
    match accepted(promtool, &twice) {
        Ok(()) => Err("promtool accepts duplicate series".into()),
        Err(_) => Ok(()),
    }
}

fn odd_metrics_accepted(promtool: &Path) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    for name in [
        "quote\".pem",
        "back\\slash.pem",
        "new\nline.pem",
        "ünï{}.pem",
        "tab\t.pem",
    ] {
        write(dir.path(), name, fixture("odddn.pem"));
    }
    let report = Scan::new().path(dir.path()).run();
    equal("read", &report.counts().certificates.to_string(), "5")?;
    accepted(promtool, &prometheus::encode(report.certificates(), now()))
}
