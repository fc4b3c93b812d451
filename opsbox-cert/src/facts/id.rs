//! Identifiers of a certificate that are made of bytes.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a certificate's DER. `Display` is lower-case hex without separators.
///
/// ```
/// use opsbox_cert::Fingerprint;
///
/// let fingerprint = Fingerprint::of(b"abc");
/// assert!(fingerprint.to_string().starts_with("ba7816bf"));
/// assert!(fingerprint.to_colon_hex().starts_with("BA:78:16:BF"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of `der`.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Upper-case hex with colons, as `openssl x509 -fingerprint -sha256` and browsers show it.
    pub fn to_colon_hex(&self) -> String {
        self.0.map(|byte| format!("{byte:02X}")).join(":")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// RFC 9773, section 4.1: base64url of the authority key identifier, a dot, base64url of the
/// content octets of the serial number. The octets are taken as they are, a leading zero included.
pub(super) fn ari_certificate_id(authority_key_id: &[u8], serial_der: &[u8]) -> String {
    format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(authority_key_id),
        BASE64URL_NOPAD.encode(serial_der)
    )
}

/// The serial number as a number in lower-case hex, two digits a byte, as other tools print it: the
/// zero byte that only keeps the DER integer positive is left out, a negative number has a minus.
pub(super) fn serial_hex(serial_der: &[u8]) -> String {
    let negative = serial_der.first().is_some_and(|first| first & 0x80 != 0);
    let magnitude = if negative {
        negate(serial_der)
    } else {
        serial_der.to_vec()
    };
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
    let digits = magnitude.get(zeros..).unwrap_or_default();
    match (digits.is_empty(), negative) {
        (true, _) => "00".into(),
        (false, true) => format!("-{}", HEXLOWER.encode(digits)),
        (false, false) => HEXLOWER.encode(digits),
    }
}

/// Two's complement of a big-endian number.
fn negate(number: &[u8]) -> Vec<u8> {
    let mut carry = true;
    let mut out: Vec<u8> = number
        .iter()
        .rev()
        .map(|&byte| {
            let (byte, overflow) = (!byte).overflowing_add(u8::from(carry));
            carry = overflow;
            byte
        })
        .collect();
    out.reverse();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9773_keeps_the_leading_zero_of_the_serial() {
        let key_id = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0,
            0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4,
        ];
        let serial = [0x00, 0x87, 0x65, 0x43, 0x21];
        assert_eq!(
            ari_certificate_id(&key_id, &serial),
            "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
        );
        assert_eq!(serial_hex(&serial), "87654321");
    }

    #[test]
    fn serials_are_numbers() {
        assert_eq!(serial_hex(&[0]), "00");
        assert_eq!(serial_hex(&[]), "00");
        assert_eq!(serial_hex(&[0x0a]), "0a");
        assert_eq!(serial_hex(&[0xff]), "-01");
        assert_eq!(serial_hex(&[0x80, 0x00]), "-8000");
        assert_eq!(serial_hex(&[0xff, 0x01]), "-ff");
    }
}
