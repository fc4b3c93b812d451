//! The facts of an ordinary certificate, read in one pass.
//!
//! What web servers have is all of one make: version 3, strict DER, a key and a signature of a known kind,
//! names in ASCII. Such a certificate is read here, several times faster than by building all of its
//! structure. Whatever is made otherwise, or damaged, is refused without a reason and left to the full
//! parser; what is not refused has exactly the facts that the full parser finds, and the tests compare.

#![warn(clippy::indexing_slicing)]

use std::net::IpAddr;

use super::id::Fingerprint;
use super::key::{EcCurve, KeyType};
use super::name::{self, SubjectAltName};
use super::{CertFacts, validity};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// Most attributes of a name; there are seven in the longest that CAs write.
const ATTRIBUTES: usize = 8;

/// Contents of an AlgorithmIdentifier, the parameters included, and the name of the signature.
const SIGNATURES: [(&[u8], &str); 7] = [
    (
        b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        "ecdsa-with-SHA256",
    ),
    (
        b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
        "ecdsa-with-SHA384",
    ),
    (
        b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
        "ecdsa-with-SHA512",
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
        "sha256WithRSAEncryption",
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00",
        "sha384WithRSAEncryption",
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00",
        "sha512WithRSAEncryption",
    ),
    (b"\x06\x03\x2b\x65\x70", "ed25519"),
];

/// The facts, if the certificate is an ordinary one.
pub(super) fn read(der: &[u8]) -> Option<CertFacts> {
    let mut input = Der(der);
    let mut certificate = input.sequence()?;
    input.end()?;
    let mut tbs = certificate.sequence()?;
    let algorithm = certificate.take(SEQUENCE)?;
    certificate.bits()?;
    certificate.end()?;
    let (_, signature_algorithm) = SIGNATURES.iter().find(|(known, _)| *known == algorithm)?;

    if tbs.take(VERSION)? != [INTEGER, 1, 2] {
        return None;
    }
    let serial_der = tbs.positive()?;
    if tbs.take(SEQUENCE)? != algorithm {
        return None;
    }
    let (issuer, issuer_common_name) = name(tbs.sequence()?)?;
    let mut validity = tbs.sequence()?;
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    validity.end()?;
    let (subject, common_name) = name(tbs.sequence()?)?;
    let key_type = key(tbs.sequence()?)?;
    let mut extensions = Der(tbs.take(EXTENSIONS)?);
    tbs.end()?;
    let found = Extensions::read(extensions.sequence()?)?;
    extensions.end()?;
    Some(CertFacts {
        subject,
        common_name,
        subject_alt_names: found.subject_alt_names.unwrap_or_default(),
        issuer,
        issuer_common_name,
        serial_der: serial_der.into(),
        not_before,
        not_after,
        key_type,
        signature_algorithm: (*signature_algorithm).to_owned(),
        is_ca: found.is_ca.unwrap_or(false),
        subject_key_id: found.subject_key_id.map(Into::into),
        authority_key_id: found.authority_key_id.map(Into::into),
        fingerprint: Fingerprint::of(der),
    })
}

