//! Comparison with programs in other languages, on CPU seconds and in turn.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{cpu, figure, measuring};

/// Pairs of runs behind one ratio.
const PAIRS: usize = 7;
/// How long each run is.
const RUN: Duration = Duration::from_millis(700);

/// Runs our work and another program in turn, and prints how many times more we do in a CPU second: the
/// median over the pairs, with all of them. `work` says how much it did; the program is given a number of
/// seconds, and prints how much it did in these and the CPU seconds of it.
///
/// A program that cannot be run is named, and nothing is printed when the bench is only tried.
pub fn ratio_to_process(
    job: &str,
    work: impl Fn() -> usize,
    other: &str,
    command: impl Fn() -> Command,
) {
    if !measuring() {
        return;
    }
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let Some(theirs) = theirs(&mut command()) else {
            println!("ratio   {job}: {other} cannot be run here");
            return;
        };
        let Some(ours) = ours(&work) else {
            println!("ratio   {job}: this system does not tell the CPU time of a thread");
            return;
        };
        pairs.push((ours / theirs, ours, theirs));
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(middle), Some(last)) =
        (pairs.first(), pairs.get(PAIRS / 2), pairs.last())
    else {
        return;
    };
    println!(
        "ratio   {job}: ours is {}x as fast as {other} ({} to {}; {:.0} to {:.0} in a CPU second)",
        figure(middle.0),
        figure(first.0),
        figure(last.0),
        middle.1,
        middle.2
    );
}

fn ours(work: impl Fn() -> usize) -> Option<f64> {
    let (begin, start, mut done) = (cpu()?, Instant::now(), 0_u32);
    while start.elapsed() < RUN {
        done += u32::try_from(work()).unwrap_or(u32::MAX);
    }
    Some(f64::from(done) / (cpu()? - begin))
}

fn theirs(command: &mut Command) -> Option<f64> {
    let output = command.arg(RUN.as_secs_f64().to_string()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (done, seconds) = text.trim().split_once(' ')?;
    let [done, seconds] = [done, seconds].map(str::parse::<f64>);
    Some(done.ok()? / seconds.ok()?)
}
