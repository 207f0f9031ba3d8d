//! The service that a package brings: it is for the shop in the default folder alone, and how that one is started.

use std::path::Path;

use crate::config;

/// Where units lie (systemd.unit(5)).
const UNITS: [&str; 3] = [
    "/etc/systemd/system/keystall.service",
    "/usr/lib/systemd/system/keystall.service",
    "/lib/systemd/system/keystall.service",
];

/// Whether a service is installed for the shop in `dir`.
pub(super) fn is_for(dir: &Path) -> bool {
    dir == Path::new(config::DEFAULT_DIR) && UNITS.iter().any(|unit| Path::new(unit).exists())
}

/// The command that opens the shop in `dir`.
pub(super) fn command(dir: &Path) -> String {
    start(dir, is_for(dir))
}

fn start(dir: &Path, service: bool) -> String {
    match (service, dir == Path::new(config::DEFAULT_DIR)) {
        (true, _) => "systemctl enable --now keystall".to_owned(),
        (false, true) => "keystall serve".to_owned(),
        (false, false) => format!("keystall serve --dir {}", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_opened_by_its_service_where_there_is_one() {
        let packaged = Path::new(config::DEFAULT_DIR);
        assert_eq!(start(packaged, true), "systemctl enable --now keystall");
        assert_eq!(start(packaged, false), "keystall serve");
        let own = Path::new("/srv/shop");
        assert_eq!(start(own, false), "keystall serve --dir /srv/shop");
        assert!(!is_for(own));
    }
}
