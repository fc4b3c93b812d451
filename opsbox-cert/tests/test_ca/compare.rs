//! The same requests to Pebble and to the CA of this crate, and what differs in the answers.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use opsbox_cert::CertFacts;
use opsbox_cert::testing::ca::{CaLimits, CaOptions, TestCa};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::client::{Client, Key, Reply};
use crate::pebble::{Options, Pebble, provider};

/// What is compared of an answer: status, headers, the type of a problem, and the shape of a body.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    step: &'static str,
    status: u16,
    headers: Vec<String>,
    problem: String,
    shape: String,
}

struct Run {
    client: Client,
    seen: Vec<Seen>,
}

/// Names and types of what is in a value; of a list its first element.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(list) => {
            // Challenges come in any order; one that both CAs have stands for all.
            let of = |kind: &str| list.iter().find(|member| member["type"] == kind);
            let member = of("http-01")
                .or_else(|| of("dns-01"))
                .or_else(|| list.first());
            format!("[{}]", member.map_or_else(String::new, shape))
        }
        Value::Object(members) => {
            let members = members.iter();
            let mut members: Vec<String> = members
                .map(|(name, value)| match (name.as_str(), value.as_str()) {
                    // Words of the protocol.
                    ("status" | "type", Some(word)) => format!("{name}:{word}"),
                    _ => format!("{name}:{}", shape(value)),
                })
                .collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
    }
}

impl Run {
    fn see(&mut self, step: &'static str, reply: &Reply) {
        let mut headers = Vec::new();
        for name in ["replay-nonce", "location", "retry-after"] {
            if !reply.header(name).is_empty() {
                headers.push(name.to_owned());
            }
        }
        let content_type = reply.header("content-type").split(';').next().unwrap();
        if !reply.body.is_empty() {
            headers.push(content_type.to_owned());
        }
        let links = reply.header("link");
        let mut relations: Vec<String> = links
            .split("rel=\"")
            .skip(1)
            .map(|rest| format!("link {}", rest.split('"').next().unwrap()))
            .collect();
        relations.sort();
        headers.extend(relations);
        let body = reply.json();
        let (problem, shape) = match content_type {
            "application/problem+json" => {
                let kind = body["type"].as_str().unwrap_or("").to_owned();
                let kind = kind.replace("urn:ietf:params:acme:error:", "");
                assert_eq!(body["status"], reply.status, "{step}: {body}");
                assert!(!body["detail"].as_str().unwrap_or("").is_empty(), "{body}");
                (kind, String::new())
            }
            _ => (String::new(), shape(&body)),
        };
        self.seen.push(Seen {
            step,
            status: reply.status,
            headers,
            problem,
            shape,
        });
    }

    async fn post(&mut self, step: &'static str, url: &str, payload: &Value) -> Reply {
        let reply = self.client.post(url, payload).await;
        self.see(step, &reply);
        reply
    }

    async fn read(&mut self, step: &'static str, url: &str) -> Reply {
        let reply = self.client.read(url).await;
        self.see(step, &reply);
        reply
    }

    async fn spoiled(
        &mut self,
        step: &'static str,
        url: &str,
        payload: &Value,
        spoil: impl FnOnce(&mut Value),
    ) {
        let reply = self
            .client
            .post_with(url, &payload.to_string(), spoil)
            .await;
        self.see(step, &reply);
    }

