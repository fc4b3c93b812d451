//! Findings counted against labels.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_precision_loss,
    reason = "every program uses its own part of it"
)]

use std::collections::BTreeMap;

use opsbox_log::mask::Scanner;

use super::pii::{Kind, Line};

/// Of one kind, with exact spans.
#[derive(Debug, Default)]
pub struct Score {
    pub found: u64,
    pub missed: u64,
    pub wrong: u64,
    /// Some that were missed or wrong; all is made up.
    pub examples: Vec<String>,
}

impl Score {
    /// Of what was found, how much is right.
    pub fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.wrong).max(1) as f64
    }

    /// Of what is there, how much was found.
    pub fn recall(&self) -> f64 {
        self.found as f64 / (self.found + self.missed).max(1) as f64
    }

    fn example(&mut self, what: &str, text: &str, line: &str) {
        if self.examples.len() < 12 {
            self.examples.push(format!("{what} {text:?} in {line:?}"));
        }
    }
}

/// Scores all lines.
pub fn score(scanner: &Scanner, lines: &[Line]) -> BTreeMap<Kind, Score> {
    let mut scores: BTreeMap<Kind, Score> = BTreeMap::new();
    for line in lines {
        let mut labels = line.labels.clone();
        for finding in scanner.scan(line.text.as_bytes()) {
            let tag = finding.tag();
            let Some(kind) = Kind::ALL.into_iter().find(|it| it.tag() == tag.as_str()) else {
                continue;
            };
            let score = scores.entry(kind).or_default();
            match labels
                .iter()
                .position(|label| *label == (finding.range(), kind))
            {
                Some(at) => {
                    labels.swap_remove(at);
                    score.found += 1;
                }
                None => {
                    score.wrong += 1;
                    score.example("wrong", &line.text[finding.range()], &line.text);
                }
            }
        }
        for (range, kind) in labels {
            let score = scores.entry(kind).or_default();
            score.missed += 1;
            score.example("missed", &line.text[range], &line.text);
        }
    }
    scores
}
