//! The issuers of chains, kept once however many certificates they issued.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// What follows the certificate of the server in a chain.
pub(super) type Issuers = Arc<[CertificateDer<'static>]>;

/// Finds equal issuers by their hash. It keeps none alive.
#[derive(Debug, Default)]
pub(super) struct Interner(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<[u8; 32], Weak<[CertificateDer<'static>]>>,
    /// How many there were after the last sweep.
    alive: usize,
}

impl Interner {
    /// The same issuers, shared with all who have them.
    pub(super) fn share(&self, issuers: Issuers) -> Issuers {
        const SWEEP_FROM: usize = 64;
        let mut hasher = Sha256::new();
        for certificate in issuers.iter() {
            hasher.update(certificate.len().to_le_bytes());
            hasher.update(certificate);
        }
        let hash: [u8; 32] = hasher.finalize().into();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.by_hash.get(&hash).and_then(Weak::upgrade) {
            return shared;
        }
        if known.by_hash.len() >= SWEEP_FROM.max(2 * known.alive) {
            known
                .by_hash
                .retain(|_, issuers| issuers.strong_count() > 0);
            known.alive = known.by_hash.len();
        }
        known.by_hash.insert(hash, Arc::downgrade(&issuers));
        issuers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuers(bytes: &[&[u8]]) -> Issuers {
        bytes
            .iter()
            .map(|bytes| CertificateDer::from(bytes.to_vec()))
            .collect()
    }

    #[test]
    fn equal_issuers_are_one_and_the_dead_are_swept() {
        let interner = Interner::default();
        let first = interner.share(issuers(&[b"ab", b"c"]));
        assert!(Arc::ptr_eq(
            &first,
            &interner.share(issuers(&[b"ab", b"c"]))
        ));
        assert!(!Arc::ptr_eq(
            &first,
            &interner.share(issuers(&[b"a", b"bc"]))
        ));
        for number in 0_u32..10_000 {
            interner.share(issuers(&[&number.to_le_bytes()]));
        }
        assert!(interner.0.lock().unwrap().by_hash.len() <= 64);
        assert!(Arc::ptr_eq(
            &first,
            &interner.share(issuers(&[b"ab", b"c"]))
        ));
    }
}
