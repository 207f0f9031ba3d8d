//! Sockets: the listeners, the accept loop with its limits and times, TLS and its certificates, the one outbound client with its
//! guard, S3-compatible storage over it, and the command line's way to the daemon.
//!
//! # Threats and answers
//! A client that sends slowly, reads slowly or not at all is cut by [`Timeouts`]; one that comes many times meets the caps of
//! [`ServeLimits`]. A host name that points into the private network is refused at the address that would be connected to,
//! so that a second look-up cannot change the answer (security.md, section 3).
//!
//! It takes a tower `Service` and never knows what is served; it never follows a redirect, never reads settings itself and
//! never decides anything about the shop.

pub mod acme;
mod activity;
pub mod admin_client;
pub mod certificate;
pub mod client;
pub mod client_address;
pub mod guard;
pub mod listen;
pub mod passed;
mod places;
pub mod s3;
pub mod serve;
mod stall;
pub mod tls;

use std::net::{IpAddr, SocketAddr};

pub use certificate::CertificateFacts;
pub use client::{Answer, Client, ClientPolicy, OutboundError, Streamed, TlsSetup};
pub use client_address::client_address;
pub use listen::{ListenError, Listener, Local};
pub use passed::Passed;
pub use serve::{ServeLimits, Timeouts, serve};
pub use tls::{TlsError, TlsServer};

/// An error of a service or a body, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who is at the other end of a connection; in the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Someone over TCP: a client, or a proxy before it.
    Remote {
        /// The other end.
        address: SocketAddr,
        /// Whether this connection is encrypted by us.
        tls: bool,
    },
    /// A process on this machine that may open the Unix socket.
    Local,
}

impl Peer {
    /// The other end's address; none over a Unix socket.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Remote { address, .. } => Some(address.ip().to_canonical()),
            Self::Local => None,
        }
    }
}