    /// Reads until the status is no longer one of these.
    async fn until_not(&self, url: &str, states: &[&str]) -> Reply {
        for _ in 0..200 {
            let reply = self.client.read(url).await;
            let state = reply.json()["status"].as_str().unwrap_or("").to_owned();
            if !states.contains(&&*state) {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{url} does not change");
    }

    async fn order(&mut self, step: &'static str, payload: &Value) -> (String, Value) {
        let url = self.client.url("newOrder");
        let reply = self.post(step, &url, payload).await;
        (reply.header("location").to_owned(), reply.json())
    }

    /// An order whose names are proved.
    async fn ready(&mut self, payload: &Value) -> (String, Value) {
        let new_order = self.client.url("newOrder");
        let mut reply = self.client.post(&new_order, payload).await;
        // Pebble says that an order is valid a moment before it can find it by its certificate.
        for _ in 0..50 {
            if reply.status < 500 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            reply = self.client.post(&new_order, payload).await;
        }
        assert_eq!(reply.status, 201, "{}", reply.json());
        let (url, order) = (reply.header("location").to_owned(), reply.json());
        for proof in order["authorizations"].as_array().unwrap() {
            self.prove(proof.as_str().unwrap()).await;
        }
        let order = self.until_not(&url, &["pending"]).await.json();
        assert_eq!(order["status"], "ready", "{order}");
        (url, order)
    }

    async fn prove(&self, authorization: &str) {
        let proof = self.client.read(authorization).await.json();
        let challenge = proof["challenges"][0]["url"].as_str().unwrap().to_owned();
        if proof["status"] == "pending" {
            self.client.post(&challenge, &json!({})).await;
        }
        self.until_not(authorization, &["pending", "processing"])
            .await;
    }

    async fn issue(&mut self, payload: &Value, names: &[&str]) -> (Value, Vec<u8>) {
        let (url, order) = self.ready(payload).await;
        let csr = json!({"csr": csr(names)});
        let finalize = order["finalize"].as_str().unwrap();
        let reply = self.client.post(finalize, &csr).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        let order = self.until_not(&url, &["ready", "processing"]).await.json();
        let certificate = order["certificate"].as_str().unwrap().to_owned();
        let pem = self.client.read(&certificate).await.body;
        (order, pem)
    }
}

fn csr(names: &[&str]) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    csr_of(names, &key)
}

fn csr_of(names: &[&str], key: &rcgen::KeyPair) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    BASE64URL_NOPAD.encode(params.serialize_request(key).unwrap().der())
}

fn dns(names: &[&str]) -> Value {
    let names = names
        .iter()
        .map(|name| json!({"type": "dns", "value": name}));
    json!({"identifiers": names.collect::<Vec<_>>(), "profile": "default"})
}

fn first_der(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::pem_slice_iter(pem).next().unwrap().unwrap()
}

/// The whole protocol, and what can be wrong in it.
async fn requests(directory_url: &str, root_pem: &str) -> Vec<Seen> {
    let client = Client::new(directory_url, root_pem).await;
    let mut run = Run {
        client,
        seen: Vec::new(),
    };
    let reply = run.client.get(directory_url).await;
    // Pebble adds what is random on purpose.
    let mut directory = reply.json();
    directory.as_object_mut().unwrap().retain(|name, _| {
        [
            "newNonce",
            "newAccount",
            "newOrder",
            "revokeCert",
            "keyChange",
            "renewalInfo",
        ]
        .contains(&name.as_str())
    });
    let body = directory.to_string().into_bytes();
    run.see("the directory", &Reply { body, ..reply });
    let new_nonce = run.client.url("newNonce");
    for (step, method) in [("a nonce by HEAD", "HEAD"), ("a nonce by GET", "GET")] {
        let reply = run.client.send(method, &new_nonce, None, "").await;
        run.see(step, &reply);
    }
    let reply = run.client.get(&format!("{new_nonce}/no/such/url")).await;
    assert_eq!(reply.status, 404);

    signatures(&mut run).await;
    accounts(&mut run).await;
    orders(&mut run).await;
    certificates(&mut run).await;
    ends(&mut run).await;
    run.seen
}

