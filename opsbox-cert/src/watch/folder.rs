//! The pairs of a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Reason, Result};
use crate::limits::MAX_WATCHED;

/// Chain and key, by the names that Kubernetes and certbot give them.
const PAIRS: [(&str, &str); 2] = [("tls.crt", "tls.key"), ("fullchain.pem", "privkey.pem")];

/// Id, chain and key of each sub folder that has both.
pub(super) fn pairs(folder: &Path) -> Result<Vec<(Arc<str>, PathBuf, PathBuf)>> {
    let io = |error| Error::from(Reason::io(error)).with_path(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        // A name that is no text is no id.
        let id = path.file_name().and_then(|name| name.to_str());
        let Some(id) = id.filter(|id| !id.starts_with('.')) else {
            continue;
        };
        let both = PAIRS.map(|(chain, key)| (path.join(chain), path.join(key)));
        if let Some((chain, key)) = both
            .into_iter()
            .find(|(chain, key)| chain.exists() && key.exists())
        {
            if found.len() == MAX_WATCHED {
                let reason = format!(
                    "it has more than {MAX_WATCHED} certificates; spread them over several folders"
                );
                return Err(Error::store(
                    ErrorKind::Limit,
                    "watch",
                    folder.display(),
                    reason,
                ));
            }
            found.push((id.into(), chain, key));
        }
    }
    found.sort();
    Ok(found)
}
