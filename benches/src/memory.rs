//! What a call leaves in memory, counted by the allocator.

#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]
#![allow(
    clippy::exhaustive_structs,
    reason = "a static of it is made in each bench"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed},
};

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALIVE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, which counts while [`kept`] runs; one bit is tested otherwise.
///
/// ```
/// use opsbox_benches::memory::{Counting, kept};
///
/// #[global_allocator]
/// static ALLOCATOR: Counting = Counting;
///
/// let (bytes, alive) = kept(|| {
///     drop(vec![0_u8; 500]);
///     vec![0_u8; 1000]
/// });
/// assert_eq!((bytes.len(), alive), (1000, 1000));
/// ```
#[derive(Debug)]
pub struct Counting;

/// Runs `work` and says how many bytes it allocated and has not freed: what its result holds. They are
/// as asked from the allocator, with the room that vectors have to grow.
pub fn kept<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALIVE.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    let result = work();
    COUNTING.store(false, Relaxed);
    // Below zero if `work` freed what was there before.
    let alive = usize::try_from(ALIVE.load(Relaxed)).unwrap_or(0);
    (result, alive)
}

fn count(bytes: usize, sign: isize) {
    if COUNTING.load(Relaxed) {
        ALIVE.fetch_add(sign * bytes.cast_signed(), Relaxed);
    }
}

// SAFETY: all of it is left to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}