async fn signatures(run: &mut Run) {
    let url = run.client.url("newAccount");
    let payload = json!({"onlyReturnExisting": true});
    let message = run
        .client
        .key
        .sign(&run.client.header(&url).await, &payload.to_string());
    let message = message.to_string();
    let json = Some("application/json");
    let reply = run.client.send("POST", &url, json, &message).await;
    run.see("another content type", &reply);
    let jose = Some("application/jose+json");
    for (step, body) in [
        ("no JSON", "{"),
        ("no JWS", "{}"),
        (
            "no base64",
            r#"{"protected":"*","payload":"*","signature":"*"}"#,
        ),
    ] {
        let reply = run.client.send("POST", &url, jose, body).await;
        run.see(step, &reply);
    }
    run.spoiled("no nonce", &url, &payload, |header| {
        header.as_object_mut().unwrap().remove("nonce");
    })
    .await;
    run.spoiled("an unknown nonce", &url, &payload, |header| {
        header["nonce"] = BASE64URL_NOPAD.encode(&[7; 16]).into();
    })
    .await;
    let message = run
        .client
        .key
        .sign(&run.client.header(&url).await, &payload.to_string());
    run.client.post_signed(&url, &message).await;
    let reply = run.client.post_signed(&url, &message).await;
    run.see("a nonce that was used", &reply);
    run.spoiled("no URL", &url, &payload, |header| {
        header.as_object_mut().unwrap().remove("url");
    })
    .await;
    run.spoiled("another URL", &url, &payload, |header| {
        header["url"] = "https://localhost/other".into();
    })
    .await;
    run.spoiled("an algorithm with a shared key", &url, &payload, |header| {
        header["alg"] = "HS256".into();
    })
    .await;
    run.spoiled("both a key and an account", &url, &payload, |header| {
        header["kid"] = "https://localhost/account".into();
    })
    .await;
    let other = Key::new().jwk();
    run.spoiled("the key of another", &url, &payload, |header| {
        header["jwk"] = other;
    })
    .await;
    run.post("an account that there is not", &url, &payload)
        .await;
    let url = run.client.url("newOrder");
    run.post("an order without an account", &url, &dns(&["a.example"]))
        .await;
    run.spoiled(
        "an order of an unknown account",
        &url,
        &dns(&["a.example"]),
        |header| {
            header.as_object_mut().unwrap().remove("jwk");
            header["kid"] = "https://localhost/account/9".into();
        },
    )
    .await;
}

async fn accounts(run: &mut Run) {
    let url = run.client.url("newAccount");
    run.post("an account without terms", &url, &json!({})).await;
    let with = |contact: &str| json!({"termsOfServiceAgreed": true, "contact": [contact]});
    run.post("a contact by telephone", &url, &with("tel:123"))
        .await;
    run.post("a contact that is no address", &url, &with("mailto:nobody"))
        .await;
    let reply = run
        .post("an account", &url, &with("mailto:a@example.com"))
        .await;
    let account = reply.header("location").to_owned();
    run.post(
        "the account again",
        &url,
        &json!({"onlyReturnExisting": true}),
    )
    .await;
    run.client.account = Some(account.clone());
    run.read("the account read", &account).await;
    let contact = json!({"contact": ["mailto:b@example.com"]});
    run.post("another contact", &account, &contact).await;
    run.post(
        "an account signed with a kid",
        &url,
        &with("mailto:a@example.com"),
    )
    .await;
    let (url, unknown) = (run.client.url("newOrder"), format!("{account}9"));
    run.spoiled(
        "an order of an account that there is not",
        &url,
        &dns(&["a.example"]),
        |header| {
            header["kid"] = unknown.into();
        },
    )
    .await;
}

