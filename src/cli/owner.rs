//! Root gives its rights up before it opens a shop that belongs to somebody else: files it made there would be root's.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use super::{Failure, handed};

/// Somebody else, to whom a shop that root makes is to belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
    /// The name, or the number where none is known.
    pub(super) name: String,
}

/// The user that packages make.
const SERVICE_USER: &str = "keystall";
/// System users are always in here: systemd-sysusers and useradd write no other place.
const USERS: &str = "/etc/passwd";

impl Owner {
    /// To whom a new shop in `dir` belongs, where that is not this process's user: only root can make one for another. It is the
    /// folder's owner, or the service's user where `packaged` says that the folder is the package's.
    pub(super) fn of_new_shop(dir: &Path, packaged: bool) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let users = fs::read_to_string(USERS).unwrap_or_default();
        match fs::metadata(dir) {
            Ok(folder) if folder.uid() != 0 => {
                let number = folder.uid().to_string();
                let name = field_of(&users, 2, &number, 0).unwrap_or(&number);
                Some(Self {
                    user: folder.uid(),
                    group: folder.gid(),
                    name: name.to_owned(),
                })
            }
            _ if packaged => Self::of_service(&users),
            _ => None,
        }
    }

    fn of_service(users: &str) -> Option<Self> {
        let number = |field| field_of(users, 0, SERVICE_USER, field)?.parse().ok();
        Some(Self {
            user: number(2)?,
            group: number(3)?,
            name: SERVICE_USER.to_owned(),
        })
        .filter(|owner| owner.user != 0)
    }

    /// This program, to be run as this user.
    pub(super) fn command(&self) -> Result<Command, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::new("system", error))?;
        let mut command = Command::new(program);
        // Supplementary groups are dropped with the user id.
        command.gid(self.group).uid(self.user);
        Ok(command)
    }
}

/// Whether this process is root's.
pub(super) fn is_root() -> bool {
    // A process belongs to its effective user.
    fs::metadata("/proc/self").is_ok_and(|this_process| this_process.uid() == 0)
}

/// The name of this process's user; the number where none is known.
pub(super) fn this_user() -> String {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let number =
        fs::metadata("/proc/self").map_or_else(|_| "?".to_owned(), |this| this.uid().to_string());
    let name = field_of(&users, 2, &number, 0).map(str::to_owned);
    name.unwrap_or(number)
}

/// Whether a package made the user that the service runs as.
pub(super) fn service_user_is_there() -> bool {
    let users = fs::read_to_string(USERS).unwrap_or_default();
    Owner::of_service(&users).is_some()
}

/// Field `wanted` of the line of passwd(5) whose field `known` is `value`.
fn field_of<'a>(users: &'a str, known: usize, value: &str, wanted: usize) -> Option<&'a str> {
    let mut lines = users.lines().map(|line| line.split(':'));
    let mut line = lines.find(|line| line.clone().nth(known) == Some(value))?;
    line.nth(wanted)
}

/// What to do about a file that this process may not touch: whoever runs commands as root does not see that they act as another.
pub(super) fn how_to_reach() -> String {
    format!(
        " (commands act as the user {}, who owns the shop: use a place that this user can reach, as a new folder of its own under /var/tmp, and move the file)",
        this_user()
    )
}

/// Starts this program again as the owner of `dir`, if it runs as root and the folder is not root's. Returns otherwise. The files
/// that the caller `named` to be read are opened before.
pub(super) fn become_owner_of(dir: &Path, named: &[&Path]) -> Result<(), Failure> {
    let system = |error| Failure::new("system", error);
    handed::receive(named).map_err(system)?;
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
    let mut command = Command::new(program);
    command
        .args(std::env::args_os().skip(1))
        .gid(group)
        .uid(owner);
    handed::hand_over(&mut command, named).map_err(system)?;
    let error = command.exec();
    Err(Failure::new(
        "system",
        format!(
            "cannot become user {owner}, who owns {}: {error}",
            dir.display()
        ),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_service_user_is_found_by_its_name_and_is_never_root() {
        let users = "root:x:0:0:root:/root:/bin/bash\nkeystall2:x:7:7::/:/bin/sh\nkeystall:x:998:997:Keystall:/var/lib/keystall:/usr/sbin/nologin\n";
        let owner = Owner::of_service(users).unwrap();
        assert_eq!((owner.user, owner.group), (998, 997));
        assert_eq!(Owner::of_service("keystall:x:0:0::/:/bin/sh\n"), None);
        assert_eq!(Owner::of_service("keystall:x:many:0::/:/bin/sh\n"), None);
        assert_eq!(Owner::of_service("keystall\n"), None);
        assert_eq!(field_of(users, 2, "998", 0), Some("keystall"));
    }
}
