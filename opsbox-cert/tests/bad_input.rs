//! The message of every input that is often given by mistake.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::error::Error as _;
use std::fs;

use opsbox_cert::{Bundle, CertFacts, ErrorKind, Scan, limits, read_file};

use common::{fixture, fresh, write};

/// The error of reading `bytes` as the file `given`.
fn error_of(bytes: impl AsRef<[u8]>) -> (ErrorKind, String) {
    let error = Bundle::parse("given", bytes.as_ref()).unwrap_err();
    (error.kind(), error.to_string())
}

fn pem_section(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn an_empty_file() {
    assert_eq!(
        error_of(b""),
        (
            ErrorKind::Empty,
            "cannot read a certificate from given: the file is empty (0 bytes); write the certificate \
             again, an interrupted copy leaves an empty file"
                .into()
        )
    );
    let (kind, message) = error_of(b" \n\n");
    assert_eq!(kind, ErrorKind::NoCertificate, "{message}");
}

#[test]
fn a_directory_given_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_file(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Directory);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read a certificate from {}: it is a directory and not a file; give a file in it, \
             or scan the whole directory",
            dir.path().display()
        )
    );
}

#[test]
fn a_missing_file_keeps_the_cause() {
    let error = read_file("no/such/file.pem").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(
        error.to_string(),
        "cannot read no/such/file.pem: there is no such file or folder; check the path, and the \
         target if it is a link"
    );
    let source = error.source().unwrap().to_string();
    assert!(source.contains("No such file"), "{source}");
    assert!(!error.is_retryable());
}

#[test]
fn a_binary_file() {
    let message = "cannot read a certificate from given: the file is binary and neither a DER \
                   certificate nor PEM text; give a certificate in PEM or DER";
    for bytes in [&b"\x7fELF\x02\x01\x01\0\0\0"[..], &[0; 4096], &[0xff; 10]] {
        assert_eq!(error_of(bytes), (ErrorKind::NoCertificate, message.into()));
    }
}

#[test]
fn a_truncated_pem() {
    let pem = fixture("p256.pem");
    assert_eq!(
        error_of(&pem[..300]),
        (
            ErrorKind::Truncated,
            "cannot read the certificate at line 1 of given (section index 0): the \
             `-----END CERTIFICATE-----` line is missing, so the section is truncated; copy the file \
             again"
                .into()
        )
    );
    // Lines lost in the middle: the base64 may still be right, the DER is too short.
    let text = String::from_utf8(pem).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = [&lines[..3], &lines[lines.len() - 1..]].concat().join("\n");
    let (kind, message) = error_of(cut);
    assert_eq!(kind, ErrorKind::Truncated);
    assert!(
        message.contains("only 96 are there, so it is truncated; copy it again"),
        "{message}"
    );
}

#[test]
fn a_private_key_instead_of_a_certificate() {
    let key = fresh("key.example.com").key;
    let plain = "cannot read a certificate from given: it holds a private key and no certificate; \
                 give the certificate (often fullchain.pem or tls.crt)";
    assert_eq!(
        error_of(key.serialize_pem()),
        (ErrorKind::PrivateKey, plain.into())
    );
    assert_eq!(
        error_of(key.serialize_der()),
        (ErrorKind::PrivateKey, plain.into())
    );
    for label in [
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    ] {
        // The body is no base64: a private key is never decoded, so nobody notices.
        assert_eq!(
            error_of(pem_section(label, "!!!")),
            (ErrorKind::PrivateKey, plain.into())
        );
    }
    let (kind, message) = error_of(pem_section("ENCRYPTED PRIVATE KEY", "AAAA"));
    assert_eq!(kind, ErrorKind::PrivateKey);
    assert!(
        message.contains("it holds an encrypted private key and no certificate"),
        "{message}"
    );
}

#[test]
fn no_message_shows_a_key() {
    let key = fresh("key.example.com").key.serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    let cut = &key[..key.len() - 10];
    for text in [
        key.clone(),
        cut.to_owned(),
        key.replace("PRIVATE KEY", "CERTIFICATE"),
    ] {
        let error = Bundle::parse("given", text.as_bytes()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&secret[..12]), "{shown}");
    }
}

