//! Small files beside the database that are replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces the file at `path`, readable by its owner alone: written beside, fsynced, renamed, folder fsynced. After a crash it is
/// the old one or the new one, whole.
///
/// # Errors
/// What the file system says; then the old file stands.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    replace_bytes(path, text.as_bytes(), 0o600)
}

/// The same with any bytes, and the permission bits `mode`.
///
/// # Errors
/// What the file system says; then the old file stands.
pub fn replace_bytes(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(".new");
    // One that a crash left may not be writable.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
