//! Bytes of the fuzzer to settings and a log.

/// Most bytes of a large log: more than any window in which lines are tokenized together.
pub const LARGE_LOG: usize = 40 << 10;

/// Most bytes of a small log, of which the fuzzer does ten in the time of a large one.
pub const SMALL_LOG: usize = 2 << 10;

/// Settings come first, a byte each; the rest is the log.
#[derive(Clone, Copy)]
pub struct Input<'i>(pub &'i [u8]);

impl<'i> Input<'i> {
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    pub fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A choice, and how large a log may get: that is the highest bit of the byte.
    pub fn one_of_and_size<'c, T>(&mut self, choices: &'c [T]) -> (&'c T, usize) {
        let byte = self.byte();
        let size = if byte & 0x80 == 0 {
            SMALL_LOG
        } else {
            LARGE_LOG
        };
        (&choices[usize::from(byte & 0x7f) % choices.len()], size)
    }

    pub fn one_of<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[usize::from(self.byte()) % choices.len()]
    }

    /// What comes before the first LF, which is passed over.
    pub fn line(&mut self) -> &'i [u8] {
        let end = self.0.iter().position(|&byte| byte == b'\n');
        let (line, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    /// The rest as a log of at most `most` bytes. Four control bytes let a small input make a large
    /// log: 1 is one of the `examples`, chosen by the next byte; 2 repeats the last line as often as
    /// the next byte says; 3 is a run of the next byte, as long as the two after it say; the byte after
    /// 4 stands for itself. Any other byte does, too.
    pub fn log(mut self, examples: &[&[u8]], most: usize) -> Vec<u8> {
        let mut log = Vec::new();
        while !self.0.is_empty() && log.len() < most {
            match self.byte() {
                1 if !examples.is_empty() => log.extend_from_slice(self.one_of::<&[u8]>(examples)),
                2 => {
                    let text = log.strip_suffix(b"\n").unwrap_or(&log);
                    let start = text.iter().rposition(|&byte| byte == b'\n');
                    let line = log[start.map_or(0, |at| at + 1)..].to_vec();
                    for _ in 0..self.byte() {
                        if log.len() >= most {
                            break;
                        }
                        log.extend_from_slice(&line);
                    }
                }
                3 => {
                    let byte = self.byte();
                    let len = self.number().min(most - log.len());
                    log.resize(log.len() + len, byte);
                }
                4 => log.push(self.byte()),
                byte => log.push(byte),
            }
        }
        log.truncate(most);
        log
    }
}
