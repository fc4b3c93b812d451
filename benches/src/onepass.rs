//! The fastest general way to captures: a one-pass DFA of regex-automata.

use std::cell::RefCell;

use regex_automata::{
    Anchored, Input,
    dfa::onepass::{BuildError, Cache, DFA},
    util::{primitives::NonMaxUsize, syntax},
};

/// The nine values of a combined log line. The preset's pattern says more, and is not one-pass.
pub const COMBINED: &str = concat!(
    r"^(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>\S+) \[(?P<time_local>[^\]]*)\] ",
    r#""(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<body_bytes_sent>\d+|-) "#,
    r#""(?P<http_referer>(?:[^"\\]|\\.)*)" "(?P<http_user_agent>(?:[^"\\]|\\.)*)"$"#,
);

/// A timestamp, a level in brackets and a message.
pub const APP: &str =
    r"^(?P<ts>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) \[(?P<level>[A-Z]+)\] (?P<msg>.*)$";

/// A pattern with its scratch memory, made once.
#[derive(Debug)]
pub struct OnePass {
    dfa: DFA,
    scratch: RefCell<(Cache, Vec<Option<NonMaxUsize>>)>,
}

impl OnePass {
    /// Compiles a pattern for bytes.
    ///
    /// # Errors
    ///
    /// If the pattern is not one-pass.
    pub fn new(pattern: &str) -> Result<Self, Box<BuildError>> {
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let dfa = DFA::builder().syntax(bytes).build(pattern)?;
        let slots = dfa.get_nfa().group_info().slot_len();
        let scratch = RefCell::new((dfa.create_cache(), vec![None; slots]));
        Ok(Self { dfa, scratch })
    }

    /// Finds the captures of each line and writes them over those of the one before; says how many
    /// lines match.
    pub fn count(&self, log: &[u8]) -> usize {
        let (cache, slots) = &mut *self.scratch.borrow_mut();
        let mut start = 0;
        let mut matched = 0;
        for end in memchr::memchr_iter(b'\n', log) {
            let line = log.get(start..end).unwrap_or_default();
            let input = Input::new(line).anchored(Anchored::Yes);
            let found = self.dfa.try_search_slots(cache, &input, slots);
            matched += usize::from(matches!(found, Ok(Some(_))));
            start = end + 1;
        }
        matched
    }
}
