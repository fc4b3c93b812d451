//! When to look at which certificates: 32 of them are a page, which knows its first time only.
//!
//! A page costs 16 bytes, an entry for each certificate would cost 12. To look at one page costs less than a miss
//! of the cache for each level of a heap of a million.

use super::heap::{Positions, TimeHeap};
use super::moment::NEVER;

/// Certificates of a page.
pub(super) const PAGE: u32 = 32;

/// The bit of a position that says that nothing may happen at the time of the page any more.
const LOOSE: u32 = 1 << 31;

#[derive(Debug, Clone, Copy)]
struct Page {
    /// In the heap, and whether the time is too early.
    position: u32,
    /// No certificate of the page was last looked at before.
    seen: u32,
}

const _: () = assert!(size_of::<Page>() + size_of::<(u32, u32)>() == 16);

#[derive(Debug, Clone, Default)]
struct Places(Vec<Page>);

impl Positions for Places {
    fn set(&mut self, page: u32, position: u32) {
        if let Some(page) = self.0.get_mut(page as usize) {
            page.position = page.position & LOOSE | position;
        }
    }

    fn of(&self, page: u32) -> u32 {
        let page = self.0.get(page as usize);
        page.map_or(NEVER, |page| page.position & !LOOSE)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    heap: TimeHeap,
    places: Places,
}

impl Pages {
    pub(super) fn with_capacity(certificates: usize) -> Self {
        let pages = certificates.div_ceil(PAGE as usize);
        Self {
            heap: TimeHeap::with_capacity(pages),
            places: Places(Vec::with_capacity(pages)),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.heap.bytes() + self.places.0.capacity() * size_of::<Page>()
    }

    /// When the page of a certificate is to be looked at.
    pub(super) fn time(&self, certificate: u32) -> u32 {
        self.heap.time_at(self.places.of(certificate / PAGE))
    }

    /// A certificate is to be looked at again then, which may have been the first of its page.
    pub(super) fn touch(&mut self, certificate: u32, time: u32, now: u32, was_first: bool) {
        let number = certificate / PAGE;
        while self.places.0.len() <= number as usize {
            let next = u32::try_from(self.places.0.len()).unwrap_or(NEVER);
            self.places.0.push(Page {
                position: 0,
                seen: NEVER,
            });
            self.heap.push(NEVER, next, &mut self.places);
        }
        let Some(page) = self.places.0.get_mut(number as usize) else {
            return;
        };
        page.seen = page.seen.min(now);
        let known = self.heap.time_at(page.position & !LOOSE);
        if time > known && was_first {
            page.position |= LOOSE;
        } else if time < known {
            self.heap.change(number, time, &mut self.places);
        }
    }

    /// The first time, or an earlier one, with its page.
    pub(super) fn first(&self) -> Option<(u32, u32)> {
        self.heap.first()
    }

    /// The first page, if its time may be too early.
    pub(super) fn first_loose(&self) -> Option<u32> {
        let (time, page) = self.heap.first()?;
        let is_loose = self.places.0.get(page as usize)?.position & LOOSE != 0;
        (is_loose && time != NEVER).then_some(page)
    }

    pub(super) fn seen(&self, page: u32) -> u32 {
        self.places.0.get(page as usize).map_or(0, |page| page.seen)
    }

    /// All of a page were looked at: the next time is this.
    pub(super) fn set(&mut self, number: u32, time: u32, now: u32) {
        if let Some(page) = self.places.0.get_mut(number as usize) {
            page.seen = now;
            page.position &= !LOOSE;
            self.heap.change(number, time, &mut self.places);
        }
    }
}
