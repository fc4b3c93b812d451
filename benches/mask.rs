//! What does it cost to find and mask what is sensitive in free text, against another library on the same
//! five rules (`--features peers-mask`)? Says first how much of a generated corpus is found.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a bench, made by criterion's macros"
)]

#[path = "../opsbox-log/tests/common/pii.rs"]
mod pii;
#[path = "../opsbox-log/tests/common/score.rs"]
mod score;

use std::{cell::RefCell, hint::black_box};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opsbox_benches::measuring;
use opsbox_log::mask::{Action, Detector, Masker, Policy, Scanner};
use opsbox_log::{Batch, Format, Parser};
use pii::Kind;

const SEED: u64 = 20_261_128;
const LINES: usize = 50_000;

/// The rules that both libraries have.
const FIVE: [Detector; 5] = [
    Detector::Email,
    Detector::PhoneCn,
    Detector::IdCardCn,
    Detector::Card,
    Detector::Ipv4,
];

fn found(scanner: &Scanner, lines: &[String]) -> usize {
    lines
        .iter()
        .map(|line| scanner.scan(line.as_bytes()).len())
        .sum()
}

/// Masks the messages of a batch, a fresh one for each run.
fn masked(masker: &RefCell<Masker>, batch: &Batch<&str>) -> u64 {
    masker.borrow_mut().mask(&mut batch.clone()).findings()
}

/// Bytes for each second that the processor spent on it: on a machine that others use too, the time by the
/// clock says little.
fn per_processor_second(job: &str, bytes: usize, run: impl Fn()) {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let Some(before) = spent() else { return };
        run();
        let after = spent().unwrap_or(before);
        best = best.min((after - before) as f64);
    }
    println!(
        "speed   {job}: {:.0} MB/s of one core's time",
        bytes as f64 / best * 1e3
    );
}

fn quality() {
    let lines = pii::dense(SEED, 100_000);
    for (kind, score) in score::score(&Scanner::new(), &lines) {
        if kind != Kind::Ipv4 {
            println!(
                "quality {kind:?}: precision {:.4}, recall {:.4} with exact spans, of {} values, seed {SEED}",
                score.precision(),
                score.recall(),
                score.found + score.missed,
            );
        }
    }
}

fn mask(criterion: &mut Criterion) {
    if measuring() {
        quality();
    }
    let labelled = pii::sparse(SEED, LINES);
    let lines: Vec<String> = labelled.iter().map(|it| it.text.clone()).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let labels = labelled.iter().filter(|it| !it.labels.is_empty()).count();
    let (five, all) = (Scanner::of(FIVE), Scanner::new());
    assert_eq!(found(&five, &lines), labels);

    let mut group = criterion.benchmark_group("mask");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("scan, five rules", |bench| {
        bench.iter(|| found(&five, &lines));
    });
    group.bench_function("scan, all detectors", |bench| {
        bench.iter(|| found(&all, &lines));
    });
    let log = lines.join("\n");
    let format = Format::pattern(
        r"(?P<time>\S+ \S+) \[(?P<level>\w+)\] \[(?P<thread>[^\]]+)\] (?P<message>.*)",
    );
    let batch = Parser::new(format.expect("a pattern")).parse(&*log);
    assert_eq!(batch.len(), LINES);
    let messages: usize = batch
        .column("message")
        .expect("a column")
        .iter()
        .flatten()
        .map(<[u8]>::len)
        .sum();
    let policy = Policy::new()
        .free_text("message")
        .default_action(Action::Partial);
    let masker = RefCell::new(Masker::new(policy, None).expect("a policy"));
    assert_eq!(masked(&masker, &batch), labels as u64);
    group.throughput(Throughput::Bytes(messages as u64));
    group.bench_function("mask messages of a batch, all detectors", |bench| {
        bench.iter_batched(
            || batch.clone(),
            |mut batch| masker.borrow_mut().mask(&mut batch),
            BatchSize::LargeInput,
        );
    });
    group.finish();
    if measuring() {
        per_processor_second("scan, five rules", bytes, || {
            _ = black_box(found(&five, &lines));
        });
        per_processor_second("scan, all detectors", bytes, || {
            _ = black_box(found(&all, &lines));
        });
        per_processor_second("mask messages of a batch, all detectors", messages, || {
            _ = black_box(masked(&masker, &batch));
        });
    }

    #[cfg(feature = "peers-mask")]
    peer::compare(&lines, &five);
}

#[cfg(feature = "peers-mask")]
mod peer {
    use dd_sds::{
        MatchAction, RegexRuleConfig, RootRuleConfig, Scanner as Peer, SecondaryValidator,
    };
    use opsbox_benches::ratio;
    use opsbox_log::mask::Scanner;

    use super::found;

    /// The same five rules as regular expressions, with the peer's own check digits.
    fn peer() -> Peer {
        let rules: [(&str, Option<SecondaryValidator>); 5] = [
            (
                r"\b[A-Za-z0-9._+-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
                None,
            ),
            (
                r"\b1(?:3\d|4[014-9]|5[0-35-9]|6[25-7]|7[0-8]|8\d|9[0-35-9])\d{8}\b",
                None,
            ),
            (
                r"\b[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]\b",
                Some(SecondaryValidator::ChineseIdChecksum),
            ),
            (
                r"\b(?:4\d{3}|5[1-5]\d\d|62\d\d)[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b",
                Some(SecondaryValidator::LuhnChecksum),
            ),
            (
                r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b",
                None,
            ),
        ];
        let rules = rules.map(|(pattern, validator)| {
            let rule = RegexRuleConfig::new(pattern).with_validator(validator);
            RootRuleConfig::new(rule.build()).match_action(MatchAction::None)
        });
        Peer::builder(&rules).build().expect("rules")
    }

    pub fn compare(lines: &[String], five: &Scanner) {
        let peer = peer();
        let scan = || {
            let mut found = 0;
            for line in lines {
                // It wants to own what it scans.
                found += peer.scan(&mut line.clone()).expect("text").len();
            }
            found
        };
        for line in lines {
            let theirs = peer.scan(&mut line.clone()).expect("text");
            let mut theirs: Vec<_> = theirs
                .iter()
                .map(|it| it.start_index..it.end_index_exclusive)
                .collect();
            theirs.sort_by_key(|it| it.start);
            let ours: Vec<_> = five
                .scan(line.as_bytes())
                .iter()
                .map(|it| it.range())
                .collect();
            assert_eq!(ours, theirs, "{line}");
        }
        ratio(
            "five rules on free text, one line in ten with a finding",
            "ours",
            || found(five, lines),
            "dd-sensitive-data-scanner",
            scan,
        );
        ratio(
            "all our detectors against five rules",
            "ours",
            || found(&Scanner::new(), lines),
            "dd-sensitive-data-scanner",
            scan,
        );
    }
}

criterion_group!(benches, mask);
criterion_main!(benches);
