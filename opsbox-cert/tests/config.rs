//! Configuration: three languages, one meaning, and errors that say where.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "test files need no atomic write")]

use std::time::Duration;

use opsbox_cert::ErrorKind;
use opsbox_cert::budget::{Kind, Limits, Rate, RequestClass};
use opsbox_cert::config::{Config, DnsProviderConfig, Format, IssuerConfig, Source, StoreConfig};
use opsbox_cert::plan::{Band, Left, Policy};
use proptest::prelude::*;

const TOML: &str = r#"
[store]
kind = "redis"
url = "redis://:sesame@redis.example:6379/0"
encryption_key_file = "/etc/opsbox/key"

[issuers.letsencrypt]
kind = "acme"
directory = "letsencrypt-staging"
contact = ["mailto:ops@example.com"]
terms_of_service_agreed = true
external_account = { key_id = "kid-1", hmac_key_file = "/etc/opsbox/eab" }

[issuers.internal]
kind = "local-ca"
lifetime = "36h"

[dns.zone]
kind = "rfc2136"
server = "[2001:db8::53]:53"
tsig_key_name = "opsbox"
tsig_secret_file = "/etc/opsbox/tsig"

[dns.hook]
kind = "exec"
command = ["/usr/local/bin/dns-hook", "--zone"]
time_limit = "90s"

[[certificates]]
names = ["example.com", "*.example.com"]
issuers = ["letsencrypt"]
dns = "zone"

[[certificates]]
name = "intranet"
names = ["wiki", "192.0.2.7"]
issuers = ["internal"]

[serve]
https = "0.0.0.0:8443"

[issuers.letsencrypt.limits]
base = "letsencrypt"
account = { count = 600, per = "3h", burst = 100 }
consecutive_failures = 12
requests = { new_order = { count = 10, per = "1s" } }
renewals_exempt = false
margin = "5s"

[manager]
share_work = true
member_time = "90s"
seed = 18446744073709551615

[manager.policy]
base = "classic"
due = { long = "1/4", short = "12h", below = "10d" }
bands = { critical = "1/12", urgent = "2d", soon = "1/3" }
weight = { wildcard = 9 }
at_once = { urgent = 7, normal = 5 }
spread = true
retry_share = 8
poll_every = "3h"
polls = { count = 2, per = "1s", at_once = 3 }
"#;

const YAML: &str = r#"
store: &store
  kind: redis
  url: redis://:sesame@redis.example:6379/0
  encryption_key_file: /etc/opsbox/key
issuers:
  letsencrypt:
    kind: acme
    directory: letsencrypt-staging
    contact: mailto:ops@example.com
    terms_of_service_agreed: true
    external_account: {key_id: kid-1, hmac_key_file: /etc/opsbox/eab}
    limits:
      base: letsencrypt
      account: {count: 600, per: 3h, burst: 100}
      consecutive_failures: 12
      requests: {new_order: {count: 10, per: 1s}}
      renewals_exempt: false
      margin: 5s
  internal: {kind: local-ca, lifetime: 36h}
manager:
  share_work: true
  member_time: 90s
  seed: 18446744073709551615
  policy:
    base: classic
    due: {long: 1/4, short: 12h, below: 10d}
    bands: {critical: 1/12, urgent: 2d, soon: 1/3}
    weight: {wildcard: 9}
    at_once: {urgent: 7, normal: 5}
    spread: true
    retry_share: 8
    poll_every: 3h
    polls: {count: 2, per: 1s, at_once: 3}
dns:
  zone:
    kind: rfc2136
    server: "[2001:db8::53]:53"
    tsig_key_name: opsbox
    tsig_secret_file: /etc/opsbox/tsig
  hook:
    kind: exec
    command: [/usr/local/bin/dns-hook, --zone]
    time_limit: 90s
certificates:
  - names: [example.com, "*.example.com"]
    issuers: [letsencrypt]
    dns: zone
  - name: intranet
    names: [wiki, 192.0.2.7]
    issuers: internal
