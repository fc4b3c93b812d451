//! Labels of PEM sections: what one promises, and whether it may be shown.
//!
//! Where line breaks are lost, the text after `-----BEGIN ` goes on into the body, which may be that of
//! a private key. So a label ends at the first dashes, and only text that looks like a label is shown.

use super::{BEGIN, DASHES, find};
use crate::error::Reason;
use crate::limits::MAX_PEM_LABEL_BYTES;

/// What a label promises.
#[derive(Debug)]
pub(crate) enum Label {
    Certificate,
    PrivateKey { encrypted: bool },
    Unsupported(Reason),
    Other,
}

impl Label {
    pub(super) fn of(label: &[u8]) -> Self {
        match label {
            b"CERTIFICATE" => Self::Certificate,
            b"ENCRYPTED PRIVATE KEY" => Self::PrivateKey { encrypted: true },
            label if label.ends_with(b"PRIVATE KEY") => Self::PrivateKey { encrypted: false },
            b"X509 CERTIFICATE" | b"X.509 CERTIFICATE" => Self::Unsupported(Reason::Unsupported {
                what: "the label `X509 CERTIFICATE` is an old form that TLS servers refuse",
                advice: "write `CERTIFICATE` in the BEGIN and END lines",
            }),
            b"TRUSTED CERTIFICATE" => Self::Unsupported(Reason::Unsupported {
                what: "a `TRUSTED CERTIFICATE` is OpenSSL's own form with trust settings",
                advice: "convert it with `openssl x509 -in FILE -out cert.pem`",
            }),
            b"PKCS7" | b"CMS" | b"PKCS #7 SIGNED DATA" => Self::Unsupported(Reason::Unsupported {
                what: "it is a PKCS#7 bundle",
                advice: "convert it with `openssl pkcs7 -in FILE -print_certs -out certs.pem`",
            }),
            _ => Self::Other,
        }
    }
}

/// The label of a line that starts with the BEGIN marker, and what is wrong with the line.
///
/// The line ends in five dashes; blanks among and after them are let pass, as rustls does.
pub(super) fn read(line: &[u8]) -> (&[u8], Option<Reason>) {
    let text = line.strip_prefix(BEGIN).unwrap_or_default();
    let (mut dashes, mut end) = (0, text.len());
    for (position, byte) in text.iter().enumerate().rev() {
        match byte {
            b'-' => (dashes, end) = (dashes + 1, position),
            b' ' => {}
            _ => break,
        }
    }
    let (label, _) = text.split_at(end);
    if let Some(at) = find(label, DASHES) {
        return (label.split_at(at).0, Some(Reason::LineBreaks));
    }
    let fault = dashes != DASHES.len() || find(label, b"--").is_some();
    (label, fault.then_some(Reason::BadBeginLine))
}

/// The label as text if it is made as labels are: capitals, digits, single blanks and dashes.
pub(super) fn shown(label: &[u8]) -> Option<&str> {
    let is_usual = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b" .#-".contains(b);
    let is_label = label.first().is_some_and(u8::is_ascii_uppercase)
        && label.len() <= MAX_PEM_LABEL_BYTES
        && label.iter().all(is_usual)
        && find(label, b"--").is_none();
    std::str::from_utf8(label).ok().filter(|_| is_label)
}

/// The label in quotes for a message, or words in its place.
pub(super) fn quoted(label: &[u8]) -> String {
    match shown(label) {
        Some(label) => format!("{label:?}"),
        None => "something that is no label".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_line(line: &[u8]) -> (Option<&str>, bool) {
        let (label, fault) = read(line);
        (shown(label), fault.is_none())
    }

    #[test]
    fn dashes_are_counted_and_trailing_blanks_are_not() {
        assert_eq!(of_line(b"-----BEGIN A-----  "), (Some("A"), true));
        assert_eq!(of_line(b"-----BEGIN A----"), (Some("A"), false));
        assert_eq!(of_line(b"-----BEGIN A------"), (Some("A"), false));
        assert_eq!(of_line(b"-----BEGIN A"), (Some("A"), false));
        assert_eq!(of_line(b"-----BEGIN A--B-----"), (None, false));
        assert_eq!(of_line(b"-----BEGIN -----"), (None, true));
    }

    #[test]
    fn a_label_ends_where_the_line_break_is_missing() {
        for line in [
            &b"-----BEGIN A-----eHg=-----END A-----"[..],
            b"-----BEGIN A----- eHg= -----END A----- ",
            b"-----BEGIN A-----eHg=",
            b"-----BEGIN A-----BEGIN B-----",
        ] {
            let (label, fault) = read(line);
            assert_eq!(label, b"A");
            assert!(matches!(fault, Some(Reason::LineBreaks)), "{fault:?}");
        }
    }

    #[test]
    fn only_usual_labels_are_shown() {
        for label in [
            "X509 CRL",
            "X.509 CERTIFICATE",
            "PKCS #7 SIGNED DATA",
            "X9.42 DH-PARAMETERS",
        ] {
            assert_eq!(shown(label.as_bytes()), Some(label));
        }
        let long = [b'A'; MAX_PEM_LABEL_BYTES + 1];
        for label in [
            &b"\x1b[31m"[..],
            b"MC4CAQAwBQYDK2Vw",
            b"A--B",
            b"",
            b"4A",
            b"\xff",
            &long,
        ] {
            assert_eq!(shown(label), None);
            assert_eq!(quoted(label), "something that is no label");
        }
        assert_eq!(quoted(b"EC PARAMETERS"), "\"EC PARAMETERS\"");
    }
}
