//! A plan in plain words: one line for each column or part, what finds it and how it ends.

use std::fmt::{self, Write};

use regex_syntax::hir::Look;

use super::{
    Field,
    ahead::Bits,
    plan::{Follow, Obstacle, Plan, Run, Set, Step},
};

/// What a signature does before the plan.
pub(super) const SIGNATURE: &str = "the delimiters of a line are compared with the pattern's as a whole, \
     many lines at a time; a line with others goes to what the next line says\n";

/// What a head does before the plan.
pub(super) const HEAD: &str = "operations on blocks of 64 bytes find the columns, each on many lines \
     before the next, if the processor has AVX2 or AVX-512; a line that they do not fit goes to what \
     the next line says\n";

/// The account of a pattern: what runs before the plan, if anything does, then the plan.
pub(super) fn explain(
    first: Option<&str>,
    plan: Result<&Plan, &Obstacle>,
    fields: &[Field],
) -> String {
    let mut out = first.unwrap_or_default().to_owned();
    match plan {
        Ok(plan) => {
            out += &format!(
                "a plan of {} steps finds the columns; a line on which it gets stuck is matched by the \
                 regular expression, more slowly",
                plan.steps.len()
            );
            let mut writer = Writer { out, fields };
            writer.steps(&plan.steps, 1);
            writer.out
        }
        Err(Obstacle { part, what, advice }) => {
            out + &format!(
                "the regular expression finds the columns of every line\n  there is no plan, which would \
                 be many times as fast, because of {what}: {part}\n  to have one, {advice}"
            )
        }
    }
}

/// Longest account of one part, in characters.
const LINE_CHARS: usize = 200;

struct Writer<'f> {
    out: String,
    fields: &'f [Field],
}

impl Writer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", depth));
        match text.char_indices().nth(LINE_CHARS) {
            Some((end, _)) => {
                self.out.push_str(text.get(..end).unwrap_or_default());
                self.out.push('…');
            }
            None => self.out.push_str(text),
        }
    }

    /// Lines for the steps: one for each column, and one for what is between two.
    fn steps(&mut self, steps: &[Step], depth: usize) {
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            rest = after;
            match step {
                Step::Open(index) => {
                    let is_end = |step: &Step| matches!(step, Step::Close(it) if it == index);
                    let len = rest.iter().position(is_end).unwrap_or(rest.len());
                    let (inside, after) = rest.split_at(len);
                    rest = after.get(1..).unwrap_or_default();
                    let name = self.fields.get(*index).map_or("", Field::name);
                    self.part(&format!("{name:?}: "), inside, depth);
                }
                Step::Choice(alternatives) if has_columns(step) => {
                    self.line(depth, "the first of these that the next bytes allow:");
                    for (number, alternative) in (1..).zip(alternatives) {
                        let label = format!("alternative {number}: ");
                        self.part(&label, &alternative.steps, depth + 1);
                    }
                }
                Step::Repeat { body, min, max, .. } if has_columns(step) => {
                    let times = times(*min as usize, *max as usize);
                    self.part(
                        &format!("{times}, if the next bytes allow it: "),
                        body,
                        depth,
                    );
                }
                _ => {
                    let is_part =
                        |step: &Step| !matches!(step, Step::Open(_)) && !has_columns(step);
                    let len = rest.iter().position(|step| !is_part(step));
                    let (more, after) = rest.split_at(len.unwrap_or(rest.len()));
                    rest = after;
                    let parts: Vec<_> = std::iter::once(step).chain(more).map(words).collect();
                    self.line(depth, &parts.join(", then "));
                }
            }
        }
    }

    /// A line for a part, and lines below it if it has columns.
    fn part(&mut self, label: &str, steps: &[Step], depth: usize) {
        if steps.iter().any(has_columns) {
            self.line(depth, label.trim_end());
            self.steps(steps, depth + 1);
        } else {
            self.line(depth, &format!("{label}{}", sequence(steps)));
        }
    }
}

fn has_columns(step: &Step) -> bool {
    match step {
        Step::Open(_) => true,
        Step::Choice(alternatives) => alternatives
            .iter()
            .any(|it| it.steps.iter().any(has_columns)),
        Step::Repeat { body, .. } => body.iter().any(has_columns),
        _ => false,
    }
}

fn sequence(steps: &[Step]) -> String {
    match steps {
        [] => "nothing".into(),
        steps => steps.iter().map(words).collect::<Vec<_>>().join(", then "),
    }
}

