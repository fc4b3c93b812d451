//! Bytes of fixed places.

use super::plan::Set;
use crate::scan::{BLOCK, Lanes, Ranges};

/// One byte of each of some sets, each of one or two ranges: a timestamp, a status code.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// Any byte is in the lanes of the rest.
    lanes: Box<Lanes>,
    len: usize,
}

/// Longest template; longer ones become several.
pub(crate) const MAX_TEMPLATE: usize = BLOCK;

impl Default for Template {
    fn default() -> Self {
        let any = Ranges {
            low: [0; BLOCK],
            span: [u8::MAX; BLOCK],
        };
        Self {
            lanes: Box::new(Lanes {
                first: any.clone(),
                second: any,
            }),
            len: 0,
        }
    }
}

impl Template {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The same for a block.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Adds a set, if it has one range or two, and there is room.
    pub(crate) fn push(&mut self, set: &Set) -> bool {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in set.members() {
            match ranges.last_mut() {
                Some((low, span)) if low.checked_add(*span + 1) == Some(byte) => *span += 1,
                _ => ranges.push((byte, 0)),
            }
        }
        match *ranges.as_slice() {
            [one] => self.add(one, one),
            [one, two] => self.add(one, two),
            _ => false,
        }
    }

    fn add(&mut self, first: (u8, u8), second: (u8, u8)) -> bool {
        let at = self.len;
        for (ranges, (low, span)) in [
            (&mut self.lanes.first, first),
            (&mut self.lanes.second, second),
        ] {
            let (Some(low_slot), Some(span_slot)) =
                (ranges.low.get_mut(at), ranges.span.get_mut(at))
            else {
                return false;
            };
            (*low_slot, *span_slot) = (low, span);
        }
        self.len += 1;
        true
    }

    /// Adds the sets of another, for which there is room.
    pub(crate) fn append(&mut self, other: &Self) {
        for (first, second) in other.ranges() {
            self.add(first, second);
        }
    }

    /// The first and the second range of each set: beginning, and length less one.
    fn ranges(&self) -> impl Iterator<Item = ((u8, u8), (u8, u8))> {
        let both = |ranges: &Ranges| {
            let (low, span) = (ranges.low, ranges.span);
            low.into_iter().zip(span)
        };
        let (first, second) = (both(&self.lanes.first), both(&self.lanes.second));
        first.zip(second).take(self.len)
    }

    /// The sets.
    pub(crate) fn sets(&self) -> impl Iterator<Item = Set> {
        self.ranges().map(|(a, b)| {
            let inside = |byte: u8, (low, span): (u8, u8)| byte.wrapping_sub(low) <= span;
            Set::of(|byte| inside(byte, a) || inside(byte, b))
        })
    }

    /// Whether these bytes, as many as there are sets, are in them.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        let inside = |ranges: &Ranges, outside: &mut [u8; MAX_TEMPLATE]| {
            let ranges = ranges.low.iter().zip(&ranges.span);
            for ((out, &byte), (&low, &span)) in outside.iter_mut().zip(bytes).zip(ranges) {
                *out &= u8::from(byte.wrapping_sub(low) > span);
            }
        };
        let mut outside = [1; MAX_TEMPLATE];
        inside(&self.lanes.first, &mut outside);
        inside(&self.lanes.second, &mut outside);
        let outside = outside.get(..bytes.len());
        outside.is_some_and(|outside| outside.iter().fold(0, |any, out| any | out) == 0)
    }
}
