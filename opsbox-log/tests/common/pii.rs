//! Log lines with personal data and with what only looks like it, from a seed. Every value's exact
//! place is known. The check digits are made here in another way than the detectors check them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every program uses its own part of it"
)]

use std::ops::Range;

use fastrand::Rng;

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Phone,
    IdCard,
    Card,
    Email,
    Ipv4,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Phone,
        Self::IdCard,
        Self::Card,
        Self::Email,
        Self::Ipv4,
    ];

    /// The tag that masking gives it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Phone => "PII_PHONE",
            Self::IdCard => "PII_IDCARD",
            Self::Card => "PII_CARD",
            Self::Email => "PII_EMAIL",
            Self::Ipv4 => "PII_IP",
        }
    }
}

/// A line, without its end, and what is in it.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub text: String,
    pub labels: Vec<(Range<usize>, Kind)>,
}

impl Line {
    fn label(&mut self, kind: Kind, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.labels.push((start..self.text.len(), kind));
    }
}

/// Lines of which every one has values and look-alikes: for precision and recall.
pub fn dense(seed: u64, lines: usize) -> Vec<Line> {
    let mut rng = Rng::with_seed(seed);
    (0..lines).map(|_| dense_line(&mut rng)).collect()
}

/// Lines of an application, one in ten of which has a value of one of five kinds, in the plain forms that
/// any scanner knows: for speed.
pub fn sparse(seed: u64, lines: usize) -> Vec<Line> {
    let mut rng = Rng::with_seed(seed);
    (0..lines)
        .map(|number| {
            let mut line = Line::default();
            line.text.push_str(&prefix(&mut rng, number));
            if rng.u32(..10) == 0 {
                let kind = Kind::ALL[rng.usize(..5)];
                let value = plain(&mut rng, kind);
                let (before, after) = [
                    ("user updated contact ", " in profile"),
                    ("callback to ", " failed, will retry later"),
                    ("verified ", " against the registry of customers"),
                    ("duplicate entry '", "' for key 'customers.contact'"),
                ][rng.usize(..4)];
                line.text.push_str(before);
                line.label(kind, &value);
                line.text.push_str(after);
            } else {
                line.text.push_str(&clean(&mut rng));
            }
            line
        })
        .collect()
}

fn prefix(rng: &mut Rng, number: usize) -> String {
    let seconds = number / 7;
    format!(
        "2026-03-{:02} {:02}:{:02}:{:02}.{:03} [{}] [worker-{}] com.example.{}Service - ",
        1 + seconds / 86_400 % 28,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        rng.u32(..1000),
        ["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"][rng.usize(..6)],
        rng.u32(..32),
        ["Order", "Payment", "Inventory", "Gateway", "Report"][rng.usize(..5)],
    )
}

fn clean(rng: &mut Rng) -> String {
    let id = rng.u32(..);
    match rng.u32(..8) {
        0 => format!("request {} completed with status {} in {} ms, {} bytes written", hex(rng, 32), rng.u32(200..504), rng.u32(..4000), rng.u32(..90_000)),
        1 => format!("cache hit ratio {:.3} for region eu-west-{} after {} evictions", rng.f64(), rng.u32(1..4), id % 10_000),
        2 => format!("order {id} moved from CREATED to PAID by rule standard-checkout (attempt {})", rng.u32(1..4)),
        3 => format!("GET /api/v2/items/{id}?page={}&size=50 took {} ms", rng.u32(..90), rng.u32(..2000)),
        4 => format!("consumer lag on topic orders-{} partition {} is {}", rng.u32(..9), rng.u32(..64), id % 100_000),
        5 => format!("scheduled job nightly-report finished, processed {} rows, skipped {}", id % 1_000_000, rng.u32(..50)),
        6 => "connection pool exhausted, waiting for a free connection to the primary database of the cluster".into(),
        _ => format!("retrying message {} after {} ms because the broker did not acknowledge it", uuid(rng), rng.u32(..5000)),
    }
}

fn plain(rng: &mut Rng, kind: Kind) -> String {
    match kind {
        Kind::Phone => mobile(rng),
        Kind::IdCard => id_card(rng),
        Kind::Card => {
            let prefix = ["4", "51", "55", "62"][rng.usize(..4)];
            card(rng, (prefix, 16))
        }
        Kind::Email => format!(
            "{}.{}@{}",
            name(rng),
            name(rng),
            ["example.com", "mail.example.org", "corp.example.net"][rng.usize(..3)]
        ),
        Kind::Ipv4 => ipv4(rng),
    }
}

