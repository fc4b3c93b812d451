//! What the benches share: generated data with a fixed seed, paired ratios, and what to compare with.

// Only `memory` and `newlines` may allow it.
#![deny(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a bench reports on the terminal")]

pub mod data;
pub mod memory;
pub mod newlines;
pub mod onepass;
#[cfg(feature = "peers")]
pub mod peers;
pub mod pods;
pub mod process;

use std::{hint::black_box, time::Instant};

/// Pairs of runs behind one ratio, at least.
const PAIRS: usize = 15;
/// More pairs are run until this many seconds are over, so that a short job is not judged by the few
/// moments in which the machine did something else.
const SECONDS: f64 = 0.5;

/// Runs two ways to do one job in turn, A B A B ..., and prints how many times faster the first is:
/// the median over the pairs, with their spread. Pairs hold where a machine is shared and its speed
/// drifts. Nothing is printed when the bench is only tried (`--test`) or listed.
pub fn ratio<A, B>(job: &str, ours: &str, a: impl Fn() -> A, other: &str, b: impl Fn() -> B) {
    black_box((a(), b()));
    ratio_of(job, ours, || seconds(&a), other, || seconds(&b));
}

/// As [`ratio`], but the result of a run is freed when its time has been taken: for results of which
/// one is far more to free than the other.
pub fn ratio_until_freed<A, B>(
    job: &str,
    ours: &str,
    a: impl Fn() -> A,
    other: &str,
    b: impl Fn() -> B,
) {
    black_box((a(), b()));
    ratio_of(job, ours, || seconds_of(&a).0, other, || seconds_of(&b).0);
}

fn ratio_of(job: &str, ours: &str, a: impl Fn() -> f64, other: &str, b: impl Fn() -> f64) {
    if !measuring() {
        return;
    }
    let start = Instant::now();
    let mut ratios = Vec::new();
    while ratios.len() < PAIRS || start.elapsed().as_secs_f64() < SECONDS {
        ratios.push(b() / a());
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| {
        let ratio = ratios.get(ratios.len() * share / 10);
        ratio.copied().unwrap_or(f64::NAN)
    };
    println!(
        "ratio   {job}: {ours} is {}x as fast as {other} ({} to {} in 8 of 10 pairs)",
        figure(at(5)),
        figure(at(1)),
        figure(at(9))
    );
}

/// Whether figures are wanted, and not only whether the bench runs (`--test`, `cargo test`).
pub fn measuring() -> bool {
    let is = |wanted| std::env::args().any(|arg| arg == wanted);
    is("--bench") && !is("--test") && !is("--list")
}

/// Two digits that matter.
fn figure(ratio: f64) -> String {
    match ratio {
        0.0..0.1 => format!("{ratio:.4}"),
        0.1..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

fn seconds_of<T>(run: impl Fn() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(run());
    (start.elapsed().as_secs_f64(), result)
}

fn seconds<T>(run: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    black_box(run());
    start.elapsed().as_secs_f64()
}
