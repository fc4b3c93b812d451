//! AWS Signature Version 4, for requests to the root path without a query.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aes_gcm::aead::KeyInit as _;
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::AwsCredentials;

/// What is signed. The headers have lower case names and are sorted by them.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) headers: &'r [(&'r str, &'r str)],
    pub(super) body: &'r [u8],
}

/// `20150830T123600Z`
pub(super) fn timestamp(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The date of a day after 1970-01-01, by eras of 400 years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The value of the header `authorization`. `time` is that of the header `x-amz-date`.
pub(super) fn authorization(
    request: &Request<'_>,
    credentials: &AwsCredentials,
    (time, region, service): (&str, &str, &str),
) -> String {
    let day = time.get(..8).unwrap_or(time);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n/\n\n", request.method);
    for (name, value) in request.headers {
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{names}\n{}", hash(request.body)));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hash(canonical.as_bytes())
    );
    let key = signing_key(&credentials.secret, (day, region, service));
    let signature = HEXLOWER.encode(&*hmac(&*key, to_sign.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.key_id
    )
}

fn signing_key(secret: &str, (day, region, service): (&str, &str, &str)) -> Zeroizing<[u8; 32]> {
    let mut first = Zeroizing::new(String::with_capacity(4 + secret.len()));
    first.push_str("AWS4");
    first.push_str(secret);
    let parts = [region, service, "aws4_request"];
    let key = hmac(first.as_bytes(), day.as_bytes());
    parts
        .iter()
        .fold(key, |key, part| hmac(&*key, part.as_bytes()))
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    // A key as long as a block: a longer one is hashed (RFC 2104, section 2).
    let mut block = Zeroizing::new([0; 64]);
    let hashed;
    let key = match key.len() > block.len() {
        true => {
            hashed = Zeroizing::new(Sha256::digest(key).to_vec());
            &hashed[..]
        }
        false => key,
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(message);
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&mac.finalize().into_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The example of AWS's description of how a signing key is derived.
    #[test]
    fn signing_key_of_the_documentation() {
        let key = signing_key(SECRET, ("20150830", "us-east-1", "iam"));
        assert_eq!(
            HEXLOWER.encode(&*key),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }

    /// `get-vanilla` and `post-vanilla` of AWS's test suite for Signature Version 4.
    #[test]
    fn signatures_of_the_test_suite() {
        let credentials = AwsCredentials::new("AKIDEXAMPLE", SECRET);
        let time = "20150830T123600Z";
        for (method, signature) in [
            (
                "GET",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            let request = Request {
                method,
                headers: &[("host", "example.amazonaws.com"), ("x-amz-date", time)],
                body: b"",
            };
            assert_eq!(
                authorization(&request, &credentials, (time, "us-east-1", "service")),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                )
            );
        }
    }

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (4_107_542_399, "21000228T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let credentials =
            AwsCredentials::new("AKIDEXAMPLE", SECRET).session_token("session-canary");
        assert_eq!(
            format!("{credentials:?}"),
            r#"AwsCredentials { key_id: "AKIDEXAMPLE", .. }"#
        );
    }
}
