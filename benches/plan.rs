//! What does it cost to plan a million certificates, against a task that sleeps for each?
//!
//! ```sh
//! cargo bench --locked -p opsbox-benches --bench plan
//! ```

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench, made by criterion's macros"
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use opsbox_benches::memory::{Counting, kept};
use opsbox_benches::{measuring, ratio_until_freed};
use opsbox_cert::budget::{Ledger, Limits, Subject};
use opsbox_cert::plan::{Action, End, Held, Planner, Policy};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Certificates of the whole run, and of the comparison, in which each task takes its memory.
fn counts() -> (u64, u64) {
    match measuring() {
        true => (1_000_000, 100_000),
        false => (10_000, 1_000),
    }
}

fn start() -> SystemTime {
    UNIX_EPOCH + DAY * 20_000
}

/// Spread over all bits, as the keys of names are.
fn key(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

/// Of certificates that were issued over the last 30 days.
fn held(n: u64) -> Held {
    let from = start() - DAY * 30 + Duration::from_secs(n * 5 % (30 * 86_400));
    Held::new(from, from + DAY * 90)
}

fn plan(count: u64) -> Planner {
    let capacity = usize::try_from(count).expect("it fits");
    let mut planner = Planner::with_capacity(Policy::default(), 7, capacity);
    for n in 0..count {
        let subject = Subject::single(key(n), key(n / 3));
        planner.add(&subject, 0, Some(&held(n)), start());
    }
    planner
}

/// Does what is due within a day, each order issued at once.
fn a_day(planner: &mut Planner, ledgers: &mut [Ledger]) -> usize {
    let (mut now, mut orders) = (start(), 0);
    loop {
        while let Some(action) = planner.next(ledgers, now) {
            if let Action::Order(order) = action {
                let end = End::Issued(Held::new(now, now + DAY * 90));
                planner.finish(&order, &end, ledgers, now);
                orders += 1;
            }
        }
        match planner.wake_at(now).filter(|at| *at <= start() + DAY) {
            Some(at) => now = at,
            None => return orders,
        }
    }
}

/// What a task has to know of its certificate, as the planner does.
#[derive(Debug, Clone, Copy)]
struct Facts {
    names: [u64; 2],
    times: [u32; 6],
    failures: u8,
}

/// What a program does that has no plan: a task each, that sleeps and does nothing else, or one that knows its
/// certificate.
fn sleep(count: u64, knows: bool) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    for n in 0..count {
        let wait = DAY + Duration::from_millis(n);
        if knows {
            let facts = Facts {
                names: [key(n), key(n / 3)],
                times: [0; 6],
                failures: 0,
            };
            runtime.spawn(async move {
                tokio::time::sleep(wait).await;
                black_box((facts.names, facts.times, facts.failures));
            });
        } else {
            runtime.spawn(async move {
                tokio::time::sleep(wait).await;
            });
        }
    }
    // Each is polled once, which is when it is given to the timer.
    runtime.block_on(async {
        for _ in 0..count / 32 {
            tokio::task::yield_now().await;
        }
    });
    runtime
}

fn plans(criterion: &mut Criterion) {
    let (all, some) = counts();
    let (planner, ours) = kept(|| plan(some));
    println!(
        "a certificate that is planned: {} bytes, {} by its own count",
        ours as u64 / some,
        planner.bytes() as u64 / some
    );
    drop(planner);
    for (what, knows) in [
        ("sleeps", false),
        ("sleeps, and knows its certificate", true),
    ] {
        let (runtime, theirs) = kept(|| sleep(some, knows));
        drop(runtime);
        println!(
            "a task of tokio that {what}: {} bytes, {:.1} times as much",
            theirs as u64 / some,
            theirs as f64 / ours as f64
        );
    }
    ratio_until_freed(
        "begin 100,000",
        "the planner",
        || plan(some),
        "a task each",
        || sleep(some, false),
    );

    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.bench_function("from cold", |bench| {
        bench.iter_with_large_drop(|| plan(black_box(all)));
    });
    group.bench_function("a day", |bench| {
        bench.iter_batched_ref(
            || (plan(all), [Ledger::new(Limits::lets_encrypt())]),
            |(planner, ledgers)| a_day(planner, ledgers),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
