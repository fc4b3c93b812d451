//! What holds of any text.

use super::*;

/// Bytes that detectors stumble over, more often than by chance.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (0..16_usize).prop_map(|at| CANARIES[at].1.as_bytes().to_vec()),
        (0..16_usize).prop_map(|at| line(CANARIES[at].0, CANARIES[at].1).into_bytes()),
        "[0-9 .:+@-]{0,24}".prop_map(String::into_bytes),
        "[a-z@._=:/\"\\\\-]{0,24}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
        Just(b"password=\"".to_vec()),
        Just(b"https://a:".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_outside_of_findings_stay(text in text()) {
        let findings = Scanner::of(Detector::ALL).scan(&text);
        let policy = Policy::new().default_action(Action::RedactWith("\u{1}".into())).detectors(Detector::ALL);
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        Masker::new(policy, None).unwrap().mask_text("t", &text, &mut out, &mut report);
        let mut expected = Vec::new();
        let mut at = 0;
        for finding in &findings {
            prop_assert!(finding.range().start >= at && !finding.range().is_empty());
            expected.extend_from_slice(&text[at..finding.range().start]);
            expected.push(1);
            at = finding.range().end;
        }
        expected.extend_from_slice(&text[at..]);
        prop_assert_eq!(out, expected);
        prop_assert_eq!(report.findings(), findings.len() as u64);
    }

    #[test]
    fn decrypting_gives_the_text_back(text in text()) {
        let keys = keys();
        let policy = Policy::new().default_action(Action::Encrypt).detectors(Detector::ALL);
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        Masker::new(policy, Some(Arc::clone(&keys))).unwrap().mask_text("t", &text, &mut out, &mut report);
        let (back, count) = keys.decrypt_text(&out);
        prop_assert_eq!(&back[..], &text[..]);
        prop_assert_eq!((count.decrypted, count.failed), (report.findings(), 0));
    }

    /// The fast pass finds nothing else than each detector does from every place.
    #[test]
    fn kernels_agree_on_any_bytes(text in text()) {
        let of = |kernel| Scanner::of(Detector::ALL).kernel(kernel).scan(&text);
        let expected = of(Kernel::Portable);
        for kernel in Kernel::ALL {
            prop_assert_eq!(of(kernel), expected.clone());
        }
    }

    /// Where in its block of 64 bytes something stands makes no difference.
    #[test]
    fn places_in_blocks_do_not_matter(text in text(), shift in 0..130_usize) {
        let shifted = [&vec![b' '; shift][..], &text].concat();
        let there: Vec<_> = Scanner::of(Detector::ALL).scan(&shifted).iter().map(|it| (it.rule().to_owned(), it.range().start - shift..it.range().end - shift)).collect();
        let here: Vec<_> = Scanner::of(Detector::ALL).scan(&text).iter().map(|it| (it.rule().to_owned(), it.range())).collect();
        prop_assert_eq!(there, here);
    }
}