/// A step without columns, in words.
fn words(step: &Step) -> String {
    match step {
        Step::Literal(literal) => quoted(literal),
        Step::Byte(byte) => quoted(&[*byte]),
        Step::One(set) => class(set),
        Step::Template(template) => {
            let mut form = String::new();
            let sets: Vec<_> = template.sets().collect();
            for same in sets.chunk_by(|a, b| a == b) {
                let count = same.len();
                form += &same.first().map(class).unwrap_or_default();
                if count > 1 {
                    form += &format!("{{{count}}}");
                }
            }
            form
        }
        Step::Open(_) | Step::Close(_) => String::new(),
        Step::Run(run) => run_words(run),
        Step::Escaped(escaped) => format!(
            "{}{}, or {} and {}, up to {}",
            if escaped.lazy {
                "as little as may be of "
            } else {
                ""
            },
            class(&escaped.set),
            quoted(&[escaped.escape]),
            class(&escaped.escaped),
            next(&escaped.follow, &[]),
        ),
        Step::End => "the end of the line".into(),
        Step::Look(look) => match look {
            Look::Start | Look::StartLF => "the beginning of the line".into(),
            _ => "a boundary of a word".into(),
        },
        Step::Choice(alternatives) => {
            format!(
                "one of {} alternatives, by the next bytes",
                alternatives.len()
            )
        }
        Step::Repeat { body, min, max, .. } => {
            let times = times(*min as usize, *max as usize);
            format!("{times} ({})", sequence(body))
        }
    }
}

fn run_words(run: &Run) -> String {
    let Follow {
        first,
        literal,
        ahead,
        disjoint,
    } = &run.follow;
    let is_any = matches!(run.set.few_outside(), Some(super::plan::Stops::None));
    let is_unbounded = (run.min, run.max) == (0, LONGEST);
    if first.end && first.members().next().is_none() && is_any && is_unbounded {
        return "the rest of the line".into();
    }
    let set = match (is_any, is_unbounded) {
        (true, true) => "anything".into(),
        _ => format!("{} {}", class(&run.set), times(run.min, run.max)),
    };
    let next = next(first, literal);
    if run.lazy {
        return format!("{set}, up to the first {next}");
    }
    if *disjoint {
        return format!("{set}, up to {next}");
    }
    if ahead.last().is_some_and(Bits::is_end) {
        return format!("{set}, up to {next} at the end of the line");
    }
    let mut text = format!("{set}, as far as {next} can follow");
    let stop = literal.first().copied().or_else(|| only_member(first));
    if let Some(stop) = stop
        && run.max >= LONGEST
    {
        text += &format!(
            " (it goes to the last one: where that is wrong, the regular expression has to go back; if \
             this part has no {}, write {}*)",
            quoted(&[stop]),
            class(&all_but(stop)),
        );
    }
    text
}

/// A count from here on is that of `*` and `+`.
const LONGEST: usize = u32::MAX as usize;

fn times(min: usize, max: usize) -> String {
    match (min, max) {
        (0, 1) => "at most once".into(),
        (0, LONGEST..) => "any number of times".into(),
        (1, LONGEST..) => "once or more".into(),
        (min, LONGEST..) => format!("{min} times or more"),
        (min, max) if min == max => format!("{min} times"),
        (min, max) => format!("{min} to {max} times"),
    }
}

fn next(first: &Set, literal: &[u8]) -> String {
    match literal {
        [] => {
            let end = if first.end {
                " or the end of the line"
            } else {
                ""
            };
            match only_member(first) {
                Some(byte) => format!("{}{end}", quoted(&[byte])),
                None if first.members().next().is_none() => "the end of the line".into(),
                None => format!("{}{end}", class(first)),
            }
        }
        literal => quoted(literal),
    }
}

fn only_member(set: &Set) -> Option<u8> {
    let mut members = set.members();
    members.next().filter(|_| members.next().is_none())
}

fn all_but(byte: u8) -> Set {
    Set::of(|it| it != byte)
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

/// A set as a regular expression has it.
fn class(set: &Set) -> String {
    let is = |member: fn(u8) -> bool| set.members().eq((0..=u8::MAX).filter(|&it| member(it)));
    let is_space = |byte: u8| matches!(byte, b'\t'..=b'\r' | b' ');
    if is(|byte| byte.is_ascii_digit()) {
        return r"\d".into();
    }
    if is(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return r"\w".into();
    }
    if is(is_space) {
        return r"\s".into();
    }
    if is(|byte| !matches!(byte, b'\t'..=b'\r' | b' ')) {
        return r"\S".into();
    }
    if let Some(super::plan::Stops::None) = set.few_outside() {
        return ".".into();
    }
    if let Some(byte) = only_member(set) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible: fmt::Result = one(&mut text, byte, br"\.+*?()|[]{}^$");
        return text;
    }
    let outside = || Set::of(|byte| !set.has(byte) && byte != b'\n');
    let (sign, listed) = match set.members().count() > 128 {
        true => ("^", outside()),
        false => ("", set.clone()),
    };
    let mut text = format!("[{sign}");
    let members: Vec<u8> = listed.members().collect();
    for range in members.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let ends = match range {
            [first, .., last] if range.len() > 2 => {
                let _infallible: fmt::Result = one(&mut text, *first, br"\]^-[");
                text.push('-');
                std::slice::from_ref(last)
            }
            few => few,
        };
        for &byte in ends {
            let _infallible: fmt::Result = one(&mut text, byte, br"\]^-[");
        }
    }
    text.push(']');
    text
}

fn one(text: &mut String, byte: u8, special: &[u8]) -> fmt::Result {
    match byte {
        b' '..=b'~' if special.contains(&byte) => write!(text, "\\{}", char::from(byte)),
        b' '..=b'~' => write!(text, "{}", char::from(byte)),
        b'\t' => write!(text, "\\t"),
        _ => write!(text, "\\x{byte:02X}"),
    }
}
