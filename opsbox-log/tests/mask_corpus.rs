//! What the detectors find in generated lines, against what is in them.
#![cfg(feature = "mask")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a test"
)]

#[path = "common/pii.rs"]
mod pii;
#[path = "common/score.rs"]
mod score;

use opsbox_log::mask::Scanner;
use score::score;

const SEED: u64 = 20_261_128;

#[test]
fn precision_and_recall_with_exact_spans() {
    let scores = score(&Scanner::new(), &pii::dense(SEED, 60_000));
    for (kind, score) in scores.iter().filter(|(kind, _)| **kind != pii::Kind::Ipv4) {
        println!(
            "{kind:?}: {score:?} precision {:.4} recall {:.4}",
            score.precision(),
            score.recall()
        );
        for example in &score.examples {
            println!("    {example}");
        }
    }
    for (kind, score) in scores.iter().filter(|(kind, _)| **kind != pii::Kind::Ipv4) {
        assert!(score.found > 10_000, "{kind:?}");
        assert!(
            score.precision() >= 0.99 && score.recall() >= 0.99,
            "{kind:?}"
        );
    }
}
