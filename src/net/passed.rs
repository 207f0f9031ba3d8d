//! Sockets that systemd bound before this program started (`sd_listen_fds(3)`): no port is refused while the shop restarts,
//! and no capability is needed.

use std::{io, net::SocketAddr};

use listenfd::ListenFd;

use super::{
    listen::{ListenError, Listener},
    tls::TlsServer,
};

/// The name of sockets that speak TLS, and of those that do not (`FileDescriptorName=` of the socket unit).
const NAMES: [&str; 2] = ["https", "http"];

/// What was passed, by name. Sockets of a name take the place of the addresses of that name in the settings.
#[derive(Debug, Default)]
pub struct Passed {
    https: Vec<std::net::TcpListener>,
    http: Vec<std::net::TcpListener>,
}

impl Passed {
    /// Takes what was passed to this process: all of it at the first call, nothing later.
    ///
    /// # Errors
    /// [`ListenError::Passed`] for what is not a TCP socket or has no name that is known.
    pub fn take() -> Result<Self, ListenError> {
        // Its names stay in the environment: they mean nothing without the numbers, which are taken out of it.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut sockets = ListenFd::from_env();
        let taken: io::Result<Vec<_>> = (0..sockets.len())
            .filter_map(|at| sockets.take_tcp_listener(at).transpose())
            .collect();
        let taken = taken.map_err(|error| ListenError::Passed(error.to_string()))?;
        Self::named(&names, taken)
    }

    /// The listeners that speak TLS: those that were passed, else `addresses` bound.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn https(
        &mut self,
        addresses: &[SocketAddr],
        tls: TlsServer,
    ) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = Vec::new();
        for socket in std::mem::take(&mut self.https) {
            listeners.push(Listener::passed(socket, Some(tls.clone()))?);
        }
        if listeners.is_empty() {
            for address in addresses {
                listeners.push(Listener::tls(*address, tls.clone()).await?);
            }
        }
        Ok(listeners)
    }

    /// The listeners without TLS: those that were passed, else `addresses` bound.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn http(&mut self, addresses: &[SocketAddr]) -> Result<Vec<Listener>, ListenError> {
        let mut listeners = Vec::new();
        for socket in std::mem::take(&mut self.http) {
            listeners.push(Listener::passed(socket, None)?);
        }
        if listeners.is_empty() {
            for address in addresses {
                listeners.push(Listener::plain(*address).await?);
            }
        }
        Ok(listeners)
    }

    /// Sorts sockets by their names, which stand in the same order with colons between them.
    fn named(names: &str, sockets: Vec<std::net::TcpListener>) -> Result<Self, ListenError> {
        let mut passed = Self::default();
        let mut names = names.split(':');
        for socket in sockets {
            match names.next() {
                Some("https") => passed.https.push(socket),
                Some("http") => passed.http.push(socket),
                other => {
                    let name = other.unwrap_or_default();
                    return Err(ListenError::Passed(format!(
                        "one is named \"{name}\": set FileDescriptorName={} in its socket unit",
                        NAMES.join(" or ")
                    )));
                }
            }
        }
        Ok(passed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn socket() -> std::net::TcpListener {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[tokio::test]
    async fn a_passed_socket_is_served_in_place_of_the_settings() {
        let given = socket();
        let at = given.local_addr().unwrap();
        let mut passed = Passed::named("http", vec![given]).unwrap();
        // A port that cannot be had here: it is not tried.
        let listeners = passed
            .http(&["192.0.2.1:80".parse().unwrap()])
            .await
            .unwrap();
        let places: Vec<_> = listeners.iter().map(|one| one.local().tcp()).collect();
        assert_eq!(places, [Some(at)]);
    }

    #[tokio::test]
    async fn without_a_passed_socket_the_settings_hold() {
        let mut passed = Passed::named("", Vec::new()).unwrap();
        let listeners = passed
            .http(&["127.0.0.1:0".parse().unwrap()])
            .await
            .unwrap();
        assert_eq!(listeners.len(), 1);
    }

    #[test]
    fn a_socket_without_a_known_name_is_refused_with_what_to_do() {
        for names in ["", "keystall.socket", "https:other"] {
            let refused = Passed::named(names, vec![socket(), socket()]).unwrap_err();
            assert!(
                refused.to_string().contains("FileDescriptorName"),
                "{names}"
            );
        }
    }
}
