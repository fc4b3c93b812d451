//! Masking as a whole: nothing of a secret leaves, and nothing else changes.
#![cfg(feature = "mask")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

mod actions;
mod canaries;
mod detectors;
#[path = "../common/linear.rs"]
mod linear;
mod policy;
mod properties;

use std::sync::Arc;

use opsbox_log::mask::{
    Action, Detector, Keys, MaskReport, Masker, Pattern, Policy, Salt, Scanner, SecretKey, Tag,
};
use opsbox_log::{ErrorKind, Format, Kernel, Parser};
use proptest::prelude::*;

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new("acme", [(1, SecretKey::new([7; 32]))]).unwrap())
}

/// A secret for each detector, with the part of it that must not be seen whatever the action.
const CANARIES: [(Detector, &str, &str); 16] = [
    (
        Detector::PrivateKey,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1BAAKCAQEA7\n-----END RSA PRIVATE KEY-----",
        "MIIEow1BAAKCAQEA7",
    ),
    (
        Detector::Jwt,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "eyJzdWIiOiIxMjM0In0",
    ),
    (Detector::AwsKey, "AKIAIOSFODNN7EXAMPLE", "OSFODNN7EXAM"),
    (
        Detector::GithubToken,
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "0123456789abcdefghij",
    ),
    (
        Detector::ApiToken,
        "glpat-abcdefghij0123456789",
        "abcdefghij0123",
    ),
    (Detector::UrlPassword, "hunter2canary", "hunter2canary"),
    (Detector::IdCardCn, "11010519491231002X", "19491231"),
    (Detector::LegacyIdCardCn, "110105491231002", "491231"),
    (Detector::Card, "4111 1111 1111 1111", "4111 1111 1111"),
    (Detector::Iban, "DE89370400440532013000", "37040044053201"),
    (Detector::PhoneCn, "13812345678", "81234567"),
    (Detector::PhoneE164, "+14155552671", "155552671"),
    (Detector::Email, "canary.person@example.com", "anary.person"),
    (Detector::Ipv4, "192.0.2.171", "2.171"),
    (Detector::Ipv6, "2001:db8::ff00:42:8329", "ff00:42:8329"),
    (Detector::SecretPair, "correct-horse-7", "orrect-horse"),
];

fn actions() -> Vec<Action> {
    vec![
        Action::Redact,
        Action::RedactWith("---".into()),
        Action::Partial,
        Action::KeepLast(4),
        Action::Pseudonym,
        Action::Encrypt,
        Action::SaltedSha256(Salt::new("pepper-salt")),
        Action::Drop,
    ]
}

/// The canary as it stands in a line.
fn line(detector: Detector, secret: &str) -> String {
    match detector {
        Detector::UrlPassword => format!("connect to https://bob:{secret}@db.example.com/x failed"),
        Detector::SecretPair => format!("login password={secret} refused"),
        _ => format!("before {secret} after"),
    }
}