/// What is left of a run of DER values.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value, which has to have this tag, and a length below 64 KiB in its shortest form.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&[length], rest) = rest.split_first_chunk()?;
                (usize::from(length), rest)
            }
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(length)), rest)
            }
            _ => return None,
        };
        let shortest = match first {
            0..=0x7f => 0,
            0x81 => 0x80,
            _ => 0x100,
        };
        if found != tag || length < shortest {
            return None;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    fn is_next(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }

    /// The octets of a positive integer in its shortest form.
    fn positive(&mut self) -> Option<&'a [u8]> {
        let octets = self.take(INTEGER)?;
        let is_good = match octets {
            [0, second, ..] => second & 0x80 != 0,
            [first, ..] => (1..0x80).contains(first),
            [] => false,
        };
        is_good.then_some(octets)
    }

    /// A bit string of whole octets, at least one.
    fn bits(&mut self) -> Option<&'a [u8]> {
        match self.take(BIT_STRING)? {
            [0, octets @ ..] if !octets.is_empty() => Some(octets),
            _ => None,
        }
    }

    /// Unix seconds, of the two forms that RFC 5280, section 4.1.2.5, has.
    fn time(&mut self) -> Option<i64> {
        let (century, rest) = if self.is_next(UTC_TIME) {
            (None, self.take(UTC_TIME)?)
        } else {
            let (century, rest) = self.take(GENERALIZED_TIME)?.split_first_chunk::<2>()?;
            (Some(two_digits(*century)?), rest)
        };
        let (pairs, [b'Z']) = rest.as_chunks::<2>() else {
            return None;
        };
        let [year, month, day, hour, minute, second] = pairs else {
            return None;
        };
        let year = two_digits(*year)?;
        let century = century.unwrap_or(if year < 50 { 20 } else { 19 });
        let clock = [hour, minute, second];
        let [hour, minute, second] = clock.map(|pair| two_digits(*pair));
        let date = (century * 100 + year, two_digits(*month)?, two_digits(*day)?);
        validity::unix_of(date, (hour?, minute?, second?))
    }
}

fn two_digits(digits: [u8; 2]) -> Option<u16> {
    let [tens, ones] = digits.map(|digit| u16::from(digit.wrapping_sub(b'0')));
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

/// A distinguished name in ASCII, one attribute in each part, all of them with a keyword; and its
/// last common name.
fn name(mut rdns: Der<'_>) -> Option<(String, Option<String>)> {
    let mut found = [("", ""); ATTRIBUTES];
    let (mut count, mut common_name, mut length) = (0, None, 0);
    while !rdns.is_empty() {
        let mut rdn = Der(rdns.take(SET)?);
        let mut attribute = rdn.sequence()?;
        rdn.end()?;
        let keyword = name::keyword(attribute.take(OBJECT_IDENTIFIER)?)?;
        let tag = *attribute.0.first()?;
        if !matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING) {
            return None;
        }
        let text = ascii(attribute.take(tag)?)?;
        attribute.end()?;
        if keyword == "CN" {
            common_name = Some(text);
        }
        length += keyword.len() + text.len() + 2;
        *found.get_mut(count)? = (keyword, text);
        count += 1;
    }
    let mut out = String::with_capacity(length);
    for (position, (keyword, text)) in found.iter().take(count).rev().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(keyword);
        out.push('=');
        name::write_escaped(&mut out, text);
    }
    Some((out, common_name.map(str::to_owned)))
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.is_ascii().then_some(text)
}

fn key(mut info: Der<'_>) -> Option<KeyType> {
    let algorithm = info.take(SEQUENCE)?;
    let key = info.bits()?;
    info.end()?;
    let curve = |curve| Some(KeyType::Ecdsa { curve });
    match algorithm {
        // 1.2.840.10045.2.1 with 1.2.840.10045.3.1.7, 1.3.132.0.34 and 1.3.132.0.35
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" => {
            curve(EcCurve::P256)
        }
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22" => curve(EcCurve::P384),
        b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23" => curve(EcCurve::P521),
        // 1.2.840.113549.1.1.1 with NULL
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00" => {
            let mut input = Der(key);
            let mut numbers = input.sequence()?;
            input.end()?;
            let modulus = numbers.positive()?;
            numbers.positive()?;
            numbers.end()?;
            let digits = modulus.strip_prefix(&[0]).unwrap_or(modulus);
            let unused = digits.first()?.leading_zeros() as usize;
            let bits = digits.len() * 8 - unused;
            Some(KeyType::Rsa { bits })
        }
        // 1.3.101.112
        b"\x06\x03\x2b\x65\x70" => Some(KeyType::Ed25519),
        _ => None,
    }
}

