//! Grok's library: what each definition fits, by the plan and by the regular expression.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod lines;
mod nagios;
mod values;

use std::collections::BTreeSet;

use opsbox_log::{Format, Parser};
use proptest::{prelude::*, strategy::ValueTree};

use self::{lines::LINES, nagios::NAGIOS, values::VALUES};

/// The columns of the only line, absent ones left out; `None` if it does not fit.
fn parse(format: &Format, line: &str) -> Option<Vec<(String, String)>> {
    let parser = Parser::new(format.clone());
    let batch = parser.parse(line);
    let by_regex = parser.regex_only(true).parse(line);
    let columns = |batch: &opsbox_log::Batch<&str>| {
        let record = batch.record(0)?;
        let columns = record.iter().filter_map(|(field, value)| {
            let value = String::from_utf8_lossy(value?).into_owned();
            Some((field.name().to_owned(), value))
        });
        Some(columns.collect::<Vec<_>>())
    };
    let found = columns(&batch);
    assert_eq!(found, columns(&by_regex), "{line}");
    found
}

/// A name of the library, what it fits as a whole line, and what it does not.
type Examples = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Examples for each name of the library.
fn library() -> impl Iterator<Item = &'static Examples> {
    [VALUES, LINES, NAGIOS].into_iter().flatten()
}

#[test]
fn each_definition_fits_what_it_says() {
    let known: BTreeSet<_> = Format::grok_library().map(|(name, _)| name).collect();
    let tested: BTreeSet<_> = library().map(|(name, ..)| *name).collect();
    assert_eq!(known, tested);
    assert_eq!(known.len(), library().count());
    for (name, accepted, refused) in library() {
        let format = Format::grok(&format!("^%{{{name}:whole}}$")).unwrap();
        let explained = format.explain();
        assert!(explained.contains("a plan of "), "{name}: {explained}");
        for line in *accepted {
            let found = parse(&format, &format!("{line}\n"));
            let found = found.unwrap_or_else(|| panic!("{name} does not fit {line:?}"));
            assert!(
                found.contains(&("whole".to_owned(), (*line).to_owned())),
                "{name}: {line}"
            );
        }
        for line in *refused {
            let found = parse(&format, &format!("{line}\n"));
            assert_eq!(found, None, "{name} fits {line:?}");
        }
    }
}

/// Examples with some bytes changed find the same columns, or none, by the plan and by the regular
/// expression, which `parse` compares.
#[test]
fn damaged_examples_change_nothing_between_engines() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), " -~"), 1..4);
    for (name, accepted, _) in library() {
        for pattern in [format!("^%{{{name}:whole}}$"), format!("%{{{name}:part}}")] {
            let format = Format::grok(&pattern).unwrap();
            for line in *accepted {
                for _ in 0..10 {
                    let mut line: Vec<char> = format!("x {line}").chars().collect();
                    let changes = changes.new_tree(&mut runner).unwrap().current();
                    for (at, new) in changes {
                        let at = at.index(line.len());
                        line.splice(at..=at, new.chars());
                    }
                    parse(&format, &line.into_iter().collect::<String>());
                }
            }
        }
    }
}