async fn orders(run: &mut Run) {
    let url = run.client.url("newOrder");
    run.post("an order without names", &url, &json!({"identifiers": []}))
        .await;
    let other = json!({"identifiers": [{"type": "email", "value": "a@example.com"}]});
    run.post("an order for a mail address", &url, &other).await;
    run.post("an order for no name", &url, &dns(&["a b.example"]))
        .await;
    let mut other = dns(&["a.example"]);
    other["profile"] = "none".into();
    run.post("an order under an unknown profile", &url, &other)
        .await;
    let (order_url, order) = run
        .order("an order", &dns(&["b.example", "a.example"]))
        .await;
    run.read("the order read", &order_url).await;
    let reply = run.client.get(&order_url).await;
    run.see("the order by GET", &reply);
    run.read("another order", &format!("{order_url}9")).await;
    let finalize = order["finalize"].as_str().unwrap();
    let both = ["a.example", "b.example"];
    run.post(
        "an order finalized too soon",
        finalize,
        &json!({"csr": csr(&both)}),
    )
    .await;
    let proof_url = order["authorizations"][0].as_str().unwrap().to_owned();
    let reply = run.read("an authorization", &proof_url).await;
    let challenges = reply.json()["challenges"].as_array().unwrap().clone();
    let of = |kind: &str| challenges.iter().find(|c| c["type"] == kind).unwrap()["url"].clone();
    let challenge = of("http-01").as_str().unwrap().to_owned();
    run.read("a challenge read", &challenge).await;
    // Its state is then a matter of time.
    let reply = run.client.post(&challenge, &json!({})).await;
    assert_eq!(reply.status, 200);
    let reply = run.until_not(&proof_url, &["pending", "processing"]).await;
    assert_eq!(reply.json()["status"], "valid");
    run.read("a challenge that is valid", &challenge).await;
    let other = order["authorizations"][1].as_str().unwrap().to_owned();
    run.prove(&other).await;
    run.until_not(&order_url, &["pending"]).await;
    run.read("an order that is ready", &order_url).await;

    let broken = json!({"csr": BASE64URL_NOPAD.encode(b"no request")});
    run.post("a signing request that is none", finalize, &broken)
        .await;
    run.post(
        "a signing request that is no base64",
        finalize,
        &json!({"csr": "*"}),
    )
    .await;
    for (step, names) in [
        ("a signing request for a name too few", &["a.example"][..]),
        (
            "a signing request for a name too many",
            &["a.example", "b.example", "c.example"],
        ),
    ] {
        run.post(step, finalize, &json!({"csr": csr(names)})).await;
    }
    let reply = run.client.post(finalize, &json!({"csr": csr(&both)})).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    run.until_not(&order_url, &["ready", "processing"]).await;
    let reply = run.read("an order that is valid", &order_url).await;
    run.post(
        "an order finalized again",
        finalize,
        &json!({"csr": csr(&both)}),
    )
    .await;
    let certificate = reply.json()["certificate"].as_str().unwrap().to_owned();
    run.read("a certificate", &certificate).await;
    run.read("another certificate", &format!("{certificate}9"))
        .await;

    let (_, order) = run
        .order("an order for a wildcard", &dns(&["*.w.example"]))
        .await;
    let proof = order["authorizations"][0].as_str().unwrap().to_owned();
    let reply = run.client.read(&proof).await.json();
    assert_eq!(
        (&reply["wildcard"], &reply["identifier"]["value"]),
        (&json!(true), &json!("w.example"))
    );
    let kinds = reply["challenges"].as_array().unwrap();
    let refused = |kind: &str| kinds.iter().all(|challenge| challenge["type"] != kind);
    assert!(refused("http-01") && refused("tls-alpn-01"), "{reply}");
    run.post(
        "an authorization taken back",
        &proof,
        &json!({"status": "deactivated"}),
    )
    .await;
    let account = run.client.account.clone().unwrap();
    let list = run.client.read(&account).await.json()["orders"]
        .as_str()
        .unwrap()
        .to_owned();
    run.read("the list of orders", &list).await;
}

