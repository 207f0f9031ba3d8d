//! Listening sockets: TLS over TCP, plain TCP, Unix.

use std::{
    fmt, io,
    net::SocketAddr,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, Socket as RawSocket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::tls::TlsServer;

/// A socket that is bound and takes connections once it is served.
pub struct Listener {
    pub(super) socket: Socket,
    local: Local,
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// An address; its port is the one that was had when any was asked for.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the address.
    #[error("{0} is in use: another server listens there")]
    InUse(SocketAddr),
    /// The address needs a privilege.
    #[error(
        "no permission to listen on {0}: ports below 1024 need CAP_NET_BIND_SERVICE (the packaged unit has it)"
    )]
    Denied(SocketAddr),
    /// A daemon answers on the socket already.
    #[error("a daemon already serves {}", .0.display())]
    Running(PathBuf),
    /// Unix sockets have short paths.
    #[error("{} is longer than the {PATH_BYTES_MAX} bytes that a Unix socket's path can have: set [listen] admin", .0.display())]
    PathTooLong(PathBuf),
    /// What systemd passed cannot be used.
    #[error("sockets that systemd passed: {0}")]
    Passed(String),
    /// Anything else.
    #[error("cannot listen on {local}: {source}")]
    Io {
        /// Where.
        local: Local,
        /// What the system said.
        source: io::Error,
    },
}

/// `sun_path` has 108 bytes on Linux, one of them for the end and four for the name before the socket is in place.
const PATH_BYTES_MAX: usize = 103;

pub(super) enum Socket {
    Tcp(TcpListener, Option<TlsServer>),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "removes the file when dropped")] UnixFile,
    ),
}

pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr, Option<TlsServer>),
    Unix(UnixStream),
}

impl Listener {
    /// Binds `address` for connections without TLS. Port 0 takes any free one, see [`Listener::local`]. An IPv6 address takes
    /// IPv6 connections alone, whatever the system's default is, so `[::]` stands beside `0.0.0.0` on the same port.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn plain(address: SocketAddr) -> Result<Self, ListenError> {
        Self::tcp(address, None).await
    }

    /// Binds `address` for connections with TLS.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn tls(address: SocketAddr, tls: TlsServer) -> Result<Self, ListenError> {
        Self::tcp(address, Some(tls)).await
    }

    /// A socket that was bound before this program started.
    ///
    /// # Errors
    /// [`ListenError::Passed`].
    pub(super) fn passed(
        socket: std::net::TcpListener,
        tls: Option<TlsServer>,
    ) -> Result<Self, ListenError> {
        let failed = |error: io::Error| ListenError::Passed(error.to_string());
        socket.set_nonblocking(true).map_err(failed)?;
        let local = Local::Tcp(socket.local_addr().map_err(failed)?);
        let listener = TcpListener::from_std(socket).map_err(failed)?;
        Ok(Self {
            socket: Socket::Tcp(listener, tls),
            local,
        })
    }

    /// Binds a Unix socket that only the owner can open (mode 0600). A file left by a process that is gone is replaced, one on
    /// which somebody answers is not. The file is removed when the listener is dropped.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn unix(path: &Path) -> Result<Self, ListenError> {
        if path.as_os_str().as_bytes().len() > PATH_BYTES_MAX {
            return Err(ListenError::PathTooLong(path.to_owned()));
        }
        let local = Local::Unix(path.to_owned());
        let failed = |source| ListenError::Io {
            local: local.clone(),
            source,
        };
        match UnixStream::connect(path).await {
            Ok(_) => return Err(ListenError::Running(path.to_owned())),
            Err(error) if is_nobody_there(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        // Bound under another name first, so that the socket is never there with wider permissions.
        let mut early = path.as_os_str().to_owned();
        early.push(".new");
        let early = PathBuf::from(early);
        remove_if_there(&early).map_err(failed)?;
        let listener = UnixListener::bind(&early).map_err(failed)?;
        std::fs::set_permissions(&early, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&early, path).map_err(failed)?;
        let file = UnixFile::of(path).map_err(failed)?;
        Ok(Self {
            socket: Socket::Unix(listener, file),
            local,
        })
    }

    /// Where it is bound.
    pub fn local(&self) -> &Local {
        &self.local
    }

    async fn tcp(address: SocketAddr, tls: Option<TlsServer>) -> Result<Self, ListenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address),
            io::ErrorKind::PermissionDenied => ListenError::Denied(address),
            _ => ListenError::Io {
                local: Local::Tcp(address),
                source,
            },
        };
        let listener = bound(address).map_err(failed)?;
        let local = Local::Tcp(listener.local_addr().map_err(failed)?);
        Ok(Self {
            socket: Socket::Tcp(listener, tls),
            local,
        })
    }

    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                Ok(Accepted::Tcp(stream, address, tls.clone()))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream))
            }
        }
    }
}

/// What the system says of many connections that come at once is bounded by `net.core.somaxconn` besides.
const BACKLOG: i32 = 1024;

fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart does not wait for connections that ended a moment ago.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Local {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The socket's file, known by its inode: another daemon's file at the same path is not ours to remove.
pub(super) struct UnixFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl UnixFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            inode: inode(path)?,
        })
    }
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // Left behind, it is replaced at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_unix_socket_is_for_its_owner_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = Listener::unix(&path).await.unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_left_by_a_dead_daemon_is_replaced_but_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let living = Listener::unix(&path).await.unwrap();
        assert!(matches!(
            Listener::unix(&path).await,
            Err(ListenError::Running(_))
        ));
        drop(living);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_of_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let ours = Listener::unix(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        drop(ours);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn all_addresses_of_both_families_are_taken_on_one_port() {
        // A machine without IPv6 has nothing to show here.
        if std::net::TcpListener::bind("[::1]:0").is_err() {
            return;
        }
        for order in [["0.0.0.0", "[::]"], ["[::]", "0.0.0.0"]] {
            let first = format!("{}:0", order[0]).parse().unwrap();
            let first = Listener::plain(first).await.unwrap();
            let port = first.local().tcp().unwrap().port();
            let second = format!("{}:{port}", order[1]).parse().unwrap();
            let _second = Listener::plain(second).await.unwrap();
            for host in ["127.0.0.1", "::1"] {
                std::net::TcpStream::connect((host, port)).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_said_to_be() {
        let first = Listener::plain("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let address = first.local().tcp().unwrap();
        assert_ne!(address.port(), 0);
        assert!(matches!(
            Listener::plain(address).await,
            Err(ListenError::InUse(_))
        ));
    }
}
