//! Keys under the keys above them, each found by a hash.

use std::{collections::HashMap, ops::Range};

use crate::limits::{MAX_DISCOVERED_FIELDS, MAX_FIELD_NAME_BYTES};

/// No node, or no column.
pub(super) const NONE: u16 = u16::MAX;

/// The node of the document itself.
pub(super) const ROOT: u16 = 0;

/// Most keys, objects among them, that are told apart in a batch. Later ones have no column.
const MAX_NODES: usize = 4 * MAX_DISCOVERED_FIELDS;

/// A key under the keys above it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The keys with dots between them.
    pub(super) path: Box<str>,
    /// Its column, if it was asked for.
    pub(super) column: Option<u16>,
    /// Whether that takes any value.
    pub(super) is_text: bool,
}

/// The place of a key in the table.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: u128,
    parent: u16,
    len: u16,
    node: u16,
}

const EMPTY: Slot = Slot {
    key: 0,
    parent: 0,
    len: 0,
    node: NONE,
};

/// Slots of the table: few, so that it stays near.
const SLOTS: usize = 1024;

/// Slots that are looked at for a key. One that has none of them is looked up like a long one, so that
/// keys of a stranger's making, or very many, cost no more than that.
const PROBES: usize = 8;

/// Bytes of a key that the table has; it finds longer ones by their length and the bytes they begin with.
pub(super) const SHORT: usize = 16;

/// The keys of a batch.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Bytes that come before each path in the name of a column.
    prefix_len: usize,
    nodes: Vec<Node>,
    table: Vec<Slot>,
    long: HashMap<Box<[u8]>, u16>,
    scratch: Vec<u8>,
}

impl Keys {
    pub(super) fn new(prefix_len: usize) -> Self {
        Self {
            prefix_len,
            nodes: vec![Node {
                path: "".into(),
                column: None,
                is_text: false,
            }],
            table: vec![EMPTY; SLOTS],
            long: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, node: u16) -> Option<&Node> {
        self.nodes.get(usize::from(node))
    }

    pub(super) fn get_mut(&mut self, node: u16) -> Option<&mut Node> {
        self.nodes.get_mut(usize::from(node))
    }

    /// The node of a key.
    #[inline(always)]
    pub(super) fn node(&mut self, text: &[u8], place: Range<usize>, parent: u16) -> u16 {
        let len = place.len();
        let near = text.get(place.start..);
        let near = near.and_then(<[u8]>::first_chunk::<SHORT>);
        if near.is_none() && len > 0 {
            return self.last_node(text, place, parent);
        }
        if let Some(near) = near.filter(|_| len > 0) {
            let key = u128::from_le_bytes(*near) & u128::MAX >> (128 - 8 * len.min(SHORT));
            // Longer ones are no names.
            let len = u16::try_from(len).unwrap_or(NONE);
            for slot in self.slots(key, parent, len) {
                if slot.node == NONE {
                    break;
                }
                let begins = slot.key == key && slot.parent == parent && slot.len == len;
                if begins && (place.len() <= SHORT || self.ends_with(slot.node, text, &place)) {
                    return slot.node;
                }
            }
        }
        self.add(text.get(place).unwrap_or_default(), parent)
    }

    /// The node of a key with less behind it than the table compares: of the text's last bytes.
    #[cold]
    fn last_node(&mut self, text: &[u8], place: Range<usize>, parent: u16) -> u16 {
        let mut near = [0; 2 * SHORT];
        let key = text.get(place).unwrap_or_default();
        match near.get_mut(..key.len()) {
            Some(slot) => slot.copy_from_slice(key),
            None => return NONE,
        }
        self.node(&near, 0..key.len(), parent)
    }

    /// Whether the path of a node ends with a key.
    fn ends_with(&self, node: u16, text: &[u8], place: &Range<usize>) -> bool {
        let node = self.get(node);
        let path = node.map(|node| node.path.as_bytes());
        let key = text.get(place.clone());
        path.zip(key).is_some_and(|(path, key)| path.ends_with(key))
    }

    #[inline(always)]
    fn slots(&self, key: u128, parent: u16, len: u16) -> &[Slot] {
        let at = slot_of(key, parent, len);
        self.table.get(at..at + PROBES).unwrap_or_default()
    }

    /// The node of a key that the table does not have.
    #[cold]
    fn add(&mut self, key: &[u8], parent: u16) -> u16 {
        if parent == NONE {
            return NONE;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&parent.to_le_bytes());
        self.scratch.extend_from_slice(key);
        if let Some(&node) = self.long.get(self.scratch.as_slice()) {
            return node;
        }
        let above = self.get(parent);
        let above = above.map_or("", |node| &node.path);
        // Documents are UTF-8.
        let key_text = String::from_utf8_lossy(key);
        let id = match u16::try_from(self.nodes.len()) {
            Ok(id) if self.nodes.len() < MAX_NODES => id,
            _ => return NONE,
        };
        let dot = if parent == ROOT { "" } else { "." };
        let len = self.prefix_len + above.len() + dot.len() + key.len();
        if len > MAX_FIELD_NAME_BYTES {
            return NONE;
        }
        let path = [above, dot, &key_text].concat().into();
        self.nodes.push(Node {
            path,
            column: None,
            is_text: false,
        });
        if !key.is_empty() {
            let mut bytes = [0; SHORT];
            for (slot, byte) in bytes.iter_mut().zip(key) {
                *slot = *byte;
            }
            let (bytes, len) = (
                u128::from_le_bytes(bytes),
                u16::try_from(key.len()).unwrap_or(NONE),
            );
            let at = slot_of(bytes, parent, len);
            let mut slots = self
                .table
                .get_mut(at..at + PROBES)
                .unwrap_or_default()
                .iter_mut();
            if let Some(slot) = slots.find(|slot| slot.node == NONE) {
                *slot = Slot {
                    key: bytes,
                    parent,
                    len,
                    node: id,
                };
                return id;
            }
        }
        self.long.insert(self.scratch.as_slice().into(), id);
        id
    }
}

/// Where the search for a key begins.
#[inline(always)]
fn slot_of(key: u128, parent: u16, len: u16) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "taken apart")]
    let (low, high) = (key as u64, (key >> 64) as u64);
    let more = u64::from(parent) << 16 | u64::from(len);
    let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ more.wrapping_mul(0x1656_67b1_9e37_79f9);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than the number of slots"
    )]
    let at = (mixed >> (64 - SLOTS.trailing_zeros())) as usize;
    at.min(SLOTS - PROBES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_node_wherever_it_is_in_its_text() {
        let mut keys = Keys::new(0);
        let long = "a key of more than sixteen bytes";
        for key in ["k", "fifteen bytes 5", long] {
            let text = [key.as_bytes(), &[b' '; SHORT]].concat();
            let node = keys.node(&text, 0..key.len(), ROOT);
            let count = keys.nodes.len();
            for _ in 0..2 * PROBES {
                let last = keys.node(key.as_bytes(), 0..key.len(), ROOT);
                assert_eq!((last, keys.nodes.len()), (node, count), "{key}");
            }
        }
    }
}
