//! Files that are put into a container before it starts, and read back from one that is there.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use bollard::{
    body_full,
    query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder},
};
use futures::StreamExt as _;
use tomo_proto::error::ErrorCode;

use crate::docker::{Answer, Engine, EngineError};

/// Every user inside reads them, nobody but root there can change them; what compose gives secrets and configs too.
const MODE: u32 = 0o444;
/// What an archive of one file has beside its contents, at most.
const AROUND: usize = 16 * 1024;

/// Contents by path.
pub(crate) type Files = BTreeMap<String, String>;

impl Engine {
    /// Puts files into a container that has not started; folders on the way are made.
    pub(crate) async fn write_files(&self, container: &str, files: &Files) -> Answer<()> {
        if files.is_empty() {
            return Ok(());
        }
        let archive = archive_of(files).map_err(|error| {
            let message = format!("the files of a container make no archive: {error}");
            EngineError { code: ErrorCode::Internal, message }
        })?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        Ok(self.docker.upload_to_container(container, Some(options), body_full(archive.into())).await?)
    }

    /// Whether a container has these files.
    pub(crate) async fn has_files(&self, container: &str, files: &Files) -> Answer<bool> {
        for (path, contents) in files {
            if !self.has_file(container, path, contents).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn has_file(&self, container: &str, path: &str, contents: &str) -> Answer<bool> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut coming = self.docker.download_from_container(container, Some(options));
        let mut archive = Vec::new();
        while let Some(chunk) = coming.next().await {
            match chunk.map_err(EngineError::from) {
                Ok(chunk) => archive.extend_from_slice(&chunk),
                Err(error) if error.code == ErrorCode::NotFound => return Ok(false),
                Err(error) => return Err(error),
            }
            if archive.len() > contents.len() + AROUND {
                return Ok(false);
            }
        }
        Ok(only_file_in(&archive).is_ok_and(|found| found == contents.as_bytes()))
    }
}

fn archive_of(files: &Files) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(MODE);
        archive.append_data(&mut header, path.trim_start_matches('/'), contents.as_bytes())?;
    }
    archive.into_inner()
}

fn only_file_in(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    if let Some(entry) = tar::Archive::new(archive).entries()?.next() {
        entry?.read_to_end(&mut contents)?;
    }
    Ok(contents)
}
