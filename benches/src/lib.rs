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
/// The same where CPU time is taken, of which the least counts.
const CPU_SECONDS: f64 = 3.0;
/// CPU seconds of the runs that are measured together.
const CPU_RUN: f64 = 0.05;

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

/// Runs two ways to do one job in turn on the CPU time of this thread, which other users of the machine change less than
/// the clock, and prints how many bytes a CPU second each did, as its fastest run says, and how many times faster the
/// first is. Nothing is printed when the bench is only tried.
pub fn ratio_of_cpu<A, B>(
    job: &str,
    bytes: usize,
    ours: &str,
    a: impl Fn() -> A,
    other: &str,
    b: impl Fn() -> B,
) {
    black_box((a(), b()));
    if !measuring() {
        return;
    }
    let start = Instant::now();
    let (mut least_a, mut least_b) = (f64::INFINITY, f64::INFINITY);
    let mut pairs = 0;
    while pairs < PAIRS || start.elapsed().as_secs_f64() < CPU_SECONDS {
        let (Some(of_a), Some(of_b)) = (cpu_seconds(&a), cpu_seconds(&b)) else {
            println!("ratio   {job}: this system does not tell the CPU time of a thread");
            return;
        };
        (least_a, least_b) = (least_a.min(of_a), least_b.min(of_b));
        pairs += 1;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "fewer bytes than that matters for"
    )]
    let megabytes = bytes as f64 / 1e6;
    println!(
        "ratio   {job}: {ours} does {:.0} MB in a CPU second, {}x of {other} ({:.0} MB)",
        megabytes / least_a,
        figure(least_b / least_a),
        megabytes / least_b,
    );
}

/// CPU seconds of one run, of as many as the system's count of them takes.
fn cpu_seconds<T>(run: impl Fn() -> T) -> Option<f64> {
    let (start, mut runs) = (cpu()?, 0.0);
    loop {
        black_box(run());
        runs += 1.0;
        let spent = cpu()? - start;
        if spent >= CPU_RUN {
            return Some(spent / runs);
        }
    }
}

/// CPU seconds of this thread, as Linux tells them.
fn cpu() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = stat.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
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
