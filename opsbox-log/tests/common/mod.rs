//! What the tests of presets share.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use opsbox_log::{Format, Parser};

/// The columns of the only line, absent ones left out.
pub fn parse(preset: &str, line: &str) -> Vec<(String, String)> {
    let format = Format::preset(preset).unwrap();
    let batch = Parser::new(format).parse(line);
    let unmatched: Vec<_> = batch.unmatched().map(|line| line.to_string()).collect();
    assert_eq!(unmatched, Vec::<String>::new(), "{preset}");
    let record = batch.record(0).expect("one row");
    record
        .iter()
        .filter_map(|(field, value)| {
            let value = String::from_utf8_lossy(value?).into_owned();
            Some((field.name().to_owned(), value))
        })
        .collect()
}

#[track_caller]
pub fn fits(preset: &str, line: &str, columns: &[(&str, &str)]) {
    let expected: Vec<_> = columns
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(parse(preset, line), expected, "{line}");
}

#[track_caller]
pub fn refuses_at(preset: &str, line: &str, reason: &str) {
    let batch = Parser::new(Format::preset(preset).unwrap()).parse(line);
    let unmatched = batch.unmatched().next().expect("an unmatched line");
    assert_eq!(unmatched.reason().to_string(), reason, "{line}");
    assert_eq!(unmatched.raw(), line.as_bytes());
}

#[track_caller]
pub fn refuses(preset: &str, line: &str) {
    let batch = Parser::new(Format::preset(preset).unwrap()).parse(line);
    assert_eq!((batch.len(), batch.unmatched().len()), (0, 1), "{line}");
}
