//! Text with few distinct values.

use std::collections::HashMap;

use super::Invalid;
use crate::limits::MAX_CATEGORIES;

/// Places for values seen lately; a power of two.
const RECENT: usize = 64;

/// Gives each distinct value a code, from 0 in the order in which they come.
pub(super) struct Categories<'b> {
    dictionary: Vec<&'b [u8]>,
    /// The standard hasher is slow and keyed: values are chosen by strangers.
    codes: HashMap<&'b [u8], u32>,
    /// What was found by the hash of little of a value, so that most values need no look-up.
    recent: [(&'b [u8], u32); RECENT],
    full: bool,
}

impl<'b> Categories<'b> {
    pub(super) fn new() -> Self {
        Self {
            dictionary: Vec::new(),
            codes: HashMap::new(),
            recent: [(&[], u32::MAX); RECENT],
            full: false,
        }
    }

    pub(super) fn code(&mut self, value: &'b [u8]) -> Result<u32, Invalid> {
        let ends = match value {
            [] => 0,
            [first, .., last] => usize::from(*first) * 7 + usize::from(*last),
            [only] => usize::from(*only),
        };
        let slot = self
            .recent
            .get_mut((ends ^ value.len() << 2) & (RECENT - 1));
        if let Some((known, code)) = &slot
            && *code != u32::MAX
            && *known == value
        {
            return Ok(*code);
        }
        let code = match self.codes.get(value) {
            Some(&code) => code,
            None => match u32::try_from(self.dictionary.len()) {
                Ok(code) if self.dictionary.len() < MAX_CATEGORIES => {
                    self.dictionary.push(value);
                    self.codes.insert(value, code);
                    code
                }
                _ => {
                    self.full = true;
                    return Err(Invalid::OutOfRange);
                }
            },
        };
        if let Some(slot) = slot {
            *slot = (value, code);
        }
        Ok(code)
    }

    /// The distinct values; none if there were more than the limit.
    pub(super) fn into_dictionary(self) -> Option<Vec<&'b [u8]>> {
        (!self.full).then_some(self.dictionary)
    }
}