async fn certificates(run: &mut Run) {
    let names = ["c.example"];
    let (_, pem) = run.issue(&dns(&names), &names).await;
    let id = CertFacts::from_der(&first_der(&pem))
        .unwrap()
        .ari_id()
        .unwrap();
    let ari = run.client.url("renewalInfo");
    let reply = run.client.get(&format!("{ari}/{id}")).await;
    run.see("when to renew", &reply);
    let reply = run.client.get(&format!("{ari}/nonsense")).await;
    run.see("when to renew what is no id", &reply);
    let (authority, _) = id.split_once('.').unwrap();
    let reply = run.client.get(&format!("{ari}/{authority}.AQID")).await;
    run.see("when to renew what there is not", &reply);

    let new_order = run.client.url("newOrder");
    let mut renewal = dns(&names);
    renewal["replaces"] = "nonsense".into();
    run.post("an order that replaces nonsense", &new_order, &renewal)
        .await;
    let mut other = dns(&["other.example"]);
    other["replaces"] = id.as_str().into();
    run.post("an order that replaces other names", &new_order, &other)
        .await;
    renewal["replaces"] = id.as_str().into();
    let (order, next) = run.issue(&renewal, &names).await;
    assert_eq!(order["replaces"], id);
    run.post("an order that replaces it again", &new_order, &renewal)
        .await;

    let url = run.client.url("revokeCert");
    let der = |pem: &[u8]| BASE64URL_NOPAD.encode(&first_der(pem));
    let with = |reason: u32| json!({"certificate": der(&pem), "reason": reason});
    run.post("a revocation for an unknown reason", &url, &with(7))
        .await;
    run.post(
        "a revocation of nothing",
        &url,
        &json!({"certificate": "AQID"}),
    )
    .await;
    run.post("a revocation", &url, &with(4)).await;
    run.post("a revocation again", &url, &with(4)).await;
    let stranger = Key::new();
    let header = json!({
        "alg": "ES256", "jwk": stranger.jwk(), "nonce": run.client.nonce().await, "url": url,
    });
    let payload = json!({"certificate": der(&next)}).to_string();
    let reply = run
        .client
        .post_signed(&url, &stranger.sign(&header, &payload))
        .await;
    run.see("a revocation by a stranger", &reply);
    let reply = run.client.get(&format!("{ari}/{id}")).await;
    run.see("when to renew what is revoked", &reply);
    let end = reply.json()["suggestedWindow"]["end"]
        .as_str()
        .unwrap()
        .to_owned();
    let now = httpdate_now();
    assert!(end < now, "{end} is before {now}");
}

/// Now, as ARI writes times.
fn httpdate_now() -> String {
    let now = std::process::Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(now.stdout).unwrap().trim().to_owned()
}

async fn ends(run: &mut Run) {
    let url = run.client.url("keyChange");
    let account = run.client.account.clone().unwrap();
    let inner = |key: &Key, account: &str, old: &Value, url: &str| {
        let header = json!({"alg": "ES256", "jwk": key.jwk(), "url": url});
        let payload = json!({"account": account, "oldKey": old});
        key.sign(&header, &payload.to_string())
    };
    let (next, old) = (Key::new(), run.client.key.jwk());
    for (step, message) in [
        (
            "a new key for another account",
            inner(&next, "https://localhost/9", &old, &url),
        ),
        (
            "a new key in place of another",
            inner(&next, &account, &next.jwk(), &url),
        ),
        (
            "a new key at another URL",
            inner(&next, &account, &old, "https://localhost/"),
        ),
        (
            "the old key as the new one",
            inner(&run.client.key, &account, &old, &url),
        ),
        ("a new key", inner(&next, &account, &old, &url)),
    ] {
        run.post(step, &url, &message).await;
    }
    run.read("the account by its old key", &account).await;
    run.client.key = next;
    run.read("the account by its new key", &account).await;
    run.post(
        "an account that is closed",
        &account,
        &json!({"status": "deactivated"}),
    )
    .await;
    run.read("a closed account read", &account).await;
}

