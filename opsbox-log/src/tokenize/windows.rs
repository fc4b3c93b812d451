//! The windows of a plan for blocks: bytes of fixed places, and then the end of a run.

#![allow(
    clippy::indexing_slicing,
    reason = "arrays of one length, and places that the scan has written"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a chunk is shorter than 16 bits count"
)]

use super::{
    chunk::{Ahead, Chunk, all_from, bytes_at},
    head::Scratch,
};
use crate::{
    format::head::{Literal, Window},
    scan::{LANES, Simd},
};

impl Scratch {
    /// A window on all lines.
    #[inline(always)]
    pub(super) fn window<S: Simd>(
        &mut self,
        simd: S,
        window: &Window,
        chunk: &Chunk,
        lane: usize,
        lines: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let run = window.run.as_ref();
        match (run.map(|run| run.in_lanes), window.optional) {
            (None, false) if window.literal.is_some() => {
                self.literals(simd, window, chunk, lane, lines, ahead);
            }
            (None, false) => {
                self.windows::<S, NONE, false>(simd, window, chunk, lane, lines, ahead);
            }
            (None, true) => {
                self.windows::<S, NONE, true>(simd, window, chunk, lane, lines, ahead);
            }
            (Some(true), false) => {
                self.windows::<S, LANE, false>(simd, window, chunk, lane, lines, ahead);
            }
            (Some(true), true) => {
                self.windows::<S, LANE, true>(simd, window, chunk, lane, lines, ahead);
            }
            (Some(false), false) => {
                self.windows::<S, STOP, false>(simd, window, chunk, lane, lines, ahead);
            }
            (Some(false), true) => {
                self.windows::<S, STOP, true>(simd, window, chunk, lane, lines, ahead);
            }
        }
    }

    /// A few bytes that can be one only.
    #[inline(always)]
    fn literals<S: Simd>(
        &mut self,
        simd: S,
        window: &Window,
        chunk: &Chunk,
        lane: usize,
        lines: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let Some(Literal { word, mask }) = window.literal else {
            return;
        };
        let len = window.len as u16;
        let lines = self.cursors[..lines].iter_mut().zip(&self.ends);
        for ((cursors, end), fits) in lines.zip(&mut self.fits) {
            ahead.ask(simd);
            let at = cursors[lane % LANES];
            let bytes = u64::from_le_bytes(*bytes_at(chunk, usize::from(at)));
            // Only where it does not fit can it be beyond the chunk.
            let next = at.wrapping_add(len);
            *fits &= (bytes & mask == word) & (next <= *end) & (next >= at);
            cursors[(lane + 1) % LANES] = next;
        }
    }

    /// Bytes of fixed places, and then the run if there is one, which ends where the lanes say, or where
    /// one of its stops is.
    #[inline(always)]
    fn windows<S: Simd, const RUN: u8, const OPTIONAL: bool>(
        &mut self,
        simd: S,
        window: &Window,
        chunk: &Chunk,
        lane: usize,
        lines: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let run = window.run.as_ref().filter(|_| RUN != NONE);
        let stops = run.filter(|_| RUN == STOP).map(|run| {
            let stops = &run.stops;
            (simd.table(&stops.classes), stops.not_ascii)
        });
        let (min, more) = run.map_or((0, 0), |run| (run.min, run.more));
        let (len, beyond) = (window.len, all_from(window.len));
        let lines = self.cursors[..lines].iter_mut().zip(&self.ends);
        for ((cursors, end), fits) in lines.zip(&mut self.fits) {
            ahead.ask(simd);
            let at = cursors[lane % LANES];
            let block = bytes_at(chunk, usize::from(at));
            let there = match len {
                0 if RUN != LANE => u64::MAX,
                _ if window.one_range => simd.in_first(block, &window.lanes),
                _ => simd.in_lanes(block, &window.lanes),
            };
            let mut fit = there | beyond == u64::MAX;
            let mut taken = len;
            if RUN != NONE {
                let mut outside = !there;
                if let Some((table, not_ascii)) = stops {
                    outside = simd.classify(block, table).outside;
                    if not_ascii {
                        outside |= simd.not_ascii(block);
                    }
                }
                outside >>= len;
                let run = outside.trailing_zeros() as usize;
                fit &= (outside != 0) & (run.wrapping_sub(min) <= more);
                taken += run;
            }
            if OPTIONAL && there & 1 == 0 {
                (fit, taken) = (true, 0);
            }
            // Only where it does not fit can it be beyond the chunk.
            let next = at.wrapping_add(taken as u16);
            *fits &= fit & (next <= *end) & (next >= at);
            cursors[(lane + 1) % LANES] = next;
        }
    }
}

/// No run; one whose bytes are in the lanes after those of fixed places; one with stops.
const NONE: u8 = 0;
const LANE: u8 = 1;
const STOP: u8 = 2;