fn dense_line(rng: &mut Rng) -> Line {
    let mut line = Line::default();
    let number = rng.usize(..1_000_000);
    line.text.push_str(&prefix(rng, number));
    for _ in 0..rng.usize(1..5) {
        if rng.u32(..5) < 2 {
            let kind = Kind::ALL[rng.usize(..4)];
            let value = any(rng, kind);
            let (before, after) = context(rng, kind);
            line.text.push_str(before);
            line.label(kind, &value);
            line.text.push_str(after);
        } else {
            line.text.push_str(&look_alike(rng));
        }
        line.text.push_str([" ", ", ", "; ", " | "][rng.usize(..4)]);
    }
    line.text.push_str("done");
    line
}

/// What is around a value.
fn context(rng: &mut Rng, kind: Kind) -> (&'static str, &'static str) {
    const ANY: [(&str, &str); 22] = [
        ("", ""),
        ("value=", ""),
        ("\"contact\":\"", "\""),
        ("{\\\"v\\\":\\\"", "\\\"}"),
        ("(", ")"),
        ("<", ">"),
        ("[", "]"),
        ("'", "'"),
        ("for ", "."),
        ("客户", "已登记"),
        ("用户信息：", "。"),
        ("/lookup/", "/next"),
        ("q=", "&page=2"),
        ("ref:", ","),
        // What is in front is escaped.
        ("who:\\n", "\\n"),
        ("who:\\r\\n", "\\r\\n"),
        ("\\t", "\\t"),
        ("\\u000a", "\\u000a"),
        ("\\u0020", ""),
        ("?q%3D", "%26page=2"),
        ("?q=to%20", "%20x"),
        ("%5B%22", "%22%5D"),
    ];
    const MAIL: [(&str, &str); 5] = [
        ("mailto:", "?subject=hi"),
        ("from=<", ">, size=312"),
        ("To: ", ""),
        ("邮箱", "，"),
        ("rcpt to:", ""),
    ];
    const PHONE: [(&str, &str); 4] = [
        ("tel:", ""),
        ("手机号", "，"),
        ("电话: ", "。"),
        ("call ", " now"),
    ];
    let own: &[(&str, &str)] = match kind {
        Kind::Email => &MAIL,
        Kind::Phone => &PHONE,
        _ => &[("no. ", "")],
    };
    match rng.bool() {
        true => ANY[rng.usize(..ANY.len())],
        false => own[rng.usize(..own.len())],
    }
}

fn any(rng: &mut Rng, kind: Kind) -> String {
    match kind {
        Kind::Phone => phone(rng),
        Kind::IdCard => id_card(rng),
        Kind::Card => spaced_card(rng),
        Kind::Email => email(rng),
        Kind::Ipv4 => ipv4(rng),
    }
}

fn digits(rng: &mut Rng, count: usize) -> String {
    (0..count)
        .map(|_| char::from(b'0' + rng.u8(..10)))
        .collect()
}

fn hex(rng: &mut Rng, count: usize) -> String {
    (0..count)
        .map(|_| char::from_digit(rng.u32(..16), 16).unwrap())
        .collect()
}

fn uuid(rng: &mut Rng) -> String {
    let all = hex(rng, 32);
    format!(
        "{}-{}-{}-{}-{}",
        &all[..8],
        &all[8..12],
        &all[12..16],
        &all[16..20],
        &all[20..]
    )
}

fn name(rng: &mut Rng) -> String {
    let names = [
        "wei",
        "li.na",
        "hans",
        "maria",
        "o_brien",
        "J",
        "zhang3",
        "Anna-Lena",
        "x1",
        "smith",
    ];
    names[rng.usize(..names.len())].into()
}

fn mobile(rng: &mut Rng) -> String {
    let prefixes = [
        "130", "135", "138", "139", "147", "150", "158", "166", "173", "177", "186", "188", "191",
        "198", "199",
    ];
    format!(
        "{}{}",
        prefixes[rng.usize(..prefixes.len())],
        digits(rng, 8)
    )
}

