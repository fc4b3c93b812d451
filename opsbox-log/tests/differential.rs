//! Every preset against the expression that defines it, on the simplest engine there is: lines that are
//! generated from the expression, examples that are mutated, and other presets' lines. No span may
//! differ, on any kernel. (`ndjson` and the presets of JSON are compared with serde_json, `logfmt` by
//! round trips, in the test `properties`.)
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{Format, Kernel, Parser, Span};
use proptest::{prelude::*, strategy::ValueTree, string::bytes_regex, test_runner::TestRunner};
use regex_automata::{
    Anchored, Input,
    nfa::thompson::pikevm::PikeVM,
    util::{primitives::PatternID, syntax},
};

/// The simulation of the automaton that the expression is, without anything that makes it fast.
struct Oracle {
    engine: PikeVM,
    /// The groups of each column, the first that takes part counts.
    groups: Vec<Vec<usize>>,
}

impl Oracle {
    fn new(format: &Format) -> Option<Self> {
        let regex = format!(r"\A(?:{})\z", format.regex()?);
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let engine = PikeVM::builder()
            .syntax(bytes)
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build(&regex)
            .unwrap();
        let names: Vec<_> = engine
            .get_nfa()
            .group_info()
            .pattern_names(PatternID::ZERO)
            .map(|it| it.map(str::to_owned))
            .collect();
        let of = |column: &str| {
            let is = |name: &str| name == column || name.starts_with(&format!("{column}[or"));
            let groups = names.iter().enumerate();
            let groups = groups.filter(|(_, name)| name.as_deref().is_some_and(is));
            groups.map(|(at, _)| at).collect()
        };
        let groups = format.fields().iter().map(|it| of(it.name())).collect();
        Some(Self { engine, groups })
    }

    /// Where each column is in a text, if it fits.
    fn spans(&self, text: &[u8]) -> Option<Vec<Option<(usize, usize)>>> {
        let mut cache = self.engine.create_cache();
        let mut captures = self.engine.create_captures();
        let input = Input::new(text).anchored(Anchored::Yes);
        self.engine.captures(&mut cache, input, &mut captures);
        captures.is_match().then(|| {
            let place = |group: &usize| captures.get_group(*group).map(|it| (it.start, it.end));
            self.groups
                .iter()
                .map(|groups| groups.iter().find_map(place))
                .collect()
        })
    }
}

/// Compares what all kernels find in a log with the oracle; says how many lines fit.
fn compare(format: &Format, oracle: &Oracle, log: &[u8]) -> usize {
    let parser = Parser::new(format.clone());
    let by_regex = parser.clone().regex_only(true).parse(log);
    let kernels = Kernel::ALL.into_iter().filter(|it| it.is_available());
    let batches: Vec<_> = kernels
        .map(|it| parser.clone().kernel(it).parse(log))
        .collect();
    let mut expected = Vec::new();
    for record in by_regex.records() {
        let start = usize::try_from(record.offset()).unwrap();
        let spans = oracle.spans(record.raw());
        let spans = spans.unwrap_or_else(|| panic!("{} takes {record:?}", format.name()));
        let spans = spans
            .into_iter()
            .map(|it| it.map(|(from, to)| Span::Input(start + from..start + to)));
        expected.push((record.line_number(), spans.collect::<Vec<_>>()));
    }
    for line in by_regex.unmatched() {
        assert_eq!(
            oracle.spans(line.raw()),
            None,
            "{} leaves {line}",
            format.name()
        );
    }
    for batch in [&by_regex].into_iter().chain(&batches) {
        let found: Vec<_> = batch
            .records()
            .map(|it| {
                let spans = (0..format.fields().len()).map(|at| it.span_at(at));
                (it.line_number(), spans.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            found,
            expected,
            "{}: {}",
            format.name(),
            String::from_utf8_lossy(log)
        );
        assert_eq!(batch.unmatched().len(), by_regex.unmatched().len());
    }
    expected.len()
}

/// What may befall a line.
fn mutate(line: &mut Vec<u8>, changes: Vec<(prop::sample::Index, u8, u8)>) {
    for (at, kind, byte) in changes {
        let at = at.index(line.len().max(1)).min(line.len());
        // What separates parts, oftener than any byte.
        let byte = match byte {
            0..=127 => byte,
            _ => b" \"\\[]|:/-{}\r"[usize::from(byte) % 12],
        };
        match kind {
            0 => line.insert(at, byte),
            1 if at < line.len() => line[at] = byte,
            2 if at < line.len() => drop(line.remove(at)),
            3 => line.truncate(at),
            _ if at < line.len() => line.insert(at, line[at]),
            _ => {}
        }
    }
}

#[test]
fn every_preset_is_what_its_expression_says() {
    let mut runner = TestRunner::deterministic();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, any::<u8>()), 0..4);
    let mut compared = 0;
    for preset in Format::presets() {
        let Ok(format) = preset.format() else {
            continue;
        };
        let Some(oracle) = Oracle::new(&format) else {
            continue;
        };
        // The generator knows no anchors, and `.` of it is text.
        let expression = format.regex().unwrap().replace("|$)", "|)");
        let generated = bytes_regex(&format!("(?-u){expression}")).unwrap();
        let mut log = Vec::new();
        for round in 0..400 {
            let mut line = match round % 4 {
                0 => generated.new_tree(&mut runner).unwrap().current(),
                _ => preset.example().as_bytes().to_vec(),
            };
            // A text of any length says no more than a short one.
            if round % 8 != 0 {
                mutate(&mut line, changes.new_tree(&mut runner).unwrap().current());
            }
            log.extend(line);
            log.push(b'\n');
        }
        let fit = compare(&format, &oracle, &log);
        assert!(fit >= 80, "{}: only {fit} fit", preset.name());
        for other in Format::presets() {
            compare(
                &format,
                &oracle,
                format!("{}\n", other.example()).as_bytes(),
            );
        }
        compared += 1;
    }
    assert_eq!(
        compared,
        Format::presets()
            .iter()
            .filter(|it| it.format().is_ok_and(|it| it.regex().is_some()))
            .count()
    );
    assert!(compared >= 25);
}
