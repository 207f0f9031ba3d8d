//! Where a git repository lies.

use std::fmt;
use std::net::Ipv6Addr;

/// A remote that the git program reaches without running anything that the remote names, and that is no option to git or ssh:
/// `https://host/path`, `ssh://user@host/path`, `user@host:path` or `file:///path`. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitRemote(String);

/// Why a text is no [`GitRemote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitRemoteError {
    /// Another form.
    #[error(
        "a remote like https://host/path, ssh://user@host/path, user@host:path or file:///path is needed"
    )]
    Form,
    /// It would be shown in logs and lies in the settings.
    #[error("a password does not belong into it: use an SSH key or git's credential helper")]
    Password,
}

impl GitRemote {
    /// # Errors
    /// [`GitRemoteError`].
    pub fn parse(text: &str) -> Result<Self, GitRemoteError> {
        let plain =
            text.len() <= REMOTE_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            return Err(GitRemoteError::Form);
        }
        let good = if let Some(rest) = text.strip_prefix("https://") {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            // What stands before an `@` is a token or a password here.
            if authority.contains('@') {
                return Err(GitRemoteError::Password);
            }
            is_host_and_port(authority) && !path.is_empty()
        } else if let Some(rest) = text.strip_prefix("ssh://") {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, host) = match authority.rsplit_once('@') {
                Some((user, host)) => (Some(user), host),
                None => (None, authority),
            };
            if user.is_some_and(|user| user.contains(':')) {
                return Err(GitRemoteError::Password);
            }
            user.is_none_or(is_user) && is_host_and_port(host) && !path.is_empty()
        } else if let Some(path) = text.strip_prefix("file:///") {
            !path.is_empty()
        } else {
            is_short(text)
        };
        match good {
            true => Ok(Self(text.to_owned())),
            false => Err(GitRemoteError::Form),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GitRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `user@host:path`, which ssh reads; `::` would name a helper, a leading `-` would be an option.
fn is_short(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else {
        return false;
    };
    let place = match rest.strip_prefix('[') {
        Some(inner) => inner
            .split_once("]:")
            .filter(|(address, _)| address.parse::<Ipv6Addr>().is_ok()),
        None => rest.split_once(':').filter(|(host, _)| is_host(host)),
    };
    let is_path = |path: &str| {
        !path.is_empty()
            && !path.starts_with('-')
            && !path.starts_with(':')
            && !path.starts_with("//")
    };
    is_user(user) && place.is_some_and(|(_, path)| is_path(path))
}

/// A user's name on another machine.
fn is_user(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(known)
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_host_and_port(text: &str) -> bool {
    let (host_is_good, after) = match text.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((address, after)) => (address.parse::<Ipv6Addr>().is_ok(), after),
            None => return false,
        },
        None => {
            let (host, after) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_host(host), after)
        }
    };
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    host_is_good && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port))
}

/// A name or an IPv4 address: it begins with a letter or a digit, so that no program takes it for an option.
fn is_host(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(known)
}

const REMOTE_BYTES_MAX: usize = 512;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_that_begins_as_an_option_is_refused_wherever_it_stands() {
        for option in [
            "-x:y",
            "--upload-pack=touch /tmp/x",
            "-u@host.example:x",
            "u@-oProxyCommand=x:y",
            "u@host.example:-x",
            "ssh://u@-oProxyCommand=x/y",
            "ssh://-oProxyCommand=x/y",
            "ssh://-u@host.example/y",
            "ssh://u@[-oProxyCommand=x]/y",
            "https://-x.example/y",
        ] {
            assert_eq!(
                GitRemote::parse(option),
                Err(GitRemoteError::Form),
                "{option}"
            );
        }
    }

    #[test]
    fn what_git_reaches_by_itself_is_a_remote_and_nothing_else() {
        for remote in [
            "https://git.example/me/log.git",
            "https://git.example:8443/log.git",
            "ssh://git@git.example/log.git",
            "ssh://git.example:2222/~me/log.git",
            "ssh://git@[2001:db8::1]:22/log.git",
            "git@git.example.com:me/ledger.git",
            "git@192.0.2.1:/srv/log.git",
            "git@[2001:db8::1]:log.git",
            "file:///srv/log.git",
        ] {
            assert_eq!(GitRemote::parse(remote).unwrap().as_str(), remote);
        }
        let long = format!("file:///{}", "x".repeat(REMOTE_BYTES_MAX));
        for other in [
            "",
            "/srv/log.git",
            "log.git",
            "file://host/x",
            "file:///",
            "http://git.example/x",
            "ext::sh -c x",
            "ext::touch",
            "git@ext::x",
            "u@host://x",
            "https://git.example",
            "https://git.example:0/x",
            "https://git.example:+1/x",
            "https:///x",
            "ssh://u@/x",
            "ssh://@git.example/x",
            "ssh://git.example:/x",
            "git.example:x",
            "@git.example:x",
            "git@git.example:",
            "https://git.example/a b",
            &long,
        ] {
            assert_eq!(
                GitRemote::parse(other),
                Err(GitRemoteError::Form),
                "{other}"
            );
        }
    }

    #[test]
    fn a_remote_with_a_password_is_told_so() {
        for secret in [
            "https://me:word@git.example/x",
            "https://token@git.example/x",
            "ssh://me:word@git.example/x",
        ] {
            assert_eq!(GitRemote::parse(secret), Err(GitRemoteError::Password));
        }
    }
}