#[derive(Default)]
struct Extensions<'a> {
    subject_alt_names: Option<Vec<SubjectAltName>>,
    is_ca: Option<bool>,
    subject_key_id: Option<&'a [u8]>,
    authority_key_id: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    fn read(mut list: Der<'a>) -> Option<Self> {
        let mut out = Self::default();
        while !list.is_empty() {
            let mut extension = list.sequence()?;
            let oid = extension.take(OBJECT_IDENTIFIER)?;
            if extension.is_next(BOOLEAN) && extension.take(BOOLEAN)? != [0xff] {
                return None;
            }
            let mut value = Der(extension.take(OCTET_STRING)?);
            extension.end()?;
            let is_first = match oid {
                [0x55, 0x1d, 17] => {
                    let names = value.sequence()?;
                    out.subject_alt_names
                        .replace(alternative_names(names)?)
                        .is_none()
                }
                [0x55, 0x1d, 19] => {
                    let constraints = value.sequence()?;
                    out.is_ca.replace(is_ca(constraints)?).is_none()
                }
                [0x55, 0x1d, 14] => {
                    let id = value.take(OCTET_STRING)?;
                    out.subject_key_id.replace(id).is_none()
                }
                [0x55, 0x1d, 35] => {
                    let mut parts = value.sequence()?;
                    let id = parts.take(0x80)?;
                    parts.end()?;
                    out.authority_key_id.replace(id).is_none()
                }
                // None of the facts; its value is not looked at.
                [.., 0..=0x7f] => {
                    value = Der(&[]);
                    true
                }
                _ => return None,
            };
            value.end()?;
            if !is_first {
                return None;
            }
        }
        Some(out)
    }
}

fn is_ca(mut constraints: Der<'_>) -> Option<bool> {
    let is_ca = constraints.is_next(BOOLEAN);
    if is_ca && constraints.take(BOOLEAN)? != [0xff] {
        return None;
    }
    // A path length is for a CA only.
    if is_ca && constraints.is_next(INTEGER) {
        let [0..=0x7f] = constraints.take(INTEGER)? else {
            return None;
        };
    }
    constraints.end()?;
    Some(is_ca)
}

