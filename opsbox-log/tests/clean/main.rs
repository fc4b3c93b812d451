//! Documents in columns: what is found, what is repaired, what becomes of its values.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod columns;
mod hostile;
#[path = "../common/linear.rs"]
mod linear;
mod properties;
mod repair;

use opsbox_log::{
    Batch, Field, Format, Kernel, Parser,
    clean::{
        self, CleanReport, Cleaner, ControlBytes, DocumentKind, InvalidUtf8, Refusal, Repair,
        TextChange,
    },
    limits::{MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_FIELDS, MAX_FIELD_NAME_BYTES, MAX_REPAIR_EXPANSION},
    types::{TimestampFormat, Type},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const HEAD: &str = "2026-01-02 03:04:05 [INFO] ";

/// The messages as a batch, one a line.
fn batch<'m>(messages: impl IntoIterator<Item = &'m [u8]>) -> Batch<Vec<u8>> {
    let mut log = Vec::new();
    for message in messages {
        log.extend_from_slice(HEAD.as_bytes());
        log.extend_from_slice(message);
        log.push(b'\n');
    }
    Parser::new(Format::preset("app").unwrap()).parse(log)
}

fn cleaned(cleaner: &Cleaner, messages: &[&str]) -> (Batch<Vec<u8>>, CleanReport) {
    let mut batch = batch(messages.iter().map(|message| message.as_bytes()));
    assert_eq!(batch.len(), messages.len());
    let report = cleaner.clean(&mut batch);
    assert_eq!(report.examined(), messages.len() as u64);
    (batch, report)
}

/// The columns of documents that have a value in the first row.
fn row(batch: &Batch<Vec<u8>>) -> Vec<(String, String)> {
    let record = batch.record(0).unwrap();
    let values = record.iter().skip(3).filter_map(|(field, value)| {
        let name = field
            .name()
            .strip_prefix("message.")
            .unwrap_or_else(|| field.name());
        Some((
            name.to_owned(),
            String::from_utf8_lossy(value?).into_owned(),
        ))
    });
    values.collect()
}

fn flat(message: &str) -> Vec<(String, String)> {
    row(&cleaned(&Cleaner::new("message"), &[message]).0)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}
