//! The object store that copies go to, by its URL.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use dacapo::Error;
use object_store::{ObjectStore, ObjectStoreScheme, local::LocalFileSystem, path::Path as Key};
use url::Url;

use crate::because;
use crate::resume;
use crate::source::resolve;

/// The URL of a destination that is a folder or a URL already.
pub(crate) fn url(destination: &str) -> dacapo::Result<String> {
    let invalid = format!("cannot back up into `{destination}`");
    let folder = if destination.contains("://") {
        let url = Url::parse(destination).map_err(because(&invalid))?;
        if url.scheme() != "file" {
            return Ok(destination.trim_end_matches('/').to_owned());
        }
        url.to_file_path().map_err(|()| Error::msg(format!("{invalid}: it is not a path of this machine")))?
    } else {
        PathBuf::from(destination)
    };
    let folder = resolve(&folder).map_err(because(&invalid))?;
    Url::from_file_path(folder).map(String::from).map_err(|()| Error::msg(invalid))
}

/// The folder of this machine that a destination is, if it is one.
pub(crate) fn folder_of(destination: &str) -> Option<PathBuf> {
    Url::parse(destination).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

/// Refuses a destination inside the source, and a source inside the destination.
pub(crate) fn check_apart(source: &Path, destination: &str) -> dacapo::Result<()> {
    let Some(folder) = folder_of(destination) else { return Ok(()) };
    let source = source.canonicalize()?;
    if folder.starts_with(&source) || source.starts_with(&folder) {
        let shown = folder.display();
        let wrong = "source and destination must lie apart, neither inside the other";
        return Err(Error::msg(format!("cannot back up into `{shown}`: {wrong}")));
    }
    Ok(())
}

/// Refuses names that `LocalFileSystem` keeps for itself, such as `name#1`.
pub(crate) fn check_name(path: &str, destination: &str) -> dacapo::Result<()> {
    let number = path.rsplit('/').next().and_then(|name| name.split_once('#')).map(|(_, number)| number);
    let is_reserved = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    if is_reserved && folder_of(destination).is_some() {
        let wrong = "its name ends with `#` and a number";
        return Err(Error::msg(format!("`{path}` cannot be backed up into a folder: {wrong}")));
    }
    Ok(())
}

/// An object store, and where in it the files go.
type Target = (Arc<dyn ObjectStore>, Key);

/// The destinations in use, by URL. One database may hold several unfinished backups.
#[derive(Default)]
pub(crate) struct Destinations(Mutex<HashMap<String, Target>>);

impl Destinations {
    /// The object store of a destination, opened once.
    pub(crate) fn open(&self, destination: &str) -> dacapo::Result<Target> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = stores.get(destination) {
            return Ok(found.clone());
        }
        let url = Url::parse(destination)?;
        let opened = match ObjectStoreScheme::parse(&url)? {
            // What is recorded as copied is on the disk.
            (ObjectStoreScheme::Local, root) => (Arc::new(LocalFileSystem::new().with_fsync(true)) as Arc<dyn ObjectStore>, root),
            _ => {
                let (store, root) = object_store::parse_url_opts(&url, std::env::vars())
                    .map_err(because(format!("cannot back up into `{destination}`")))?;
                (Arc::from(store), root)
            }
        };
        stores.insert(destination.to_owned(), opened.clone());
        Ok(opened)
    }
}

/// A folder inside the destination, in which one call writes its copy until it is complete. It is deleted with this value.
pub(crate) struct Staging(PathBuf);

impl Staging {
    /// The folder of the call that runs, emptied of what a crash interrupted. No other call has it, in this database or another.
    pub(crate) fn new(folder: &Path, database: &Path) -> io::Result<Self> {
        let call = format!("{} {}", database.display(), dacapo::activity::idempotency_key());
        let staging = Self(folder.join(format!(".backup-{}", resume::hash(&call))));
        match fs::remove_dir_all(&staging.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(staging),
        }
    }

    /// Its name in the destination.
    pub(crate) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