fn alternative_names(mut list: Der<'_>) -> Option<Vec<SubjectAltName>> {
    let mut names = Vec::with_capacity(4);
    while !list.is_empty() {
        let tag = *list.0.first()?;
        let value = list.take(tag)?;
        names.push(match tag {
            0x81 => SubjectAltName::Email(ascii(value)?.to_owned()),
            0x82 => SubjectAltName::Dns(ascii(value)?.to_owned()),
            0x86 => SubjectAltName::Uri(ascii(value)?.to_owned()),
            0x87 => match <[u8; 4]>::try_from(value) {
                Ok(v4) => SubjectAltName::Ip(IpAddr::from(v4)),
                Err(_) => SubjectAltName::Ip(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
            },
            _ => return None,
        });
    }
    // Its emptiness is for the full parser to judge.
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use rcgen::{CertificateParams, DnType, IsCa, KeyPair, PKCS_ED25519, SanType};
    use x509_parser::prelude::FromDer as _;
    use x509_parser::x509::AlgorithmIdentifier;

    use super::super::key;
    use super::*;
    use crate::pem;

    /// Whether it is an ordinary one, with the facts that the full parser finds.
    fn is_ordinary(der: &[u8]) -> bool {
        let Some(facts) = read(der) else { return false };
        assert_eq!(CertFacts::read_any(der).unwrap(), facts);
        true
    }

    fn fixtures() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let mut out = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            let text = fs::read(path).unwrap();
            let sections = pem::sections(&text);
            let armours =
                sections.filter_map(|section| Some((section.armour.ok()?, section.place)));
            out.extend(armours.filter_map(|(armour, place)| pem::decode(armour, place).ok()));
        }
        assert!(out.len() > 25, "the fixtures are there");
        out
    }

    #[test]
    fn what_is_not_refused_is_read_as_the_full_parser_reads_it() {
        let fixtures = fixtures();
        let ordinary = fixtures.iter().filter(|der| is_ordinary(der)).count();
        assert!(
            ordinary * 2 > fixtures.len(),
            "{ordinary} of {}",
            fixtures.len()
        );
    }

    #[test]
    fn nor_is_one_that_was_changed_anywhere() {
        let (mut ordinary, mut all) = (0, 0);
        let mut rng = fastrand::Rng::with_seed(3);
        for mut der in fixtures() {
            for at in 0..der.len() {
                let old = der[at];
                for new in [old ^ 1, old ^ 0x80, old ^ (1 << rng.u8(1..7)), rng.u8(..)] {
                    der[at] = new;
                    all += 1;
                    ordinary += usize::from(is_ordinary(&der));
                }
                der[at] = old;
            }
        }
        // Most of a certificate is key, signature, serial number and text.
        assert!(ordinary * 4 > all, "{ordinary} of {all}");
    }

    #[test]
    fn nor_is_one_that_was_cut_or_spliced() {
        let mut rng = fastrand::Rng::with_seed(4);
        for der in fixtures() {
            for _ in 0..200 {
                let mut changed = der.clone();
                let at = rng.usize(..changed.len());
                let count = rng.usize(..4).min(changed.len() - at);
                let new: Vec<u8> = (0..rng.usize(..4)).map(|_| rng.u8(..)).collect();
                changed.splice(at..at + count, new);
                is_ordinary(&changed);
            }
            assert!(!is_ordinary(&der[..der.len() - 1]));
            assert!(!is_ordinary(&[&der[..], &[0]].concat()));
        }
        assert!(!is_ordinary(&[]));
    }

    #[test]
    fn so_are_those_that_rcgen_makes() {
        let mut rng = fastrand::Rng::with_seed(5);
        let keys = [
            KeyPair::generate().unwrap(),
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        ];
        let mut ordinary = 0;
        for _ in 0..500 {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let alphabet: Vec<char> = "aZ9 .-*,+\"\\<>;#='/\u{7f}\0é".chars().collect();
            let mut text = || -> String {
                (0..rng.usize(..12))
                    .map(|_| rng.choice(&alphabet))
                    .map(|c| *c.unwrap())
                    .collect()
            };
            for kind in [
                DnType::CountryName,
                DnType::OrganizationName,
                DnType::CommonName,
            ] {
                let value = text();
                if value.len() % 3 > 0 {
                    params.distinguished_name.push(kind, value);
                }
            }
            let ascii = |text: String| text.replace('é', "e");
            let (dns, email, uri) = (ascii(text()), ascii(text()), ascii(text()));
            let ip = if rng.bool() {
                IpAddr::from(rng.u32(..).to_be_bytes())
            } else {
                IpAddr::from(rng.u128(..).to_be_bytes())
            };
            let all = [
                SanType::DnsName(dns.try_into().unwrap()),
                SanType::Rfc822Name(email.try_into().unwrap()),
                SanType::URI(uri.try_into().unwrap()),
                SanType::IpAddress(ip),
            ];
            params.subject_alt_names = all.into_iter().filter(|_| rng.bool()).collect();
            params.is_ca = match rng.u8(..4) {
                0 => IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
                1 => IsCa::Ca(rcgen::BasicConstraints::Constrained(rng.u8(..))),
                2 => IsCa::ExplicitNoCa,
                _ => IsCa::NoCa,
            };
            params.use_authority_key_identifier_extension = rng.bool();
            // From 1970 to 2106, so that both forms of time occur.
            let mut time = || (UNIX_EPOCH + Duration::from_secs(rng.u32(..).into())).into();
            (params.not_before, params.not_after) = (time(), time());
            let key = rng.choice(&keys).unwrap();
            let der = params.self_signed(key).unwrap();
            ordinary += usize::from(is_ordinary(der.der()));
        }
        assert!(ordinary > 200, "{ordinary} of 500");
    }

    #[test]
    fn signatures_have_the_names_that_the_full_parser_gives_them() {
        for (content, expected) in SIGNATURES {
            let length = u8::try_from(content.len()).unwrap();
            let der = [&[SEQUENCE, length], content].concat();
            let (_, algorithm) = AlgorithmIdentifier::from_der(&der).unwrap();
            assert_eq!(key::signature_algorithm(&algorithm), expected);
        }
    }
}