fn phone(rng: &mut Rng) -> String {
    let mobile = mobile(rng);
    let groups = |with: char| {
        format!(
            "{}{with}{}{with}{}",
            &mobile[..3],
            &mobile[3..7],
            &mobile[7..]
        )
    };
    match rng.u32(..14) {
        0..=4 => mobile,
        5 => groups(' '),
        6 => groups('-'),
        7 => format!("+86{mobile}"),
        8 => format!("+86 {}", groups(' ')),
        9 => format!("0086-{mobile}"),
        10 => format!("+86-{mobile}"),
        11 => format!(
            "{}-{}{}",
            ["010", "021", "0755", "0571"][rng.usize(..4)],
            rng.u32(2..9),
            digits(rng, 7)
        ),
        12 => format!(
            "+1 {}{}-{}{}-{}",
            rng.u32(2..10),
            digits(rng, 2),
            rng.u32(2..10),
            digits(rng, 2),
            digits(rng, 4)
        ),
        _ => {
            let (code, len) = [
                ("44", 10),
                ("49", 10),
                ("33", 9),
                ("65", 8),
                ("852", 8),
                ("91", 10),
            ][rng.usize(..6)];
            format!("+{code}{}{}", rng.u32(2..10), digits(rng, len - 1))
        }
    }
}

/// By the weights of the standard's text.
pub fn id_card(rng: &mut Rng) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let region = [
        "110101", "310104", "440305", "510107", "650102", "330106", "420111",
    ][rng.usize(..7)];
    let number = format!(
        "{region}{:04}{:02}{:02}{}",
        rng.u32(1930..2015),
        rng.u32(1..13),
        rng.u32(1..29),
        digits(rng, 3)
    );
    let sum: u32 = number
        .bytes()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let check = b"10X98765432"[sum as usize % 11];
    let check = if check == b'X' && rng.u32(..4) == 0 {
        b'x'
    } else {
        check
    };
    format!("{number}{}", char::from(check))
}

/// The last digit is found by trying.
pub fn card(rng: &mut Rng, (prefix, len): (&str, usize)) -> String {
    let start = format!("{prefix}{}", digits(rng, len - 1 - prefix.len()));
    (0..10)
        .map(|last| format!("{start}{last}"))
        .find(|it| is_luhn(it))
        .unwrap()
}

fn is_luhn(number: &str) -> bool {
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let odd = number.len() % 2;
    let sum: u32 = number
        .bytes()
        .enumerate()
        .map(|(at, digit)| match at % 2 == odd {
            true => DOUBLED[usize::from(digit - b'0')],
            false => u32::from(digit - b'0'),
        })
        .sum();
    sum.is_multiple_of(10)
}

