//! What the benches share: generated data with a fixed seed, and paired ratios.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a bench reports on the terminal")]

pub mod data;

use std::{hint::black_box, time::Instant};

/// Pairs of runs behind one ratio.
const PAIRS: usize = 15;

/// Runs two ways to do one job in turn, A B A B ..., and prints how many times faster the first is:
/// the median over the pairs, with their spread. Pairs hold where a machine is shared and its speed
/// drifts. Nothing is printed when the bench is only tried (`--test`) or listed.
pub fn ratio<A, B>(job: &str, ours: &str, a: impl Fn() -> A, other: &str, b: impl Fn() -> B) {
    if !std::env::args().any(|arg| arg == "--bench") || std::env::args().any(|arg| arg == "--test")
    {
        black_box((a(), b()));
        return;
    }
    black_box((a(), b()));
    let mut ratios: Vec<_> = (0..PAIRS).map(|_| seconds(&b) / seconds(&a)).collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios.get(PAIRS * share / 10).copied().unwrap_or(f64::NAN);
    println!(
        "ratio   {job}: {ours} is {}x as fast as {other} ({} to {} in 8 of 10 pairs)",
        figure(at(5)),
        figure(at(1)),
        figure(at(9))
    );
}

/// Two digits that matter.
fn figure(ratio: f64) -> String {
    match ratio {
        0.0..0.1 => format!("{ratio:.4}"),
        0.1..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

fn seconds<T>(run: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_secs_f64()
}
