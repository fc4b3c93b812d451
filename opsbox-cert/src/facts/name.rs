//! Distinguished names and subject alternative names as text that loses nothing.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::net::IpAddr;

use data_encoding::HEXLOWER;
use x509_parser::asn1_rs::{Any, Tag, ToDer as _};
use x509_parser::extensions::GeneralName;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::text::{Escaped, is_unprintable};

/// One entry of the subjectAltName extension.
///
/// The text is what the certificate says, unchecked; `Display` escapes control characters.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use opsbox_cert::SubjectAltName;
///
/// assert_eq!(SubjectAltName::Dns("*.example.com".into()).to_string(), "*.example.com");
/// let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// assert_eq!(SubjectAltName::Ip(ip).to_string(), "127.0.0.1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", content = "value", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// dNSName, a wildcard included.
    Dns(String),
    /// iPAddress of 4 or 16 bytes.
    Ip(IpAddr),
    /// rfc822Name, an e-mail address.
    Email(String),
    /// uniformResourceIdentifier, a SPIFFE ID for instance.
    Uri(String),
    /// Any other form, and entries that are not well-formed: the form, a colon, and the value, which
    /// is `#` and hex where it is no text.
    Other(String),
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) | Self::Other(text) => {
                write!(f, "{}", Escaped(text))
            }
        }
    }
}

impl SubjectAltName {
    pub(super) fn read(name: &GeneralName<'_>) -> Self {
        match name {
            GeneralName::DNSName(text) => Self::Dns((*text).to_owned()),
            GeneralName::RFC822Name(text) => Self::Email((*text).to_owned()),
            GeneralName::URI(text) => Self::Uri((*text).to_owned()),
            GeneralName::IPAddress(bytes) => ip_address(bytes).map_or_else(
                || Self::Other(format!("iPAddress:#{}", HEXLOWER.encode(bytes))),
                Self::Ip,
            ),
            GeneralName::DirectoryName(name) => {
                Self::Other(format!("directoryName:{}", distinguished_name(name)))
            }
            GeneralName::OtherName(oid, bytes) => Self::Other(format!(
                "otherName:{}:#{}",
                oid.to_id_string(),
                HEXLOWER.encode(bytes)
            )),
            GeneralName::RegisteredID(oid) => {
                Self::Other(format!("registeredID:{}", oid.to_id_string()))
            }
            GeneralName::X400Address(any) => {
                Self::Other(format!("x400Address:#{}", HEXLOWER.encode(any.data)))
            }
            GeneralName::EDIPartyName(any) => {
                Self::Other(format!("ediPartyName:#{}", HEXLOWER.encode(any.data)))
            }
            GeneralName::Invalid(tag, bytes) => {
                let form = match tag.0 {
                    1 => "rfc822Name",
                    2 => "dNSName",
                    6 => "uniformResourceIdentifier",
                    _ => "invalid",
                };
                Self::Other(format!("{form}:#{}", HEXLOWER.encode(bytes)))
            }
        }
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// A distinguished name as in RFC 4514: the last RDN first, special characters escaped. Within an RDN,
/// where any order is right, it is OpenSSL's: the last attribute first.
pub(super) fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    let rdns: Vec<_> = name.iter_rdn().collect();
    for (position, rdn) in rdns.iter().rev().enumerate() {
        if position > 0 {
            out.push(',');
        }
        let attributes: Vec<_> = rdn.iter().collect();
        for (position, attribute) in attributes.iter().rev().enumerate() {
            if position > 0 {
                out.push('+');
            }
            write_attribute(&mut out, attribute);
        }
    }
    out
}

/// The most specific common name, that is the last; one that is no text is `#` and the hex of its
/// DER.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let attribute = name
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().as_bytes() == [0x55, 4, 3])
        .last()?;
    let value = attribute.attr_value();
    Some(text(value).unwrap_or_else(|| hex(value)))
}

fn write_attribute(out: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let value = attribute.attr_value();
    let keyword = keyword(attribute.attr_type().as_bytes());
    match keyword {
        Some(keyword) => out.push_str(keyword),
        None => out.push_str(&attribute.attr_type().to_id_string()),
    }
    out.push('=');
    // RFC 4514, section 2.4: a type in the dotted form has its value in the hex form.
    match text(value).filter(|_| keyword.is_some()) {
        Some(text) => write_escaped(out, &text),
        None => out.push_str(&hex(value)),
    }
}

