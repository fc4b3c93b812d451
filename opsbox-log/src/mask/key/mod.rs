//! Keys: where they come from, how they are kept, and what is done with them.

mod data;
mod file;
mod provider;
mod ring;
mod write;

pub use data::{Decrypted, Keys};
pub(super) use data::{Nonces, Refused};
pub use file::LocalKeyFile;
pub use provider::{DataKey, KeyContext, KeyFuture, KeyProvider, SecretKey};
pub use ring::KeyRing;