#[test]
fn other_labels_and_containers() {
    for (label, kind, hint) in [
        (
            "X509 CERTIFICATE",
            ErrorKind::Unsupported,
            "write `CERTIFICATE` in the BEGIN",
        ),
        (
            "TRUSTED CERTIFICATE",
            ErrorKind::Unsupported,
            "openssl x509 -in FILE",
        ),
        (
            "PKCS7",
            ErrorKind::Unsupported,
            "openssl pkcs7 -in FILE -print_certs",
        ),
        (
            "CERTIFICATE REQUEST",
            ErrorKind::OtherContent,
            "a section `CERTIFICATE REQUEST` and no",
        ),
    ] {
        let (found, message) = error_of(pem_section(label, "AAAA"));
        assert_eq!(found, kind, "{label}");
        assert!(message.contains(hint), "{message}");
    }
    let (kind, message) = error_of([0x30, 0x82, 0, 5, 2, 1, 3, 0x30, 0]);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(
        message.contains("openssl pkcs12 -in FILE -nokeys"),
        "{message}"
    );
}

#[test]
fn text_that_is_almost_pem() {
    let pem = String::from_utf8(fixture("p256.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(
        error_of(body)
            .1
            .contains("base64 without BEGIN and END lines")
    );
    let indented: String = pem.lines().map(|line| format!("  {line}\n")).collect();
    assert!(
        error_of(format!("tls:\n{indented}"))
            .1
            .contains("line 2 does not start at the first")
    );
    let utf16: Vec<u8> = pem.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(
        error_of([&b"\xff\xfe"[..], &utf16].concat())
            .1
            .contains("encoded as UTF-16")
    );
    assert!(
        error_of("hello")
            .1
            .contains("no `-----BEGIN CERTIFICATE-----` line")
    );
    assert!(
        error_of(pem_section("CERTIFICATE", ""))
            .1
            .contains("nothing between")
    );
    assert!(
        error_of(pem_section("CERTIFICATE", "AAAA"))
            .1
            .contains("tag 0x00")
    );
    let broken = pem.replacen("MII", "M*I", 1);
    assert!(error_of(broken).1.contains("character `*` at line 2"));
    let mismatch = pem.replace("END CERTIFICATE", "END X509 CRL");
    assert!(
        error_of(mismatch)
            .1
            .contains("starts as \"CERTIFICATE\" but ends as \"X509 CRL\"")
    );
    let four_dashes = pem.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----");
    assert!(error_of(four_dashes).1.contains("exactly five dashes"));
}

#[test]
fn from_der_takes_exactly_one_der_certificate() {
    let mut der = fixture("p256.der");
    der.push(0);
    let error = CertFacts::from_der(&der).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Der);
    assert_eq!(
        error.to_string(),
        "cannot read a certificate from the given bytes: 1 byte(s) follow the end of the certificate; \
         keep one certificate per DER file or PEM section"
    );
    let pem_as_der = CertFacts::from_der(&fixture("p256.pem")).unwrap_err();
    assert!(
        pem_as_der
            .to_string()
            .contains("it is PEM text and not DER")
    );
    let error = CertFacts::from_der(&der[..100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(!error.is_retryable(), "bytes in memory will not grow");
}

#[test]
fn a_file_above_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let pem = fixture("p256.pem");
    let path = write(dir.path(), "a.pem", &pem);
    let size = pem.len() as u64;
    let at_limit = Scan::new().path(&path).max_file_bytes(size).run();
    assert_eq!(at_limit.counts().certificates, 1);
    let above = Scan::new().path(&path).max_file_bytes(size - 1).run();
    assert_eq!(above.problems()[0].kind(), ErrorKind::Limit);
    assert!(
        above.problems()[0]
            .to_string()
            .contains(&format!("the limit of {} bytes", size - 1))
    );
}

#[test]
fn more_sections_than_the_limit() {
    let text = pem_section("X", "").repeat(limits::MAX_PEM_SECTIONS + 5);
    let error = Bundle::parse("given", text.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(error.place().unwrap().index, limits::MAX_PEM_SECTIONS);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.pem");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("no mkfifo here: using a socket");
        std::os::unix::net::UnixListener::bind(&path).unwrap();
    }
    // Opening it would wait for ever.
    let error = read_file(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAFile);
    assert!(error.to_string().contains("never read"), "{error}");
    assert!(fs::metadata(&path).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_that_fails_is_an_error_with_its_cause() {
    // A regular file whose first page cannot be read, also by root.
    let error = read_file("/proc/self/mem").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.source().is_some());
    assert!(
        error
            .to_string()
            .starts_with("cannot read /proc/self/mem: "),
        "{error}"
    );
}

#[test]
fn escape_sequences_in_a_path_do_not_reach_the_terminal() {
    let error = Bundle::parse("a\u{1b}[31m.pem", b"").unwrap_err();
    assert!(error.to_string().contains("a\\u{1b}[31m.pem"));
}
