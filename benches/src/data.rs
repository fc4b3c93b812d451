//! Generated data, the same in every run.

use fastrand::Rng;

const SEED: u64 = 2026;

const SITE: &str = "shop.example.com";

const PATHS: [&str; 6] = [
    "products",
    "search/results",
    "static/js/bundle",
    "api/v1/items",
    "account/orders",
    "img",
];

const QUERIES: [&str; 5] = [
    "",
    "",
    "?ref=home",
    "?page=2&sort=price&order=desc",
    "?q=running+shoes&size=42&utm_source=ad",
];

const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
     Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.14.1",
    "kube-probe/1.34",
];

/// Lines of a combined access log, about 238 bytes each; one in a thousand is cut short.
pub fn access_log(lines: usize) -> String {
    let mut rng = Rng::with_seed(SEED);
    let mut log = String::new();
    for _ in 0..lines {
        let start = log.len();
        let (a, b, second) = (rng.u8(..), rng.u8(..), rng.u32(0..3600));
        let [path, from] = [PATHS; 2].map(|paths| rng.choice(paths).unwrap_or_default());
        let [query, before] = [QUERIES; 2].map(|all| rng.choice(all).unwrap_or_default());
        let method = rng.choice(["GET", "GET", "GET", "POST", "HEAD"]);
        let status = rng.choice([200, 200, 200, 304, 404, 500]).unwrap_or(200);
        let (id, size) = (rng.u32(..), 1_u32 << rng.u8(0..20));
        let size = size + rng.u32(0..size);
        log += &format!(
            "198.51.{a}.{b} - - [02/Nov/2026:09:{:02}:{:02} +0000] \"{} /{path}/{id}{query} \
             HTTP/1.1\" {status} {size} ",
            second / 60,
            second % 60,
            method.unwrap_or_default(),
        );
        match rng.u8(0..10) {
            0..2 => log += "\"-\"",
            2..4 => log += "\"https://www.google.com/\"",
            _ => log += &format!("\"https://{SITE}/{from}/{}{before}\"", rng.u32(..)),
        }
        log += &format!(" \"{}\"", rng.choice(AGENTS).unwrap_or_default());
        if rng.u32(0..1000) == 0 {
            log.truncate(rng.usize(start + 1..log.len()));
        }
        log.push('\n');
    }
    log
}

/// Of which messages are made.
const WORDS: [&str; 18] = [
    "order",
    "cart",
    "payment",
    "of",
    "customer",
    "was",
    "accepted",
    "rejected",
    "after",
    "timeout",
    "retry",
    "in",
    "warehouse",
    "by",
    "worker",
    "connection",
    "pool",
    "exhausted",
];

/// The begin of the line of an application, up to its message.
fn app_head(rng: &mut Rng, second: usize) -> String {
    let level = rng.choice(["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"]);
    format!(
        "2026-11-02 {:02}:{:02}:{:02} [{}] com.example.shop.Checkout:",
        second / 3600 % 24,
        second / 60 % 60,
        second % 60,
        level.unwrap_or_default(),
    )
}

/// Lines of an application, `ts [LEVEL] message`, about 201 bytes each.
pub fn app_log(lines: usize) -> String {
    let mut rng = Rng::with_seed(SEED);
    let mut log = String::new();
    for second in 0..lines {
        log += &app_head(&mut rng, second);
        for _ in 0..rng.usize(10..29) {
            log.push(' ');
            match rng.u8(0..4) {
                0 => log += &rng.u32(..).to_string(),
                _ => log += rng.choice(WORDS).unwrap_or_default(),
            }
        }
        log.push('\n');
    }
    log
}

/// Lines of an application, about 201 bytes each, with documents in the messages: 35 in a hundred have
/// JSON, 12 JSON that was escaped as inside of a string, 4 XML. A document has some of its keys only, and
/// stands behind some words.
pub fn documents(lines: usize) -> String {
    let mut rng = Rng::with_seed(SEED);
    let mut log = String::new();
    for second in 0..lines {
        log += &app_head(&mut rng, second);
        let kind = rng.u8(0..100);
        let more = if kind < 51 {
            rng.usize(1..6)
        } else {
            rng.usize(14..31)
        };
        for _ in 0..more {
            log.push(' ');
            match rng.u8(0..4) {
                0 => log += &rng.u32(0..1_000_000).to_string(),
                _ => log += rng.choice(WORDS).unwrap_or_default(),
            }
        }
        match kind {
            0..35 => log += &format!(" payload={}", document(&mut rng)),
            35..47 => {
                let escaped = document(&mut rng).replace('"', "\\\"");
                log += &format!(" body=\"{escaped}\"");
            }
            47..51 => {
                log += &format!(
                    " <order id=\"{}\"><customer tier=\"gold\">{}</customer><total>{}.50</total></order>",
                    rng.u32(..),
                    rng.u16(..),
                    rng.u8(..)
                );
            }
            _ => {}
        }
        log.push('\n');
    }
    log
}