serve:
  https: 0.0.0.0:8443
  http: null
"#;

const JSON: &str = r#"{
  "store": {
    "kind": "redis",
    "url": "redis://:sesame@redis.example:6379/0",
    "encryption_key_file": "/etc/opsbox/key"
  },
  "issuers": {
    "letsencrypt": {
      "kind": "acme", "directory": "letsencrypt-staging",
      "contact": ["mailto:ops@example.com"], "terms_of_service_agreed": true,
      "external_account": {"key_id": "kid-1", "hmac_key_file": "\/etc/opsbox/eab"},
      "limits": {
        "base": "letsencrypt", "account": {"count": 600, "per": "3h", "burst": 100},
        "consecutive_failures": 12, "requests": {"new_order": {"count": 10, "per": "1s"}},
        "renewals_exempt": false, "margin": "5s"
      }
    },
    "internal": {"kind": "local-ca", "lifetime": "36h"}
  },
  "manager": {
    "share_work": true, "member_time": "90s", "seed": 18446744073709551615,
    "policy": {
      "base": "classic", "due": {"long": "1/4", "short": "12h", "below": "10d"},
      "bands": {"critical": "1/12", "urgent": "2d", "soon": "1/3"},
      "weight": {"wildcard": 9}, "at_once": {"urgent": 7, "normal": 5}, "spread": true,
      "retry_share": 8, "poll_every": "3h", "polls": {"count": 2, "per": "1s", "at_once": 3}
    }
  },
  "dns": {
    "zone": {
      "kind": "rfc2136", "server": "[2001:db8::53]:53",
      "tsig_key_name": "opsbox", "tsig_secret_file": "/etc/opsbox/tsig"
    },
    "hook": {"kind": "exec", "command": ["/usr/local/bin/dns-hook", "--zone"], "time_limit": "90s"}
  },
	"certificates": [
    {"names": ["example.com", "*.example.com"], "issuers": ["letsencrypt"], "dns": "zone"},
    {"name": "intranet", "names": ["wiki", "192.0.2.7"], "issuers": ["internal"]}
  ],
  "serve": {"https": "0.0.0.0:8443"}
}"#;

fn config(text: &str, format: Format) -> Config {
    Source::parse("opsbox", text, format)
        .unwrap()
        .config()
        .unwrap()
}

