//! Whether work takes time in proportion to its input, by the processor's time of this thread.

/// Asserts that eight times the input takes less than 24 times the time; quadratic would be 64 times.
/// Where the system does not tell, it says so and checks nothing.
pub(crate) fn assert_linear(what: &str, small: impl Fn(), large: impl Fn()) {
    let fastest = |run: &dyn Fn()| (0..3).filter_map(|_| timed(run)).min();
    let Some((few, many)) = fastest(&small).zip(fastest(&large)) else {
        eprintln!("SKIPPED: /proc/thread-self/schedstat does not tell the time of a thread");
        return;
    };
    assert!(many < 24 * few, "{what}: {few} ns, {many} ns");
}

fn timed(run: &dyn Fn()) -> Option<u64> {
    let before = spent()?;
    run();
    Some(spent()? - before)
}

/// Nanoseconds that this thread has run: by the clock others would count, too. The system brings the
/// figure up to date when the thread gives way.
fn spent() -> Option<u64> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}