/// JSON of one of three kinds, some 120 bytes.
fn document(rng: &mut Rng) -> String {
    let mut pairs = match rng.u8(0..3) {
        0 => vec![
            format!("\"order_id\":\"{:016x}\"", rng.u64(..)),
            format!(
                "\"user\":{{\"id\":{},\"tier\":\"gold\"}}",
                rng.u32(0..1_000_000)
            ),
            format!("\"amount\":{}.{:02}", rng.u8(..), rng.u8(0..100)),
            "\"currency\":\"EUR\"".to_owned(),
            format!("\"items\":{}", rng.u8(1..40)),
        ],
        1 => vec![
            format!(
                "\"method\":\"{}\"",
                rng.choice(["GET", "POST"]).unwrap_or_default()
            ),
            format!("\"path\":\"/api/v1/orders/{}\"", rng.u32(..)),
            format!(
                "\"status\":{}",
                rng.choice([200, 200, 404, 500]).unwrap_or(200)
            ),
            format!("\"duration_ms\":{}.{}", rng.u8(..), rng.u8(0..10)),
            format!("\"trace_id\":\"{:032x}\"", rng.u128(..)),
        ],
        _ => vec![
            format!(
                "\"event\":\"stock.changed\",\"sku\":\"SKU-{}\"",
                rng.u16(..)
            ),
            format!("\"before\":{},\"after\":{}", rng.u8(..), rng.u8(..)),
            format!(
                "\"warehouse\":{{\"name\":\"north-{}\",\"open\":{}}}",
                rng.u8(0..20),
                rng.bool()
            ),
            "\"operator\":\"batch-import\"".to_owned(),
            format!("\"retry\":{}", rng.u8(0..4)),
        ],
    };
    if rng.u8(0..4) == 0 {
        pairs.swap_remove(rng.usize(0..pairs.len()));
    }
    format!("{{{}}}", pairs.join(","))
}

/// The log with one line in `one_in` broken, by turns in one of three ways: cut at a random place,
/// without its last quote, or garbage of the same length.
pub fn broken(log: &str, one_in: u32) -> Vec<u8> {
    let mut rng = Rng::with_seed(SEED);
    let mut out = Vec::with_capacity(log.len());
    for line in log.lines() {
        let start = out.len();
        out.extend_from_slice(line.as_bytes());
        if line.len() > 1 && rng.u32(0..one_in) == 0 {
            match rng.u8(0..3) {
                0 => out.truncate(rng.usize(start + 1..out.len())),
                1 => out.truncate(start + line.rfind('"').unwrap_or(line.len())),
                _ => out.iter_mut().skip(start).for_each(|byte| {
                    *byte = match rng.u8(..) {
                        b'\n' | b'\r' => b'"',
                        byte => byte,
                    }
                }),
            }
        }
        out.push(b'\n');
    }
    out
}

/// The first whole lines of a log, at most `bytes` long.
pub fn head(log: &[u8], bytes: usize) -> &[u8] {
    let head = log.get(..bytes).unwrap_or(log);
    let lines = memchr::memrchr(b'\n', head).map_or(0, |last| last + 1);
    head.get(..lines).unwrap_or_default()
}

/// NDJSON lines with seven wanted keys, two of them nested, and some padding, about 300 bytes each;
/// in three of ten the keys are shuffled.
pub fn ndjson(lines: usize) -> String {
    let mut rng = Rng::with_seed(SEED);
    let mut log = String::new();
    for _ in 0..lines {
        let mut pairs = vec![
            format!(
                "\"ts\":\"2026-11-02T09:{:02}:{:02}.{:03}Z\"",
                rng.u8(0..60),
                rng.u8(0..60),
                rng.u16(0..1000)
            ),
            format!(
                "\"level\":\"{}\"",
                rng.choice(["info", "warn", "error"]).unwrap_or_default()
            ),
            "\"logger\":\"com.example.shop.checkout\"".to_owned(),
            format!(
                "\"msg\":\"order {} was taken over by worker {}\"",
                rng.u32(..),
                rng.u8(..)
            ),
            format!(
                "\"http\":{{\"status\":{},\"ms\":{}.{}}}",
                rng.u16(200..599),
                rng.u8(..),
                rng.u8(0..99)
            ),
            format!("\"trace\":\"{:032x}\"", rng.u128(..)),
            format!(
                "\"host\":\"web-{}.example.com\",\"pid\":{}",
                rng.u8(..),
                rng.u16(..)
            ),
        ];
        if rng.u8(0..10) < 3 {
            rng.shuffle(&mut pairs);
        }
        log.push('{');
        log.push_str(&pairs.join(","));
        log.push_str("}\n");
    }
    log
}

