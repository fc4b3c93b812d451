//! The keys that a file names.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    PipelineConfig,
    settings::{KeySettings, KmsSettings},
};
use crate::{
    error::Error,
    mask::{KeyRing, Keys, LocalKeyFile},
};

const SECTION: &str = "mask.keys";

/// The keys of the section, if there is one.
pub(super) fn keys(
    config: &PipelineConfig,
    settings: Option<&KeySettings>,
) -> Result<Option<Arc<Keys>>, Error> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let Some(ring) = &settings.ring else {
        let message = "ring names the file of the wrapped data keys, as KeyRing::create makes it";
        return Err(config.wrong(SECTION, message));
    };
    let ring = KeyRing::open(config.beside(ring));
    let ring = ring.map_err(|error| config.caused("mask.keys.ring", error))?;
    let keys = match (&settings.key_file, &settings.kms) {
        (Some(path), None) => {
            let caused = |error| config.caused("mask.keys.key_file", error);
            let file = LocalKeyFile::open(config.beside(path)).map_err(caused)?;
            at_once(ring.keys(&file)).map_err(caused)?
        }
        (None, Some(kms)) => of_kms(config, &ring, kms)?,
        (None, None) => {
            let message = "key_file or kms says what unwraps the keys of the ring";
            return Err(config.wrong(SECTION, message));
        }
        (Some(_), Some(_)) => {
            let message = "only one of key_file and kms can unwrap the keys of the ring";
            return Err(config.wrong(SECTION, message));
        }
    };
    Ok(Some(Arc::new(keys)))
}

/// What waits for nothing, as a provider that is a file.
fn at_once<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            let message = "the key file waits for something; give the keys to build_with_keys";
            Err(Error::key("unwrap data keys", false, message.to_owned()))
        }
    }
}

#[cfg(feature = "mask-kms")]
fn of_kms(config: &PipelineConfig, ring: &KeyRing, settings: &KmsSettings) -> Result<Keys, Error> {
    let caused = |error| config.caused("mask.keys.kms", error);
    if settings.key_id.is_empty() {
        let message = "key_id is the id, alias or ARN of a key of KMS";
        return Err(config.wrong("mask.keys.kms", message));
    }
    let variable = |name: &str| {
        let value = config.variables.get(name).cloned();
        value.filter(|value| !value.is_empty())
    };
    let KmsSettings {
        key_id,
        region,
        endpoint,
    } = settings;
    let kms = crate::mask::AwsKms::from_variables(
        key_id,
        region.as_deref(),
        endpoint.as_deref(),
        variable,
    );
    let kms = kms.map_err(caused)?;
    // On a thread of its own: one of a runtime must not wait for another runtime.
    let unwrap = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime
            .map_err(|error| Error::key("unwrap data keys by KMS", true, error.to_string()))?;
        runtime.block_on(ring.keys(&kms))
    };
    let keys = std::thread::scope(|scope| match scope.spawn(unwrap).join() {
        Ok(keys) => keys,
        Err(panic) => std::panic::resume_unwind(panic),
    });
    keys.map_err(caused)
}

#[cfg(not(feature = "mask-kms"))]
fn of_kms(config: &PipelineConfig, _: &KeyRing, settings: &KmsSettings) -> Result<Keys, Error> {
    let KmsSettings {
        key_id: _,
        region: _,
        endpoint: _,
    } = settings;
    Err(config.disabled("mask.keys.kms", "mask-kms"))
}