fn spaced_card(rng: &mut Rng) -> String {
    let kinds = [
        ("4", 16),
        ("4", 13),
        ("51", 16),
        ("54", 16),
        ("2221", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("62", 16),
        ("62", 19),
        ("3530", 16),
        ("36", 14),
        ("2202", 16),
    ];
    let (prefix, len) = kinds[rng.usize(..kinds.len())];
    let number = card(rng, (prefix, len));
    let with = [' ', '-'][rng.usize(..2)];
    let cuts: &[usize] = match len {
        _ if rng.u32(..5) < 3 => return number,
        15 => &[4, 10],
        14 => &[4, 10],
        13 => return number,
        16 => &[4, 8, 12],
        _ => &[4, 8, 12, 16],
    };
    let mut out = String::new();
    for (at, digit) in number.chars().enumerate() {
        if cuts.contains(&at) {
            out.push(with);
        }
        out.push(digit);
    }
    out
}

fn email(rng: &mut Rng) -> String {
    let local = match rng.u32(..5) {
        0 => name(rng),
        1 => format!("{}.{}", name(rng), name(rng)),
        2 => format!(
            "{}+{}",
            name(rng),
            ["news", "2024", "log-s"][rng.usize(..3)]
        ),
        3 => format!("{}{}", name(rng), rng.u32(1..10_000)),
        _ => format!("{}_{}", name(rng), digits(rng, 3)),
    };
    let domains = [
        "example.com",
        "mail.example.org",
        "EXAMPLE.NET",
        "a-b.example.co.uk",
        "qq.com",
        "163.com",
        "sub.sub2.example.museum",
        "xn--fiq228c.example",
        "example.xn--p1ai",
    ];
    let sign = if rng.u32(..12) == 0 { "%40" } else { "@" };
    format!("{local}{sign}{}", domains[rng.usize(..domains.len())])
}

fn ipv4(rng: &mut Rng) -> String {
    format!(
        "{}.{}.{}.{}",
        rng.u8(1..224),
        rng.u8(..),
        rng.u8(..),
        rng.u8(1..)
    )
}

/// What is none of the first four kinds, and tries to be.
fn look_alike(rng: &mut Rng) -> String {
    match rng.u32(..30) {
        // Numbers of the length of cards: without a network, or with a wrong check digit.
        0 | 1 => loop {
            let len = rng.usize(13..20);
            let number = format!("{}{}", rng.u32(1..10), digits(rng, len - 1));
            if !is_luhn(&number) && !may_be_id(&number) && !may_be_phone(&number) {
                break format!("txn={number}");
            }
        },
        2 => broken(&card(rng, ("4", 16))),
        3 => {
            let number = broken(&card(rng, ("55", 16)));
            format!(
                "{} {} {} {}",
                &number[..4],
                &number[4..8],
                &number[8..12],
                &number[12..]
            )
        }
        // Almost an ID card: wrong check, no such day, no such region.
        4 | 5 => loop {
            let id = id_card(rng);
            let wrong = format!("{}{}", &id[..17], rng.u32(..10));
            if wrong != id && !is_luhn(&wrong) {
                break wrong;
            }
        },
        6 => format!(
            "110101{:04}{:02}{:02}{}",
            rng.u32(1950..2010),
            rng.u32(13..20),
            rng.u32(1..29),
            digits(rng, 4)
        ),
        7 => format!(
            "990101{:04}{:02}{:02}{}X",
            rng.u32(1950..2010),
            rng.u32(1..13),
            rng.u32(1..29),
            digits(rng, 3)
        ),
        // Almost a phone number.
        8 => format!("1{}{}", [0, 1, 2][rng.usize(..3)], digits(rng, 9)),
        9 => format!("id {}{}", rng.u32(2..10), digits(rng, 10)),
        10 => format!(
            "{}{}",
            mobile(rng),
            ["a", "_x", ".25", "-7"][rng.usize(..4)]
        ),
        11 => format!(
            "{}{}",
            ["ORDER", "x", "_", "3.", "12-"][rng.usize(..5)],
            mobile(rng)
        ),
        12 => format!("seq={}", digits(rng, 10)),
        // Times.
        13 => format!("ts={}", 1_700_000_000 + rng.u32(..90_000_000)),
        14 => format!("ts_ms={}", 1_700_000_000_000 + rng.u64(..90_000_000_000)),
        15 => format!(
            "ts_ns={}",
            1_700_000_000_000_000_000 + rng.u64(..90_000_000_000_000_000)
        ),
        16 => format!(
            "2026-{:02}-{:02} {:02}:{:02}",
            rng.u32(1..13),
            rng.u32(1..29),
            rng.u32(..24),
            rng.u32(..60)
        ),
        17 => format!(
            "2026-{:02}-{:02}T{:02}:00:00+0800",
            rng.u32(1..13),
            rng.u32(1..29),
            rng.u32(..24)
        ),
        // Ids.
        18 => uuid(rng),
        19 => format!("trace_id={}", hex(rng, 32)),
        20 => format!("span={}", hex(rng, 16)),
        // Versions and addresses.
        21 => format!(
            "version {}.{}.{}.{}",
            rng.u32(1..9),
            rng.u32(..20),
            rng.u32(..9),
            rng.u32(..9)
        ),
        22 => ipv4(rng),
        23 => format!("v{}.{}.{}", rng.u32(..9), rng.u32(..9), rng.u32(..90)),
        // Almost mail.
        24 => [
            "logo@2x.png",
            "root@localhost",
            "@Override",
            "a@b",
            "user@",
            "@example.com",
            "react@18.2.0",
            "icon@3x.jpg",
        ][rng.usize(..8)]
        .into(),
        25 => format!("git clone ssh://git@host{}/repo", rng.u32(..9)),
        // Books and goods.
        26 => format!("isbn 978{}", digits(rng, 10)),
        27 => format!("{}/{}", digits(rng, 6), digits(rng, 6)),
        28 => format!("diff +{} -{}", rng.u32(1000..999_999), rng.u32(..999)),
        _ => format!("{} {} {}", digits(rng, 3), digits(rng, 3), digits(rng, 2)),
    }
}

fn may_be_id(number: &str) -> bool {
    number.len() == 18 && &number[10..12] < "13" && &number[6..8] < "21"
}

fn may_be_phone(number: &str) -> bool {
    number.len() == 13 && number.starts_with("86")
}

/// With another last digit.
fn broken(number: &str) -> String {
    let (start, last) = number.split_at(number.len() - 1);
    let last: u8 = last.parse().unwrap();
    format!("{start}{}", (last + 3) % 10)
}