#[track_caller]
fn refused(text: &str, format: Format, message: &str) {
    let error = Source::parse("ops.conf", text, format)
        .and_then(|source| source.config())
        .unwrap_err();
    assert_eq!(error.to_string(), format!("cannot use ops.conf: {message}"));
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn three_languages_mean_the_same() {
    let toml = config(TOML, Format::Toml);
    assert_eq!(
        toml.store,
        StoreConfig::Redis("redis://:sesame@redis.example:6379/0".into())
    );
    let [(name, IssuerConfig::Acme(acme)), (_, local)] = &*toml.issuers else {
        panic!("{:?}", toml.issuers);
    };
    assert_eq!(name, "letsencrypt");
    assert_eq!(
        acme.directory,
        "https://acme-staging-v02.api.letsencrypt.org/directory"
    );
    assert!(
        matches!(local, IssuerConfig::LocalCa { lifetime, .. } if lifetime.as_secs() == 36 * 3600)
    );
    assert!(
        matches!(&toml.dns[1].1.provider, DnsProviderConfig::Exec { time_limit, .. } if *time_limit == Duration::from_secs(90))
    );
    let [example, intranet] = &*toml.certificates else {
        panic!("{:?}", toml.certificates);
    };
    assert_eq!(example.dns_provider(), Some("zone"));
    assert_eq!(
        (intranet.id(), intranet.identifiers().len()),
        ("intranet", 2)
    );
    assert_eq!(toml.serve.https.unwrap().port(), 8443);
    let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
    let limits = Limits::lets_encrypt()
        .account(Rate::new(600, hours(3)).with_burst(100))
        .consecutive_failures(12)
        .requests(
            RequestClass::NewOrder,
            Rate::new(10, Duration::from_secs(1)),
        )
        .renewals_exempt(false)
        .margin(Duration::from_secs(5));
    assert_eq!(toml.limits, [("letsencrypt".to_owned(), limits)]);
    let policy = Policy::classic()
        .due(Left::Share(4), Left::Time(hours(12)), hours(240))
        .bands(Left::Share(12), Left::Time(hours(48)), Left::Share(3))
        .weight(Kind::Wildcard, 9)
        .at_once(Band::Urgent, 7)
        .at_once(Band::Normal, 5)
        .spread(true)
        .retry_share(8)
        .poll_every(hours(3))
        .polls(Rate::new(2, Duration::from_secs(1)), 3);
    assert_eq!(toml.manager.policy, Some(policy));
    assert_eq!(toml.manager.member_time, Some(Duration::from_secs(90)));
    assert_eq!(
        (toml.manager.seed, toml.manager.share_work),
        (u64::MAX, true)
    );

    let shown = format!("{toml:?}");
    assert!(!shown.contains("sesame"), "{shown}");
    for (text, format) in [(YAML, Format::Yaml), (JSON, Format::Json)] {
        assert_eq!(format!("{:?}", config(text, format)), shown);
    }
}

#[test]
fn errors_say_where_and_what_to_do() {
    use Format::{Json, Toml, Yaml};
    let nearly = TOML.replace("tsig_key_name", "tsig_keyname");
    refused(
        &nearly,
        Toml,
        "line 18, column 6, dns.zone: the field `tsig_key_name` is missing; add it",
    );
    refused(
        "[serve]\nhttp = \"0.0.0.0:80\"\nhtttps = \"0.0.0.0:443\"\n",
        Toml,
        "line 3, column 10, serve.htttps: no field has this name; did you mean `https`?",
    );
    refused(
        "serve: {port: 443}",
        Yaml,
        "line 1, column 15, serve.port: no field has this name; the fields here are `https`, `http`",
    );
    refused(
        "certificates:\n  - names: [a.example.com]\n  - names: [b.example.com, b.exa*mple.com]\n",
        Yaml,
        "line 3, column 28, certificates[1].names[1]: its part `exa*mple` is not 1 to 63 letters, digits and `-` with no `-` at an end; correct it",
    );
    refused(
        r#"{"certificates": [{"names": ["*.example.com"], "challenge": "http-01"}]}"#,
        Json,
        "line 1, column 61, certificates[0].challenge: `*.example.com` is not validated by http-01; choose dns-01",
    );
    refused(
        r#"{"certificates": [{"names": ["*.example.com"]}]}"#,
        Json,
        "line 1, column 19, certificates[0]: its names are validated by DNS, and no provider is named that sets the records; add `dns`",
    );
    refused(
        "certificates: [{names: [wiki]}]",
        Yaml,
        "line 1, column 25, certificates[0].names[0]: a DNS name for a public CA has a domain after a dot; give the whole name, or name issuers that are a local-ca",
    );
    refused(
        "[[certificates]]\nnames = [\"a.example.com\"]\nissuers = [\"internal\"]\n",
        Toml,
        "line 3, column 12, certificates[0].issuers[0]: there is no issuer in this configuration; add one",
    );
    refused(
        "[store]\nkind = \"redis\"\nurl = \"redis.example:sesame\"\n",
        Toml,
        "line 3, column 7, store.url: a URL has to stand here that begins with redis:// or rediss://; correct it",
    );
    refused(
        "[issuers.a]\nkind = \"acme\"\ndirectory = \"letsencrypt\"\nterms_of_service_agreed = \"true\"\n",
        Toml,
        "line 4, column 27, issuers.a.terms_of_service_agreed: `true` or `false` has to stand here, and not text",
    );
    refused(
        "[issuers.a]\nkind = \"local-ca\"\nlifetime = \"1 week\"\n",
        Toml,
        "line 3, column 12, issuers.a.lifetime: `1 week` is not a duration as `30s`, `10m`, `36h` or `7d`; correct it",
    );
    refused(
        "serve: [1]",
        Yaml,
        "line 1, column 8, serve: a table has to stand here, and not a list",
    );
}

#[test]
fn limits_and_the_policy_are_checked() {
    use Format::{Toml, Yaml};
    let ca = "[issuers.a]\nkind = \"local-ca\"\n";
    for (line, message) in [
        (
            "limits = { account = 5 }",
            "line 3, column 22, issuers.a.limits.account: a table has to stand here, and not a whole number",
        ),
        (
            "limits = { account = { count = 0, per = \"3h\" } }",
            "line 3, column 32, issuers.a.limits.account.count: the number is not between 1 and 4294967295; correct it",
        ),
        (
            "limits = { domain = { count = 5, per = \"0s\" } }",
            "line 3, column 40, issuers.a.limits.domain.per: a rate is so many in a time; give a time that is not zero",
        ),
        (
            "limits = { domains = { count = 5, per = \"7d\" } }",
            "line 3, column 22, issuers.a.limits.domains: no field has this name; did you mean `domain`?",
        ),
        (
            "limits = { requests = { orders = { count = 5, per = \"7d\" } } }",
            "line 3, column 34, issuers.a.limits.requests.orders: no field has this name; the fields here are `directory`, `nonce`, `new_order`, `renewal_info`, `other`",
        ),
        (
            "limits = { base = \"zerossl\" }",
            "line 3, column 19, issuers.a.limits.base: `zerossl` is none of `letsencrypt`, `none`",
        ),
    ] {
        let error = Source::parse("ops.conf", &format!("{ca}{line}\n"), Toml).unwrap();
        let error = error.config().unwrap_err().to_string();
        // TOML tells of a table in a line where its key is.
        let wanted = message.split_once(", issuers").unwrap().1;
        assert!(
            error.starts_with("cannot use ops.conf: line 3, column "),
            "{error}"
        );
        assert!(error.ends_with(wanted), "{error}");
    }
    for (text, message) in [
        (
            "manager: {seed: -1}",
            "line 1, column 17, manager.seed: the number is not between 0 and 18446744073709551615; correct it",
        ),
        (
            "manager: {seed: seven}",
            "line 1, column 17, manager.seed: a whole number has to stand here, and not text",
        ),
        (
            "manager: {member_time: 1s}",
            "line 1, column 24, manager.member_time: an instance needs some seconds to say that it is there; give `3s` or more",
        ),
        (
            "manager: {policy: {due: {long: 1/0, short: 1/2, below: 10d}}}",
            "line 1, column 32, manager.policy.due.long: a share of the lifetime is one part of so many, as `1/3`; correct it",
        ),
        (
            "manager: {policy: {due: {long: 1/3}}}",
            "line 1, column 25, manager.policy.due: the field `short` is missing; add it",
        ),
        (
            "manager: {policy: {weight: {san: 300}}}",
            "line 1, column 34, manager.policy.weight.san: the number is not between 0 and 255; correct it",
        ),
        (
            "manager: {policy: {at_once: {normal: 1.5}}}",
            "line 1, column 38, manager.policy.at_once.normal: a whole number has to stand here, and not a number with a fraction",
        ),
        (
            "manager: {policy: {poll_every: 1d}}",
            "line 1, column 32, manager.policy.poll_every: a CA is asked every minute at most, and twice a day at least; give a time between `1m` and `12h`",
        ),
    ] {
        refused(text, Yaml, message);
    }
    // Of the directory, and said by variables.
    let mut source = Source::parse("ops.conf", TOML, Toml).unwrap();
    let set = [
        ("OPS__MANAGER__SEED", "9"),
        ("OPS__MANAGER__SHARE_WORK", "false"),
        ("OPS__ISSUERS__LETSENCRYPT__DIRECTORY", "letsencrypt"),
        (
            "OPS__ISSUERS__LETSENCRYPT__LIMITS",
            r#"{"domain": {"count": 5, "per": "1d"}}"#,
        ),
    ];
    source.environment("OPS", set).unwrap();
    let config = source.config().unwrap();
    assert_eq!((config.manager.seed, config.manager.share_work), (9, false));
    let day = Duration::from_secs(24 * 60 * 60);
    let limits = Limits::lets_encrypt().domain(Rate::new(5, day));
    assert_eq!(config.limits, [("letsencrypt".to_owned(), limits)]);
    let mut source = Source::parse("ops.conf", TOML, Toml).unwrap();
    source
        .environment("OPS", [("OPS__MANAGER__SEED", "nine")])
        .unwrap();
    let error = source.config().unwrap_err().to_string();
    let wanted =
        "variable OPS__MANAGER__SEED, manager.seed: a whole number has to stand here, and not text";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn broken_syntax_is_told_with_its_place() {
    for (text, format, place, part) in [
        (
            "[serve]\nhttps = \n",
            Format::Toml,
            "line 2, column 9: ",
            "",
        ),
        (
            "[serve]\n[serve]\n",
            Format::Toml,
            "line 2, column 2: ",
            "duplicate",
        ),
        ("serve:\n  https: [\n", Format::Yaml, "line ", ""),
        (
            "serve: 1\nserve: 2\n",
            Format::Yaml,
            "line 2, column 1: ",
            "duplicate",
        ),
        ("a: *nobody\n", Format::Yaml, "line 1, column 4: ", "alias"),
        (
            "{\"serve\": {},}",
            Format::Json,
            "line 1, column 14: ",
            "key must be a string",
        ),
        (
            "{\"serve\": {}, \"serve\": {}}",
            Format::Json,
            "line 1, column 15: ",
            "duplicate",
        ),
        ("{\"serve\"", Format::Json, "line 1, column 8: ", "EOF"),
        (
            "serve: 1",
            Format::Json,
            "line 1, column 1: ",
            "expected value",
        ),
    ] {
        let error = Source::parse("ops.conf", text, format)
            .unwrap_err()
            .to_string();
        let rest = error.strip_prefix("cannot use ops.conf: ").unwrap();
        assert!(
            rest.starts_with(place) && rest.contains(part),
            "{text:?}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    // Each level ten times the one before.
    let mut bomb = String::from("a0: &a0 [x]\n");
    for level in 1..12 {
        let before = level - 1;
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{before}"); 10].join(",")
        );
    }
    assert!(Source::parse("ops.conf", &bomb, Format::Yaml).is_err());
    let deep = "[".repeat(100_000);
    for (key, format) in [
        ("a = ", Format::Toml),
        ("a: ", Format::Yaml),
        ("", Format::Json),
    ] {
        let text = format!("{key}{deep}");
        assert!(Source::parse("ops.conf", &text, format).is_err());
    }
}

#[test]
fn variables_stand_over_the_file() {
    let with = |variables: &[(&str, &str)]| {
        let mut source = Source::parse("ops.toml", TOML, Format::Toml).unwrap();
        source.environment("OPS", variables.iter().copied())?;
        source.config()
    };
    let config = with(&[
        ("OPS__STORE__KIND", "folder"),
        ("OPS__STORE__PATH", "/srv/certs"),
        ("OPS__STORE__URL", "redis://unused"),
        ("OTHER__STORE__KIND", "none"),
        ("OPSX__STORE__KIND", "none"),
    ]);
    assert_eq!(
        config.unwrap_err().to_string(),
        "cannot use ops.toml: line 4, column 7, store.url: no field has this name; the fields here are `kind`, `path`, `encryption_key_file`"
            .replace("line 4, column 7", "variable OPS__STORE__URL")
    );
    let config = with(&[
        (
            "OPS__CERTIFICATES__0__NAMES",
            "shop.example.com, *.example.com",
        ),
        ("OPS__CERTIFICATES__2__NAMES", "new.example.com"),
        (
            "OPS__CERTIFICATES__2__ISSUERS",
            r#"["letsencrypt", "internal"]"#,
        ),
        ("OPS__ISSUERS__LETSENCRYPT__TERMS_OF_SERVICE_AGREED", "true"),
        ("OPS__SERVE", r#"{"http": "[::]:80"}"#),
    ])
    .unwrap();
    let ids = config.certificates.iter().map(|it| it.id());
    assert_eq!(
        ids.collect::<Vec<_>>(),
        ["shop.example.com", "intranet", "new.example.com"]
    );
    assert_eq!(
        config.certificates[2].issuer_names(),
        ["letsencrypt", "internal"]
    );
    assert_eq!(
        (config.serve.https, config.serve.http.unwrap().port()),
        (None, 80)
    );

    for (name, value, message) in [
        (
            "OPS__SERVE__HTTPS",
            "443",
            ", serve.https: invalid socket address syntax",
        ),
        (
            "OPS__SERVE____HTTPS",
            "x",
            ": a part of the name is empty; write two underscores between two parts",
        ),
        (
            "OPS__STORE__KIND__MORE",
            "x",
            ": what is before `MORE` is one value and has no parts; correct the name",
        ),
        (
            "OPS__CERTIFICATES__9__NAMES",
            "x",
            ": `9` is no place in a list of 2 items; give a number from 0 to 2",
        ),
        (
            "OPS__SERVE",
            "{",
            ": the text begins as JSON and is none: EOF while parsing an object; correct it",
        ),
        (
            "OPS__NOTHING",
            "x",
            ", nothing: no field has this name; the fields here are `store`, `issuers`, `dns`, `certificates`, `serve`, `manager`",
        ),
    ] {
        let error = with(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot use ops.toml: variable {name}{message}")
        );
    }
}

#[test]
fn files_are_read_by_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (name, text) in [
        ("a.toml", TOML),
        ("a.yml", YAML),
        ("a.yaml", YAML),
        ("a.json", JSON),
    ] {
        let config = Source::read(write(name, text.as_bytes())).unwrap().config();
        assert_eq!(config.unwrap().certificates.len(), 2);
    }
    for (name, bytes, kind, part) in [
        (
            "a.conf",
            b"" as &[u8],
            ErrorKind::Config,
            "end it in .toml, .yaml or .json",
        ),
        (
            "b.toml",
            b"a = 1\nb = \"\xff\"",
            ErrorKind::Config,
            "line 2, column 1: byte 11 is not UTF-8",
        ),
    ] {
        let error = Source::read(write(name, bytes)).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(part), "{error}");
    }
    let missing = Source::read(folder.path().join("missing.toml")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(
        missing
            .to_string()
            .contains("missing.toml: there is no such file"),
        "{missing}"
    );
    let folder = Source::read(folder.path()).unwrap_err();
    assert!(
        folder
            .to_string()
            .contains("the name of the file says no language"),
        "{folder}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No text panics, and what is broken is told on one line without the secrets of the file.
    #[test]
    fn changed_files_are_read_or_refused(
        at in any::<prop::sample::Index>(),
        len in 0_usize..40,
        with in prop::sample::select(vec!["", "\"", "[", "]", "{", "}", ":", " ", "\n", "&a ", "*a", "é", "\u{0}", "- ", "'''"]),
        (text, format) in prop::sample::select(vec![(TOML, Format::Toml), (YAML, Format::Yaml), (JSON, Format::Json)]),
    ) {
        let at = at.index(text.len());
        let head = text.get(..at).unwrap();
        let tail = text.get(at + len..).unwrap_or_default();
        let changed = format!("{head}{with}{tail}");
        if let Err(error) = Source::parse("ops", &changed, format).and_then(|source| source.config()) {
            let error = error.to_string();
            prop_assert!(!error.contains('\n'), "{}", error);
            prop_assert!(!error.contains("sesame"), "{}", error);
        }
    }
}
