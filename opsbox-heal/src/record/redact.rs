//! Takes out of a text what looks like a secret, before others can read it.

use std::borrow::Cow;

/// What stands in place of a secret.
const GONE: &str = "[redacted]";

/// Words after which a value is one, as in `password=...` or `"token": "..."`.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "authorization",
    "signature",
    "credential",
];

/// The text without user and password of URLs, values of fields named like a secret, bearer tokens and JSON Web Tokens.
///
/// Messages of kubelets and registries quote URLs and answers. This is a net below the rule that nothing secret is put
/// into a record in the first place.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut found = false;
    let mut next = Next::Any;
    for piece in text.split_inclusive(|c: char| c.is_whitespace()) {
        let word = piece.trim_end_matches(|c: char| c.is_whitespace());
        let (_, space) = piece.split_at(word.len());
        if word.is_empty() {
            out.push_str(piece);
            continue;
        }
        let is_secret = match next {
            // `Authorization: Bearer x` has a word more before the secret.
            Next::Secret => !is_scheme(word),
            Next::Credentials => looks_like_credentials(word),
            Next::Any => false,
        };
        if is_secret {
            found |= word != GONE;
            next = Next::Any;
            out.push_str(GONE);
            out.push_str(space);
            continue;
        }
        let kept = of_word(word);
        next = match next {
            Next::Secret => Next::Secret,
            _ if is_scheme(word) => Next::Credentials,
            // `token: x`, with the value in the next word.
            _ if word.strip_suffix([':', '=']).is_some_and(is_name) => Next::Secret,
            _ => Next::Any,
        };
        found |= matches!(kept, Cow::Owned(_));
        out.push_str(&kept);
        out.push_str(space);
    }
    match found {
        true => Cow::Owned(out),
        false => Cow::Borrowed(text),
    }
}

/// What the next word is.
enum Next {
    Any,
    /// A secret, whatever it looks like.
    Secret,
    /// After `bearer` or `basic`: a secret, if it looks like one ("no basic auth credentials" has none).
    Credentials,
}

fn is_scheme(word: &str) -> bool {
    let word = word.trim_start_matches(['"', '\'', '(', '[', '=', ':']);
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// `token68` of RFC 9110, section 11.2, that is not an ordinary word.
fn looks_like_credentials(word: &str) -> bool {
    let word = word.trim_end_matches(['"', '\'', ',', ';', '.', ')', ']']);
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    word.len() >= 8 && word.bytes().all(of_token) && word.bytes().any(|b| !b.is_ascii_lowercase())
}

fn is_name(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'']).to_ascii_lowercase();
    NAMES.iter().any(|name| text.ends_with(name))
}

fn of_word(word: &str) -> Cow<'_, str> {
    let mut word = Cow::Borrowed(word);
    if let Some((scheme, rest)) = word.split_once("://") {
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority);
        if let Some((_, host)) = authority.rsplit_once('@') {
            word = Cow::Owned(format!("{scheme}://{GONE}@{host}{path}"));
        }
    }
    if let Some(start) = word.find("eyJ") {
        let (before, rest) = word.split_at(start);
        let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let end = rest.find(|c| !of_token(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        if token.len() > 30 && token.contains('.') {
            word = Cow::Owned(format!("{before}{GONE}{after}"));
        }
    }
    // From the left: `a=1&token=x&b=2` and `{"token":"x"}`.
    let mut out = String::new();
    let mut rest: &str = &word;
    let mut found = false;
    while let Some(at) = rest.find(['=', ':']) {
        let (name, value) = rest.split_at(at);
        let (sign, value) = value.split_at(1);
        out.push_str(name);
        out.push_str(sign);
        let quoted = value.trim_start_matches(['"', '\'']);
        let (quotes, _) = value.split_at(value.len() - quoted.len());
        let end = quoted.find(['&', ',', ';', '"', '\'', '}', ')', ']']);
        let (value, after) = quoted.split_at(end.unwrap_or(quoted.len()));
        // `://` after a scheme called `token` would be odd enough to be one.
        if is_name(name) && !value.is_empty() && !value.starts_with(GONE) {
            found = true;
            out.push_str(quotes);
            out.push_str(GONE);
            rest = after;
        } else {
            let (_, after_sign) = rest.split_at(at + 1);
            rest = after_sign;
        }
    }
    out.push_str(rest);
    match found {
        true => Cow::Owned(out),
        false => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARY-CANARY-CANARY";
        for (text, kept) in [
            (
                "pull https://joe:CANARY@r.example/v2/ failed",
                "pull https://[redacted]@r.example/v2/ failed",
            ),
            (
                "https://r.example/v2/?a=1&token=CANARY&b=2",
                "https://r.example/v2/?a=1&token=[redacted]&b=2",
            ),
            (
                r#"said {"token":"CANARY","code":401}"#,
                r#"said {"token":"[redacted]","code":401}"#,
            ),
            (r#"{"password": "CANARY"}"#, r#"{"password": [redacted]"#),
            (
                "Authorization: Bearer CANARY\nnext",
                "Authorization: Bearer [redacted]\nnext",
            ),
            (
                "sent bearer CANARY.CANARY, got 401",
                "sent bearer [redacted] got 401",
            ),
            ("DB_PASSWORD=CANARY app", "DB_PASSWORD=[redacted] app"),
            ("X-Amz-Signature=CANARY", "X-Amz-Signature=[redacted]"),
        ] {
            assert_eq!(redacted(text), kept);
        }
        let text = redacted(&format!("token {jwt} is bad")).into_owned();
        assert_eq!(text, "token [redacted] is bad");
    }

    #[test]
    fn ordinary_messages_stay_as_they_are() {
        for text in [
            "Back-off pulling image \"registry.example:5000/cart:1.4@sha256:0a1b\"",
            "0/5 nodes are available: 3 Insufficient cpu, 2 node(s) had untolerated taint {a=b: NoSchedule}.",
            "secret \"db-credentials\" not found",
            "pull access denied: no basic auth credentials",
            "WWW-Authenticate: Bearer realm=\"https://auth.example/t\",service=\"registry.example\"",
            "Readiness probe failed: Get \"http://10.0.0.1:8080/ready?full=1\": context deadline exceeded",
            "MountVolume.SetUp failed for volume \"kube-api-access\": failed to fetch token",
            "",
            "ü: = ::",
        ] {
            assert!(
                matches!(redacted(text), Cow::Borrowed(_)),
                "{}",
                redacted(text)
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "(?s).{0,60}", word in "(token|password)[=:]\"?[a-z0-9]{1,9}[\" ,&]?") {
            drop(redacted(&text).into_owned());
            drop(redacted(&word).into_owned());
            let once = redacted(&text).into_owned();
            proptest::prop_assert_eq!(redacted(&once), once.as_str());
        }
    }
}
