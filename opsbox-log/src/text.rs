//! Text from a log, made safe to print on a terminal or in another log.

use std::fmt::{self, Write as _};

/// Displays bytes as text, with control characters and invisible direction marks as `\u{..}`, and
/// U+FFFD for what is not UTF-8. A line of a log is chosen by strangers: it must neither drive a
/// terminal nor forge a line.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in String::from_utf8_lossy(self.0).chars() {
            match is_unprintable(char) {
                true => write!(f, "{}", char.escape_unicode())?,
                false => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// Control characters, line separators, and the marks that reorder or hide text around them.
fn is_unprintable(char: char) -> bool {
    let hides = matches!(char, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    hides || char.is_control()
}
