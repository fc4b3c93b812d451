//! Files, with errors that name them.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use crate::error::Error;

/// The first bytes of a regular file. Of a pipe they could be read only once, so it is refused.
pub(crate) fn sample(path: &Path, bytes: usize) -> Result<Vec<u8>, Error> {
    let file = open(path)?;
    let about = file.metadata().map_err(|source| error(path, source))?;
    if !about.is_file() {
        return Err(Error::File {
            path: path.to_owned(),
            message: "it is not a regular file, whose beginning can be read twice; name its format"
                .into(),
            source: None,
        });
    }
    let mut sample = Vec::new();
    file.take(bytes as u64)
        .read_to_end(&mut sample)
        .map_err(|source| error(path, source))?;
    Ok(sample)
}

/// Opens a file for reading; a folder, which could be opened too, is refused.
pub(crate) fn open(path: &Path) -> Result<fs::File, Error> {
    let file = fs::File::open(path).map_err(|source| error(path, source))?;
    let about = file.metadata().map_err(|source| error(path, source))?;
    if about.is_dir() {
        return Err(error(path, io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

/// What happened to which file.
pub(crate) fn error(path: &Path, source: io::Error) -> Error {
    let message = match source.kind() {
        io::ErrorKind::IsADirectory => "it is a folder; give a log file".into(),
        io::ErrorKind::NotFound => "there is no such file".into(),
        _ => source.to_string(),
    };
    Error::File {
        path: path.to_owned(),
        message,
        source: Some(source),
    }
}
