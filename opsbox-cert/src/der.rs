//! The outermost look at DER: is it whole, and if it is no certificate, what else may it be.
//!
//! Only tags and lengths are read here, and of a key nothing more than the tags that give it away.

#![warn(clippy::indexing_slicing)]

use crate::error::Reason;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// Content octets of 1.2.840.113549.1.7, the arc of all PKCS#7 content types.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
/// Java keystores: JKS and JCEKS.
const JAVA_KEYSTORES: [&[u8]; 2] = [&[0xfe, 0xed, 0xfe, 0xed], &[0xce, 0xce, 0xce, 0xce]];

/// Whether the input is DER or a keystore and not text: `0x30` and a long length cannot both occur
/// at the start of ASCII or UTF-8 text.
pub(crate) fn is_binary_container(input: &[u8]) -> bool {
    matches!(input, [SEQUENCE, 0x80..=0x84, ..])
        || JAVA_KEYSTORES.iter().any(|magic| input.starts_with(magic))
}

/// Checks that `input` is exactly one DER value, so that cut and glued files get their own message.
pub(crate) fn check_whole(input: &[u8]) -> Result<(), Reason> {
    let Some((element, rest)) = Element::read(input) else {
        // Too short even for a header, or a header that is not DER.
        return Err(match input {
            [SEQUENCE] | [SEQUENCE, 0x81..=0x84, ..] if input.len() < 6 => Reason::TruncatedDer {
                expected: 6,
                actual: input.len() as u64,
            },
            _ => Reason::Der {
                detail: "it does not start with a DER sequence".into(),
            },
        });
    };
    if element.tag != SEQUENCE {
        return Err(Reason::Der {
            detail: format!(
                "it starts with tag 0x{:02x} and not with a sequence",
                element.tag
            ),
        });
    }
    if element.missing > 0 {
        let actual = input.len() as u64;
        return Err(Reason::TruncatedDer {
            expected: actual.saturating_add(element.missing),
            actual,
        });
    }
    if !rest.is_empty() {
        return Err(Reason::TrailingBytes {
            extra: rest.len() as u64,
        });
    }
    Ok(())
}

/// Recognises the usual things that are given in place of a DER certificate.
pub(crate) fn recognise(input: &[u8]) -> Option<Reason> {
    if JAVA_KEYSTORES.iter().any(|magic| input.starts_with(magic)) {
        return Some(Reason::Unsupported {
            what: "it is a Java keystore",
            advice: "export the certificate with `keytool -exportcert -rfc`",
        });
    }
    if input.starts_with(b"-----BEGIN ") {
        return Some(Reason::Der {
            detail: "it is PEM text and not DER".into(),
        });
    }
    let (outer, _) = Element::read(input)?;
    if outer.tag != SEQUENCE {
        return None;
    }
    let (first, rest) = Element::read(outer.content)?;
    let second = Element::read(rest).map(|(second, _)| second);
    let second_tag = second.as_ref().map(|second| second.tag);
    match (first.tag, second_tag) {
        (OBJECT_IDENTIFIER, _) if first.content.starts_with(PKCS7) => Some(Reason::Unsupported {
            what: "it is a PKCS#7 bundle",
            advice: "convert it with `openssl pkcs7 -inform DER -in FILE -print_certs -out certs.pem`",
        }),
        (INTEGER, Some(SEQUENCE)) if first.content == [3] => Some(Reason::Unsupported {
            what: "it is a PKCS#12 keystore",
            advice: "export the certificate with `openssl pkcs12 -in FILE -nokeys -out certs.pem`",
        }),
        // PKCS#8 { version, algorithm, key }, PKCS#1 { version, modulus, .. }, SEC1 { 1, key, .. }
        (INTEGER, Some(SEQUENCE | INTEGER | OCTET_STRING)) => {
            Some(Reason::PrivateKey { encrypted: false })
        }
        (SEQUENCE, Some(OCTET_STRING)) => Some(Reason::PrivateKey { encrypted: true }),
        (SEQUENCE, Some(BIT_STRING)) => Some(Reason::OtherContent {
            what: "a public key".into(),
        }),
        _ => None,
    }
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// How many bytes of the content the input does not have.
    missing: u64,
}

impl<'a> Element<'a> {
    /// One element and what follows it. Indefinite lengths are read as reaching to the end, only to
    /// recognise BER containers; a certificate with one fails in the parser.
    fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = input.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (u64::from(first), rest),
            0x80 => (rest.len() as u64, rest),
            0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = octets
                    .iter()
                    .fold(0, |length, &b| length << 8 | u64::from(b));
                (length, rest)
            }
            _ => return None,
        };
        let have = usize::try_from(length).map_or(rest.len(), |length| length.min(rest.len()));
        let (content, rest) = rest.split_at(have);
        let element = Self {
            tag,
            content,
            missing: length - content.len() as u64,
        };
        Some((element, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_and_glued_values_are_told_apart() {
        assert!(check_whole(&[0x30, 2, 5, 0]).is_ok());
        assert!(matches!(
            check_whole(&[0x30, 0x82, 1, 0, 5, 0]),
            Err(Reason::TruncatedDer {
                expected: 260,
                actual: 6
            })
        ));
        assert!(matches!(
            check_whole(&[0x30, 2, 5, 0, 9]),
            Err(Reason::TrailingBytes { extra: 1 })
        ));
        assert!(matches!(
            check_whole(&[0x30, 0x82, 1]),
            Err(Reason::TruncatedDer { .. })
        ));
        assert!(matches!(check_whole(&[]), Err(Reason::Der { .. })));
        assert!(matches!(check_whole(b"hello"), Err(Reason::Der { .. })));
    }

    #[test]
    fn other_containers_are_recognised_by_their_first_tags() {
        let pkcs8 = [0x30, 8, 2, 1, 0, 0x30, 0, 4, 1, 0];
        assert!(matches!(
            recognise(&pkcs8),
            Some(Reason::PrivateKey { encrypted: false })
        ));
        let sec1 = [0x30, 6, 2, 1, 1, 4, 1, 0];
        assert!(matches!(
            recognise(&sec1),
            Some(Reason::PrivateKey { encrypted: false })
        ));
        let encrypted = [0x30, 5, 0x30, 0, 4, 1, 0];
        assert!(matches!(
            recognise(&encrypted),
            Some(Reason::PrivateKey { encrypted: true })
        ));
        let pkcs12 = [0x30, 0x80, 2, 1, 3, 0x30, 0];
        assert!(matches!(
            recognise(&pkcs12),
            Some(Reason::Unsupported { .. })
        ));
        assert!(matches!(
            recognise(&[0xfe, 0xed, 0xfe, 0xed]),
            Some(Reason::Unsupported { .. })
        ));
        assert!(recognise(&[0x30, 2, 0x30, 0]).is_none());
    }
}
