//! The order of bundles, from committed chains and from shuffled fresh ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::HashMap;

use opsbox_cert::{CertFacts, ChainOrder};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use common::fixture;

fn order(names: &[&str]) -> ChainOrder {
    let read = |name: &&str| CertFacts::from_pem(&fixture(&format!("{name}.pem"))).unwrap();
    ChainOrder::of(&names.iter().map(read).collect::<Vec<_>>())
}

#[test]
fn the_leaf_comes_first_and_its_issuers_follow() {
    assert_eq!(order(&[]), ChainOrder::Empty);
    assert_eq!(order(&["leaf"]), ChainOrder::Single);
    assert_eq!(order(&["leaf", "intermediate"]), ChainOrder::Ordered);
    assert_eq!(
        order(&["leaf", "intermediate", "root"]),
        ChainOrder::Ordered
    );
    assert_eq!(order(&["intermediate", "root"]), ChainOrder::Ordered);
}

#[test]
fn a_wrong_order_comes_with_the_right_one() {
    let misordered = |order: &[usize]| ChainOrder::Misordered {
        order: order.to_vec(),
    };
    assert_eq!(order(&["intermediate", "leaf"]), misordered(&[1, 0]));
    assert_eq!(
        order(&["root", "intermediate", "leaf"]),
        misordered(&[2, 1, 0])
    );
    assert_eq!(
        order(&["leaf", "root", "intermediate"]),
        misordered(&[0, 2, 1])
    );
    // A repeated certificate is not needed twice.
    assert_eq!(
        order(&["leaf", "leaf", "intermediate"]),
        misordered(&[0, 2])
    );
    assert_eq!(order(&["leaf", "leaf"]), misordered(&[0]));
}

#[test]
fn what_does_not_belong_is_pointed_at() {
    assert_eq!(order(&["leaf", "root"]), ChainOrder::Unrelated { index: 1 });
    assert_eq!(
        order(&["leaf", "intermediate", "p256"]),
        ChainOrder::Unrelated { index: 2 }
    );
    assert_eq!(order(&["p256", "leaf"]), ChainOrder::Unrelated { index: 1 });
    assert_eq!(
        order(&["leaf", "intermediate", "other"]),
        ChainOrder::Unrelated { index: 2 }
    );
}

#[test]
fn cross_signed_roots_may_stand_in_either_order() {
    assert_eq!(
        order(&["leaf", "intermediate", "cross", "other"]),
        ChainOrder::Ordered
    );
    assert_eq!(
        order(&["leaf", "intermediate", "cross", "root"]),
        ChainOrder::Ordered
    );
    assert_eq!(
        order(&["leaf", "intermediate", "root", "cross"]),
        ChainOrder::Ordered
    );
    assert_eq!(
        order(&["leaf", "intermediate", "root", "cross", "other"]),
        ChainOrder::Ordered
    );
}

/// A certificate named `subject` that says it was issued by `issuer`.
fn certificate(subject: &str, issuer: &str) -> CertFacts {
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    // Any key will do: signatures are not verified, and rcgen adds no key ids that would disagree.
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params(issuer), KeyPair::generate().unwrap());
    let certificate = params(subject).signed_by(&key, &issuer).unwrap();
    CertFacts::from_der(certificate.der()).unwrap()
}

#[test]
fn a_circle_ends() {
    let circle = [
        certificate("a", "b"),
        certificate("b", "c"),
        certificate("c", "a"),
    ];
    assert_eq!(ChainOrder::of(&circle), ChainOrder::Ordered);
    let shuffled = [circle[0].clone(), circle[2].clone(), circle[1].clone()];
    assert_eq!(
        ChainOrder::of(&shuffled),
        ChainOrder::Misordered {
            order: vec![0, 2, 1]
        }
    );
}

#[test]
fn many_equal_names_take_no_quadratic_time() {
    let equal = vec![certificate("same", "same"); 200_000];
    assert_eq!(
        ChainOrder::of(&equal),
        ChainOrder::Misordered { order: vec![0] }
    );
    let mut distinct: Vec<CertFacts> = (0..64).map(|_| certificate("same", "same")).collect();
    distinct.push(certificate("leaf", "same"));
    assert!(matches!(
        ChainOrder::of(&distinct),
        ChainOrder::Unrelated { .. }
    ));
}

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_shuffled_chain_is_put_back(length in 2_usize..7, keys in any::<[u64; 7]>()) {
        let chain: Vec<CertFacts> = (0..length)
            .map(|i| certificate(&format!("c{i}"), &format!("c{}", (i + 1).min(length - 1))))
            .collect();
        let mut at: Vec<usize> = (0..length).collect();
        at.sort_by_key(|&i| keys[i]);
        let shuffled: Vec<CertFacts> = at.iter().map(|&i| chain[i].clone()).collect();
        let where_is: HashMap<usize, usize> = at.iter().enumerate().map(|(to, &from)| (from, to)).collect();
        let right: Vec<usize> = (0..length).map(|i| where_is[&i]).collect();
        let expected = if right.iter().copied().eq(0..length) {
            ChainOrder::Ordered
        } else {
            ChainOrder::Misordered { order: right }
        };
        prop_assert_eq!(ChainOrder::of(&shuffled), expected);
    }
}
