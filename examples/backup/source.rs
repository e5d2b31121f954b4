//! The directory that is backed up, and the paths of its files.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use dacapo::Error;
use object_store::path::Path as Key;

use crate::because;

/// The absolute path of a directory, as it is spelled: links in it stay, and only `..` is resolved.
pub(crate) fn directory(source: &Path) -> dacapo::Result<PathBuf> {
    let unreadable = format!("could not read the source `{}`", source.display());
    if !cfg!(windows) && source.to_str().is_some_and(is_windows_path) {
        let system = std::env::consts::OS;
        let hint = format!("it is a Windows path, and this is {system}; pass a path such as /home/ada/site");
        return Err(Error::msg(format!("{unreadable}: {hint}")));
    }
    let mut path = std::path::absolute(source).map_err(because(&unreadable))?;
    if path.components().any(|component| component == Component::ParentDir) {
        path = path.canonicalize().map_err(because(&unreadable))?;
    }
    match path.metadata().map_err(because(&unreadable))?.is_dir() {
        // Without a slash at the end.
        true => Ok(path.components().collect()),
        false => Err(Error::msg(format!("{unreadable}: it is not a directory"))),
    }
}

/// Whether a path begins with a drive, as in `C:\site`, or a share, as in `\\server\share`.
fn is_windows_path(path: &str) -> bool {
    let drive = matches!(path.as_bytes(), [letter, b':', rest @ ..]
        if letter.is_ascii_alphabetic() && matches!(rest.first(), None | Some(b'\\' | b'/')));
    drive || path.starts_with(r"\\")
}

/// The absolute paths of all regular files, sorted, and how many links, sockets and devices there are, for which an object store has no
/// place. Files of the database are not listed, nor are directories.
pub(crate) fn files(root: &Path, database: &Path) -> dacapo::Result<(Vec<String>, u64)> {
    let (mut files, mut left_out) = (Vec::new(), 0);
    let mut folders = vec![root.to_owned()];
    let database = root.canonicalize().ok().and_then(|real| Some(root.join(database.strip_prefix(real).ok()?)));
    while let Some(folder) = folders.pop() {
        let unreadable = |error: io::Error| because(format!("could not read the directory `{}`", folder.display()))(error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, metadata) = (entry.path(), entry.metadata().map_err(unreadable)?);
            if metadata.is_dir() {
                folders.push(path);
            } else if !metadata.is_file() {
                left_out += 1;
            } else if !database.as_ref().is_some_and(|database| is_part_of(database, &path)) {
                let text = text(&path)?;
                Key::parse(without_root(&text)).map_err(because(format!("`{text}` cannot be backed up")))?;
                files.push(text);
            }
        }
    }
    files.sort();
    Ok((files, left_out))
}

/// Whether `path` is the database or one of the files that SQLite and the runtime have beside it.
fn is_part_of(database: &Path, path: &Path) -> bool {
    let rest = path.to_str().zip(database.to_str()).and_then(|(path, database)| path.strip_prefix(database));
    rest.is_some_and(|rest| ["", "-wal", "-shm", "-journal", "-bell", "-worker", "-running"].contains(&rest))
}

/// The path as text.
pub(crate) fn text(path: &Path) -> dacapo::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::msg(format!("`{}` cannot be backed up: its name is not UTF-8", path.display())))
}

/// An absolute path without its root, with `/` between its parts.
pub(crate) fn without_root(path: &str) -> String {
    let named = Path::new(path).components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    named.collect::<Vec<_>>().join("/")
}

/// The path of a file below `source`, with `/` between its parts.
pub(crate) fn below(path: &str, source: &str) -> dacapo::Result<String> {
    Ok(without_root(&text(Path::new(path).strip_prefix(source)?)?))
}

/// The file of an SQLite store.
pub(crate) fn database_of(store: &str) -> dacapo::Result<PathBuf> {
    match store.strip_prefix("sqlite:").and_then(|rest| rest.split('?').next()) {
        Some(path) => {
            resolve(Path::new(path.strip_prefix("//").unwrap_or(path))).map_err(because(format!("cannot use `{store}`")))
        }
        None => Ok(PathBuf::new()),
    }
}

/// The absolute path without links, also of what does not exist yet.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => Ok(resolve(parent)?.join(name)),
        (found, ..) => found,
    }
}