/// What differs: the step, what of it, Pebble's and ours; and why ours is right.
type Expected = (
    (&'static str, &'static str, &'static str, &'static str),
    &'static str,
);
const LOCATION: &str = "Let's Encrypt names the order at each look";
const UP: &str = "RFC 8555, section 7.5.1, shows it, and Let's Encrypt sends it";
const BREAKS: &str = "the client is wrong, and not the server";
const ACCOUNT: &str = "Let's Encrypt shows the account";
const EMPTY: &str = "replay-nonce link index";
const READ: &str = "replay-nonce application/json link index";
const LOCATED: &str = "replay-nonce location application/json link index";
const LINKED_UP: &str = "replay-nonce application/json link index link up";
const PROBLEM: &str = "replay-nonce application/problem+json link index";
const BODY: &str = "a problem says more than an empty body";
const EXPECTED: &[Expected] = &[
    (
        ("another URL", "status", "400", "401"),
        "RFC 8555, section 6.4",
    ),
    (
        ("another URL", "problem", "malformed", "unauthorized"),
        "RFC 8555, section 6.4",
    ),
    (
        (
            "an order for a mail address",
            "problem",
            "malformed",
            "unsupportedIdentifier",
        ),
        "RFC 8555, section 6.7",
    ),
    (("the order read", "headers", READ, LOCATED), LOCATION),
    (
        ("an order that is ready", "headers", READ, LOCATED),
        LOCATION,
    ),
    (
        ("an order that is valid", "headers", READ, LOCATED),
        LOCATION,
    ),
    (("another order", "headers", EMPTY, PROBLEM), BODY),
    (("another order", "problem", "", "malformed"), BODY),
    (("another order", "body", "null", ""), BODY),
    (("another certificate", "headers", EMPTY, PROBLEM), BODY),
    (("another certificate", "problem", "", "malformed"), BODY),
    (("another certificate", "body", "null", ""), BODY),
    (("a challenge read", "headers", READ, LINKED_UP), UP),
    (
        ("a challenge that is valid", "headers", READ, LINKED_UP),
        UP,
    ),
    (
        (
            "an authorization taken back",
            "body",
            "{challenges:[],expires:text,identifier:{type:dns,value:text},status:deactivated,wildcard:true}",
            "{challenges:[{status:pending,token:text,type:dns-01,url:text}],expires:text,identifier:{type:dns,value:text},status:deactivated,wildcard:true}",
        ),
        "RFC 8555, section 7.1.4, leaves challenges out of those alone that are judged",
    ),
    (
        ("an order that replaces other names", "status", "500", "400"),
        BREAKS,
    ),
    (
        (
            "an order that replaces other names",
            "problem",
            "serverInternal",
            "malformed",
        ),
        BREAKS,
    ),
    (
        ("the old key as the new one", "status", "400", "409"),
        "RFC 8555, section 7.3.5",
    ),
    (
        (
            "the old key as the new one",
            "headers",
            PROBLEM,
            "replay-nonce location application/problem+json link index",
        ),
        "RFC 8555, section 7.3.5",
    ),
    (("a new key", "headers", EMPTY, READ), ACCOUNT),
    (
        (
            "a new key",
            "body",
            "null",
            "{contact:[text],key:{crv:text,kty:text,x:text,y:text},orders:text,status:valid}",
        ),
        ACCOUNT,
    ),
    (
        ("a closed account read", "status", "403", "401"),
        "RFC 8555, section 7.3.6",
    ),
];

pub(crate) async fn answers_are_those_of_pebble() {
    let pebble = Pebble::start(&Options {
        always_valid: true,
        ..Options::default()
    });
    let options = CaOptions::new().limits(CaLimits::unlimited()).profile(
        "default",
        "ninety days",
        Duration::from_secs(90 * 86_400),
    );
    let ca = TestCa::builder(provider())
        .options(options)
        .start()
        .await
        .unwrap();
    let theirs = requests(&pebble.url, &pebble.root_pem).await;
    let ours = requests(ca.directory_url(), ca.tls_root_pem()).await;
    assert_eq!(theirs.len(), ours.len());
    let mut odd = Vec::new();
    let mut expected: Vec<_> = EXPECTED.to_vec();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs.step, ours.step);
        let parts = [
            ("status", theirs.status.to_string(), ours.status.to_string()),
            ("headers", theirs.headers.join(" "), ours.headers.join(" ")),
            ("problem", theirs.problem.clone(), ours.problem.clone()),
            ("body", theirs.shape.clone(), ours.shape.clone()),
        ];
        for (what, pebble, own) in parts {
            if pebble == own {
                continue;
            }
            let known = (ours.step, what, pebble.as_str(), own.as_str());
            match expected.iter().position(|(e, _)| *e == known) {
                Some(at) => drop(expected.remove(at)),
                None => odd.push(format!(
                    "{}: {what}\n  Pebble: {pebble}\n  ours:   {own}",
                    ours.step
                )),
            }
        }
    }
    assert!(odd.is_empty(), "{} differ\n{}", odd.len(), odd.join("\n"));
    assert!(expected.is_empty(), "no difference any more: {expected:#?}");
}
