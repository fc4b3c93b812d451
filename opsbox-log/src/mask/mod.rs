//! Masking: what is sensitive is found, and does not leave.
//!
//! ```text
//! Policy ──> Masker ──> Batch with masked columns, MaskReport
//!   fields by name ──> tag ─┐
//!   free text ──> Scanner ──┴─> Action by tag
//!                                 └─ Keys <── KeyRing <── KeyProvider
//! ```
//!
//! ```
//! use opsbox_log::mask::{Action, Masker, Policy, Tag};
//! use opsbox_log::{Format, Parser};
//!
//! let log = "2026-01-02 03:04:05 [INFO] order of a@example.com paid by 4111 1111 1111 1111\n";
//! let mut batch = Parser::new(Format::preset("app")?).parse(log);
//!
//! let policy = Policy::new().action(Tag::EMAIL, Action::Partial);
//! let report = Masker::new(policy, None)?.mask(&mut batch);
//!
//! let message = batch.record(0).unwrap().text("message").unwrap();
//! assert_eq!(message, "order of ***@example.com paid by [REDACTED:PII_CARD]");
//! assert_eq!(report.findings_of(&Tag::CARD), 1);
//! # Ok::<(), opsbox_log::Error>(())
//! ```
//!
//! # What it does not do
//!
//! - It finds what has a shape. A name, an address, a diagnosis in free text has none: give such fields a tag.
//! - Names of columns are not masked, also where they come from the input, and reports have them.
//! - The input's bytes stay as they are: see [`Masker`].
//! - It knows no JSON: where a number is masked in a column of JSON text, that is none any more. Text stays text.
//! - A value that is cut in two, by a line's end or by other columns, is not found.
//! - `\n`, `\t` and their like in front of a value are taken for escapes: of `DOMAIN\nick@example.com` the `n` stays.
//! - A secret is named next to its value, or by its column: `{"name":"token","value":"..."}` is not found, nor
//!   one whose separator is encoded (`password%3D`). Without quotes it ends at a blank or quote, a word of
//!   lower case behind `token: ` or `secret: ` is taken for a sentence, and so are words such as `expired`
//!   behind any name. `${NAME}`, and letters alone in `<` and `>`, are taken for what is to be put in.
//! - A check digit says that a number can be a card, not that it is one: of random numbers with a network's
//!   prefix every tenth is taken for one.
//!
//! # Tokens
//!
//! [`Encrypt`](Action::Encrypt) writes `[enc1:TAG:VERSION:PAYLOAD]`: the tag, the key version in decimal,
//! and in base64url without padding a nonce of 12 bytes, the ciphertext and the tag of AES-256-GCM of 16
//! bytes. Tenant, tag and version are its associated data. [`Pseudonym`](Action::Pseudonym) writes
//! `[pid1:TAG:VERSION:PAYLOAD]`, the first 16 bytes of an HMAC-SHA-256 of these and the value. The brackets
//! say where a token ends, so that they are found in any text ([`Keys::decrypt_text`]).

mod action;
mod detect;
mod detector;
mod key;
#[cfg(feature = "mask-kms")]
mod kms;
mod masker;
mod names;
mod partial;
mod pattern;
mod plain;
mod policy;
mod prefilter;
#[cfg(feature = "config")]
mod read;
mod report;
mod scanner;
#[cfg(feature = "schema")]
mod schema;
mod tag;
mod token;

pub use action::{Action, Salt};
pub use detector::Detector;
use detector::Detectors;
pub use key::{
    DataKey, Decrypted, KeyContext, KeyFuture, KeyProvider, KeyRing, Keys, LocalKeyFile, SecretKey,
};
#[cfg(feature = "mask-kms")]
pub use kms::{AwsCredentials, AwsKms};
pub use masker::Masker;
pub use policy::Policy;
pub use report::{MaskCount, MaskRefusal, MaskReport};
pub use scanner::{Finding, Pattern, Scanner};
#[cfg(feature = "schema")]
pub use schema::policy_schema;
pub use tag::Tag;