/// NDJSON lines of requests, 588 bytes each with the newline, as a service writes them: some twenty
/// keys, five of them in an object. In three of ten lines the keys are shuffled.
pub fn requests(lines: usize) -> String {
    const LINE: usize = 588;
    let mut rng = Rng::with_seed(SEED);
    let mut log = String::with_capacity(lines * LINE);
    let agents = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
        "okhttp/5.3.0",
    ];
    for _ in 0..lines {
        let path = rng.choice(["orders", "carts/items", "users/me", "search"]);
        let path = path.unwrap_or_default();
        let http = [
            format!(
                "\"method\":\"{}\"",
                rng.choice(["GET", "POST", "DELETE"]).unwrap_or_default()
            ),
            format!("\"path\":\"/api/v1/{path}/{}\"", rng.u32(..)),
            format!(
                "\"status\":{}",
                rng.choice([200, 200, 200, 204, 404, 500]).unwrap_or(200)
            ),
            format!("\"bytes\":{}", rng.u32(0..100_000)),
            format!(
                "\"user_agent\":\"{}\"",
                rng.choice(agents).unwrap_or_default()
            ),
        ];
        let mut pairs = vec![
            format!(
                "\"time\":\"2026-11-02T09:{:02}:{:02}.{:03}Z\"",
                rng.u8(0..60),
                rng.u8(0..60),
                rng.u16(0..1000)
            ),
            format!(
                "\"level\":\"{}\"",
                rng.choice(["info", "info", "warn", "error"])
                    .unwrap_or_default()
            ),
            format!(
                "\"service\":\"{}\"",
                rng.choice(["checkout", "catalogue", "identity"])
                    .unwrap_or_default()
            ),
            format!("\"host\":\"web-{}.example.com\"", rng.u8(..)),
            format!("\"pid\":{}", rng.u16(..)),
            format!("\"trace_id\":\"{:032x}\"", rng.u128(..)),
            format!("\"span_id\":\"{:016x}\"", rng.u64(..)),
            "\"logger\":\"com.example.shop.http.AccessLog\"".to_owned(),
            format!("\"http\":{{{}}}", http.join(",")),
            format!("\"duration_ms\":{}.{}", rng.u16(0..2000), rng.u8(0..99)),
            format!("\"user\":{}", rng.u32(..)),
            format!("\"cached\":{}", rng.bool()),
            "\"env\":\"production\"".to_owned(),
            format!(
                "\"region\":\"{}\"",
                rng.choice(["eu-west-1", "us-east-2"]).unwrap_or_default()
            ),
            format!("\"version\":\"3.{}.{}\"", rng.u8(0..20), rng.u8(0..9)),
        ];
        let len: usize = pairs.iter().map(|pair| pair.len() + 1).sum();
        let mut message =
            "request served from the primary after a retry of the replica; ".repeat(4);
        message.truncate((LINE - 1).saturating_sub(len + "{\"message\":\"\"}".len()));
        pairs.insert(7, format!("\"message\":\"{message}\""));
        if rng.u8(0..10) < 3 {
            rng.shuffle(&mut pairs);
        }
        log += &format!("{{{}}}\n", pairs.join(","));
    }
    log
}

#[cfg(test)]
mod tests {
    use super::{access_log, app_log, broken, head};

    #[test]
    fn lines_have_the_lengths_that_are_said() {
        for (log, said) in [(access_log(10_000), 238), (app_log(10_000), 201)] {
            let mean = log.len() / 10_000;
            assert!(mean.abs_diff(said) <= 2, "{mean} bytes, not {said}");
        }
    }

    #[test]
    fn one_line_in_ten_is_broken() {
        let log = access_log(10_000);
        let broken = broken(&log, 10);
        let lines = broken.split(|&byte| byte == b'\n').zip(log.lines());
        let differ = lines.filter(|(a, b)| *a != b.as_bytes()).count();
        assert!((900..1100).contains(&differ), "{differ}");
        assert_eq!(line_feeds(&broken), line_feeds(log.as_bytes()));
    }

    #[test]
    fn a_head_ends_with_a_line() {
        assert_eq!(head(b"ab\ncd\n", 5), b"ab\n");
        assert_eq!(head(b"ab\ncd\n", 6), b"ab\ncd\n");
        assert_eq!(head(b"ab\ncd\n", 60), b"ab\ncd\n");
    }

    fn line_feeds(log: &[u8]) -> usize {
        memchr::memchr_iter(b'\n', log).count()
    }
}
