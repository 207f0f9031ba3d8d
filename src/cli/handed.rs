//! Files that root names, for a process that is about to give root's rights up: opened before, and handed over as open
//! descriptors. A key file under `/root` is so imported by a command that works as the shop's own user.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Files that this process was handed and that nobody opened yet.
static HANDED: Mutex<Vec<(PathBuf, File)>> = Mutex::new(Vec::new());

/// Says to which process files were handed: a number that is not its own means another.
const TO: &str = "KEYSTALL_HANDED_TO";
/// More files than any command takes; with standard input still under what one message carries (unix(7): 253).
const FILES_MAX: usize = 64;

/// Has `command`, which is executed in this process's place, find those of `named` that can be opened now. What cannot be opened is
/// left to it to complain of.
pub(super) fn hand_over(command: &mut Command, named: &[&Path]) -> io::Result<()> {
    let open = |(at, path): (usize, &&Path)| Some((u8::try_from(at).ok()?, File::open(path).ok()?));
    let named = named.iter().take(FILES_MAX).enumerate();
    let (places, files): (Vec<u8>, Vec<File>) = named.filter_map(open).unzip();
    if files.is_empty() {
        return Ok(());
    }
    let (sender, receiver) = UnixStream::pair()?;
    let stdin = io::stdin();
    // Standard input first: the socket takes its place meanwhile.
    let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(stdin.as_fd())
        .chain(files.iter().map(AsFd::as_fd))
        .collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // There is space for all of them.
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(
        &sender,
        &[IoSlice::new(&places)],
        &mut control,
        SendFlags::empty(),
    )?;
    if sent != places.len() {
        return Err(io::Error::other("files were not handed over"));
    }
    // What was sent waits in the socket, also after the sender's end is closed.
    command
        .stdin(Stdio::from(OwnedFd::from(receiver)))
        .env(TO, std::process::id().to_string());
    Ok(())
}

/// Takes what was handed to this process, if anything was, and gives it its standard input back. `named` are the same files in the
/// same order: both processes have the same arguments.
pub(super) fn receive(named: &[&Path]) -> io::Result<()> {
    // The id stays over an execve(2): nothing that a shell left in the environment is meant.
    if std::env::var(TO).ok().as_deref() != Some(&std::process::id().to_string()) {
        return Ok(());
    }
    let mut places = [0; FILES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let stdin = io::stdin();
    let received = recvmsg(
        stdin.as_fd(),
        &mut [IoSliceMut::new(&mut places)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let mut descriptors = rights.flatten();
    let before = descriptors
        .next()
        .ok_or_else(|| io::Error::other("no files were handed over"))?;
    rustix::stdio::dup2_stdin(before)?;
    let places = places.iter().take(received.bytes);
    let mut handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, file) in places.zip(descriptors) {
        if let Some(path) = named.get(usize::from(*place)) {
            handed.push(((*path).to_owned(), File::from(file)));
        }
    }
    Ok(())
}

/// Opens a file that the caller named: the handed one, else the one at its path.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut handed = HANDED.lock().unwrap_or_else(PoisonError::into_inner);
    match handed.iter().position(|(name, _)| name == path) {
        // Each opening has a descriptor of its own: a file named twice was handed twice.
        Some(at) => Ok(handed.remove(at).1),
        None => File::open(path),
    }
}