/// Keywords of RFC 4514 and, beyond it, the short names that OpenSSL prints.
pub(super) fn keyword(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 4] => "SN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "STREET",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        [0x55, 4, 13] => "description",
        [0x55, 4, 15] => "businessCategory",
        [0x55, 4, 17] => "postalCode",
        [0x55, 4, 41] => "name",
        [0x55, 4, 42] => "GN",
        [0x55, 4, 43] => "initials",
        [0x55, 4, 44] => "generationQualifier",
        [0x55, 4, 46] => "dnQualifier",
        [0x55, 4, 65] => "pseudonym",
        [0x55, 4, 97] => "organizationIdentifier",
        // 0.9.2342.19200300.100.1.1 and .25
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        // 1.2.840.113549.1.9.1
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        // 1.3.6.1.4.1.311.60.2.1.1 to .3
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1] => "jurisdictionL",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2] => "jurisdictionST",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3] => "jurisdictionC",
        _ => return None,
    })
}

/// The value as text, if its type is a string type and its bytes are valid for it.
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::Ia5String
        | Tag::NumericString
        | Tag::VisibleString => std::str::from_utf8(bytes).ok().map(str::to_owned),
        // Latin-1 in practice, whatever T.61 says.
        Tag::TeletexString => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
        Tag::BmpString => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
            let text = char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .ok();
            text.filter(|_| rest.is_empty())
        }
        Tag::UniversalString => {
            let (quads, rest) = bytes.as_chunks::<4>();
            let chars = quads
                .iter()
                .map(|&quad| char::from_u32(u32::from_be_bytes(quad)));
            let text = chars.collect::<Option<String>>();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// `#` and the hex of the whole DER value, as RFC 4514 has it.
fn hex(value: &Any<'_>) -> String {
    let der = value.to_der_vec().unwrap_or_else(|_| value.data.to_vec());
    format!("#{}", HEXLOWER.encode(&der))
}

pub(super) fn write_escaped(out: &mut String, text: &str) {
    // Most names have nothing to escape; of blanks only those at the ends are.
    let is_plain = |&b: &u8| b.is_ascii_alphanumeric() || b"-.* ".contains(&b);
    if text.as_bytes().iter().all(is_plain) && text.trim_matches(' ').len() == text.len() {
        return out.push_str(text);
    }
    let last = text.chars().count().saturating_sub(1);
    for (position, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '#' if position == 0 => out.push_str("\\#"),
            ' ' if position == 0 || position == last => out.push_str("\\ "),
            c if is_unprintable(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\{byte:02X}"));
                }
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        write_escaped(&mut out, text);
        out
    }

    fn any(tag: Tag, data: &[u8]) -> Any<'_> {
        Any::from_tag_and_data(tag, data)
    }

    #[test]
    fn escapes_are_those_of_rfc_4514() {
        assert_eq!(
            escaped("James \"Jim\" Smith, III"),
            "James \\\"Jim\\\" Smith\\, III"
        );
        assert_eq!(escaped("Before\rAfter"), "Before\\0DAfter");
        assert_eq!(escaped(" #x "), "\\ #x\\ ");
        assert_eq!(escaped("#x"), "\\#x");
        assert_eq!(escaped(" "), "\\ ");
        assert_eq!(escaped("a\0ü\u{202e}"), "a\\00ü\\E2\\80\\AE");
    }

    #[test]
    fn old_string_types_are_decoded_and_damaged_ones_kept_as_hex() {
        assert_eq!(text(&any(Tag::BmpString, b"\0a\0b")).as_deref(), Some("ab"));
        assert_eq!(text(&any(Tag::BmpString, b"\0a\0")), None);
        assert_eq!(
            text(&any(Tag::TeletexString, b"\xfc")).as_deref(),
            Some("ü")
        );
        assert_eq!(
            text(&any(Tag::UniversalString, b"\0\0\0a")).as_deref(),
            Some("a")
        );
        assert_eq!(text(&any(Tag::UniversalString, b"\xff\0\0a")), None);
        assert_eq!(hex(&any(Tag::Utf8String, b"\xff")), "#0c01ff");
    }

    #[test]
    fn odd_alternative_names_are_kept() {
        let bad_ip = SubjectAltName::read(&GeneralName::IPAddress(&[1, 2, 3]));
        assert_eq!(bad_ip.to_string(), "iPAddress:#010203");
        let bad_dns = SubjectAltName::read(&GeneralName::Invalid(Tag(2), b"\xff"));
        assert_eq!(bad_dns.to_string(), "dNSName:#ff");
        let nul = SubjectAltName::read(&GeneralName::DNSName("a.example\0.test"));
        assert_eq!(nul.to_string(), "a.example\\u{0}.test");
    }
}
