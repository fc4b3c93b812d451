//! Memory for what is large: in large pages, and kept for the next use.
//!
//! A table of a large file is written to memory that is fresh from the system, and the system's part of that took half of
//! the time of a parse: each 4 KiB that is touched first is a call into the kernel, which finds a page and clears it.
//! Pages of 2 MiB cost a quarter of that, and memory that was used before costs nothing. C's allocator gives large blocks
//! back at once, and knows nothing of large pages.
//!
//! What is kept is told to be free: the system takes it where it needs memory, and it counts as the process's until then.
//! There is never more of it than [`KEPT_BYTES`].
//!
//! This is the only module with `unsafe`: an allocator is that by its nature.
#![allow(unsafe_code, reason = "the trait of allocators is unsafe")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
    sync::Mutex,
};

use libc::{
    MADV_FREE, MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE,
    madvise, mmap, munmap,
};

use crate::limits::{KEPT_BLOCKS, KEPT_BYTES, LARGE_BYTES};

#[global_allocator]
static ALLOCATOR: Pages = Pages {
    kept: Mutex::new(Kept {
        blocks: [Block::NONE; KEPT_BLOCKS],
        bytes: 0,
        oldest: 0,
    }),
};

/// The size of a large page, and where each block begins.
const LARGE_PAGE: usize = 2 << 20;

/// C's allocator, and for what is large the system itself.
struct Pages {
    /// Never waited for: whoever finds it taken asks the system. So a process that was forked off while it was held goes
    /// on without it.
    kept: Mutex<Kept>,
}

/// Blocks that nobody uses.
struct Kept {
    blocks: [Block; KEPT_BLOCKS],
    bytes: usize,
    /// The next one to give up.
    oldest: usize,
}

#[derive(Clone, Copy)]
struct Block {
    start: usize,
    len: usize,
}

impl Block {
    const NONE: Self = Self { start: 0, len: 0 };

    /// Fresh memory, all zeros, of which `used` bytes will be touched. Null if the system has none.
    fn map(len: usize, used: usize) -> *mut u8 {
        // Enough to cut an aligned part out of it.
        let Some(more) = len.checked_add(LARGE_PAGE) else {
            return ptr::null_mut();
        };
        // SAFETY: a new mapping anywhere touches nothing that there is.
        let all = unsafe {
            mmap(
                ptr::null_mut(),
                more,
                PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if all == MAP_FAILED {
            return ptr::null_mut();
        }
        let before = all.align_offset(LARGE_PAGE);
        let start = all.wrapping_byte_add(before);
        let after = more - before - len;
        // The last large page only if half of it will be used.
        let large = (used + LARGE_PAGE / 2) / LARGE_PAGE * LARGE_PAGE;
        // SAFETY: what is unmapped is of the new mapping, which nobody else knows of, and before and after the part
        // that is returned. Pages are no longer than `LARGE_PAGE` and a power of two, and `len` is a multiple of them,
        // so all of it begins and ends where pages do. Advice changes no byte; where it is refused, pages are small.
        unsafe {
            if before > 0 {
                munmap(all, before);
            }
            if after > 0 {
                munmap(start.wrapping_byte_add(len), after);
            }
            if large > 0 {
                madvise(start, large.min(len), MADV_HUGEPAGE);
            }
        }
        start.cast()
    }

    /// # Safety
    ///
    /// It was [mapped](Self::map), and nobody uses it any more.
    unsafe fn unmap(self) {
        // SAFETY: the caller's.
        unsafe { munmap(ptr::with_exposed_provenance_mut(self.start), self.len) };
    }
}

impl Pages {
    /// A block of this length, if there is one. Its bytes are anything.
    fn take(&self, len: usize) -> Option<*mut u8> {
        let mut kept = self.kept.try_lock().ok()?;
        let found = kept.blocks.iter_mut().find(|block| block.len == len)?;
        let block = std::mem::replace(found, Block::NONE);
        kept.bytes -= len;
        Some(ptr::with_exposed_provenance_mut(block.start))
    }

    /// # Safety
    ///
    /// As [`Block::unmap`].
    unsafe fn keep(&self, block: Block) {
        if block.len <= KEPT_BYTES
            && let Ok(mut kept) = self.kept.try_lock()
        {
            // SAFETY: nobody uses the bytes, so they may become zeros at any time, which this allows. It is a
            // mapping of its own.
            unsafe {
                madvise(
                    ptr::with_exposed_provenance_mut(block.start),
                    block.len,
                    MADV_FREE,
                )
            };
            kept.bytes += block.len;
            let mut block = block;
            loop {
                let at = kept.oldest;
                if let Some(place) = kept.blocks.get_mut(at) {
                    std::mem::swap(place, &mut block);
                }
                kept.oldest = (at + 1) % KEPT_BLOCKS;
                if block.len > 0 {
                    kept.bytes -= block.len;
                    // SAFETY: nobody uses what was kept.
                    unsafe { block.unmap() };
                    block = Block::NONE;
                }
                if kept.bytes <= KEPT_BYTES {
                    return;
                }
            }
        }
        // SAFETY: the caller's.
        unsafe { block.unmap() };
    }
}

/// The length of the block for so many bytes, if it is one of ours. Lengths are an eighth apart at most, so that another
/// input of about the same size finds a block of the same length.
fn block_len(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size < LARGE_BYTES || layout.align() > LARGE_PAGE {
        return None;
    }
    size.checked_next_multiple_of(size.next_power_of_two() / 16)
}

// SAFETY: a block is a mapping of its own, aligned to `LARGE_PAGE`, at least as long as was asked for, and given to one
// owner at a time: it leaves the kept ones under their lock when it is given out, and comes back by `dealloc` only. Which
// allocator a block is of is told by its layout, which does not change between `alloc` and `dealloc`. `System` keeps the
// rules for what is its own. Nothing here allocates or unwinds.
unsafe impl GlobalAlloc for Pages {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match block_len(layout) {
            // SAFETY: the caller's.
            None => unsafe { System.alloc(layout) },
            Some(len) => self
                .take(len)
                .unwrap_or_else(|| Block::map(len, layout.size())),
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match block_len(layout) {
            // SAFETY: the caller's.
            None => unsafe { System.alloc_zeroed(layout) },
            // What is fresh is zeros.
            Some(len) => Block::map(len, layout.size()),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        match block_len(layout) {
            // SAFETY: the caller's.
            None => unsafe { System.dealloc(start, layout) },
            Some(len) => {
                let start = start.expose_provenance();
                // SAFETY: `alloc` made it from such a layout, and its owner is done with it.
                unsafe { self.keep(Block { start, len }) }
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size with this alignment is a layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (block_len(layout), block_len(wanted)) {
            // SAFETY: the caller's.
            (None, None) => return unsafe { System.realloc(start, layout, size) },
            (Some(has), Some(wants)) if has == wants => return start,
            _ => {}
        }
        // SAFETY: a new block, and the old one, which the caller gives up if there is a new one; both have the bytes
        // that are copied.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(start, moved, size.min(layout.size()));
                self.dealloc(start, layout);
            }
            moved
        }
    }
}
