//! IP addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::{Invalid, integer::digit};

/// Reads an IPv4 address (four decimal numbers without leading zeros, which some programs take for
/// octal) or an IPv6 address (RFC 4291 section 2.2). A port, brackets and a zone (`%eth0`) are not
/// part of an address.
///
/// ```
/// use opsbox_log::types::{Invalid, parse_ip_addr};
///
/// assert_eq!(parse_ip_addr(b"192.0.2.7")?.to_string(), "192.0.2.7");
/// assert_eq!(parse_ip_addr(b"2001:DB8:0::1")?.to_string(), "2001:db8::1");
/// assert_eq!(parse_ip_addr(b"192.0.2.7:80"), Err(Invalid::Malformed));
/// # Ok::<(), Invalid>(())
/// ```
///
/// # Errors
///
/// `Empty`; `Malformed` for what is no address, a host name included.
pub fn parse_ip_addr(value: &[u8]) -> Result<IpAddr, Invalid> {
    if value.is_empty() {
        return Err(Invalid::Empty);
    }
    if let Some(address) = parse_v4(value) {
        return Ok(IpAddr::V4(address));
    }
    let text = str::from_utf8(value).map_err(|_| Invalid::Malformed)?;
    text.parse().map_err(|_| Invalid::Malformed)
}

/// The common case; whatever is left goes to the standard library.
fn parse_v4(value: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = value;
    let mut address = 0;
    for last in [false, false, false, true] {
        let (&first, mut tail) = rest.split_first()?;
        let mut number = u32::from(digit(first)?);
        // After a zero there is no second digit.
        while number > 0
            && let [byte, after @ ..] = tail
            && let Some(digit) = digit(*byte)
        {
            number = number * 10 + u32::from(digit);
            tail = after;
            if number > 255 {
                return None;
            }
        }
        rest = match (tail, last) {
            ([b'.', after @ ..], false) => after,
            ([], true) => tail,
            _ => return None,
        };
        address = address << 8 | number;
    }
    Some(Ipv4Addr::from_bits(address))
}
