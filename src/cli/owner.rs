//! Root gives its rights up before it opens a shop that belongs to somebody else: files it made there would be root's.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use super::Failure;

/// Starts this program again as the owner of `dir`, if it runs as root and the folder is not root's. Returns otherwise.
pub(super) fn become_owner_of(dir: &Path) -> Result<(), Failure> {
    let (Ok(this_process), Ok(folder)) = (fs::metadata("/proc/self"), fs::metadata(dir)) else {
        return Ok(());
    };
    // A process belongs to its effective user.
    let (user, owner, group) = (this_process.uid(), folder.uid(), folder.gid());
    if user != 0 || owner == 0 {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(|error| Failure::new("system", error))?;
    // Supplementary groups are dropped with the user id.
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .gid(group)
        .uid(owner)
        .exec();
    Err(Failure::new(
        "system",
        format!(
            "cannot become user {owner}, who owns {}: {error}",
            dir.display()
        ),
    ))
}
