#![allow(clippy::unwrap_used, clippy::type_complexity)]

use super::*;

fn from(file: &str, env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "s3cret-canary\n").unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, file).unwrap();
    load_from(
        &path,
        dir.path(),
        env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
    )
}

/// The complaint, which must be there.
fn complaint(file: &str, env: &[(&str, &str)]) -> String {
    from(file, env).map(|_| ()).expect_err(file).to_string()
}

#[test]
fn the_example_is_exactly_the_defaults() {
    assert_eq!(
        from(example(), &[]).unwrap().redacted(),
        Settings::default().redacted()
    );
}

#[test]
fn the_example_names_every_key_in_its_section_with_a_reason() {
    for (section, keys) in Settings::CATALOGUE {
        let (_, rest) = example()
            .split_once(&format!("\n[{section}]\n"))
            .expect(section);
        let part = rest.split("\n[").next().unwrap();
        for (key, _) in *keys {
            let line = part
                .lines()
                .find(|line| {
                    line.trim_start_matches("# ")
                        .starts_with(&format!("{key} = "))
                })
                .expect(key);
            assert!(line.trim_start_matches("# ").contains(" # "), "{line}");
        }
    }
}

#[test]
fn no_file_and_no_environment_means_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let settings = load(dir.path(), std::iter::empty()).unwrap();
    assert_eq!(settings.redacted(), Settings::default().redacted());
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[shop]\nhost = \"a.example\"\ntitle = \"A\"\n[limits]\nheld_share_percent = 5\n";
    let env = [
        ("KEYSTALL_SHOP__HOST", "b.example"),
        ("KEYSTALL_SHOP__ORDER_TTL", "15m"),
        ("KEYSTALL_LIMITS__HELD_SHARE_PERCENT", "0"),
        ("KEYSTALL_LEDGER__PUBLIC_CHECKPOINT", "false"),
        ("KEYSTALL_LISTEN__HTTPS", ""),
        ("KEYSTALL_LISTEN__HTTP", "127.0.0.1:80, [::1]:80"),
        ("KEYSTALL_DIR", "/ignored"),
        ("KEYSTALL_BIN", "/ignored"),
        ("PATH", "/ignored"),
    ];
    let settings = from(file, &env).unwrap();
    assert_eq!(
        (settings.shop.host.as_str(), settings.shop.title.as_str()),
        ("b.example", "A")
    );
    assert_eq!(settings.shop.order_ttl.ms(), 900_000);
    assert_eq!(settings.limits.held_share_percent, 0);
    assert!(!settings.ledger.public_checkpoint);
    assert!(settings.listen.https.is_empty());
    assert_eq!(settings.listen.http.len(), 2);
}

#[test]
fn an_unknown_name_is_named_with_its_place_and_what_was_meant() {
    let cases: [(&str, &[(&str, &str)], &[&str]); 6] = [
        (
            "[shop]\n\nhostt = \"a\"\n",
            &[],
            &["[shop] hostt", "line 3", "did you mean host?"],
        ),
        (
            "[shp]\nhost = \"a\"\n",
            &[],
            &["[shp]", "line 1", "did you mean [shop]?"],
        ),
        (
            "[shop]\ncache_mib = 1\n",
            &[],
            &["[shop] cache_mib", "it belongs to [store]"],
        ),
        (
            "",
            &[("KEYSTALL_SHOP__HOTS", "a")],
            &["KEYSTALL_SHOP__HOTS", "did you mean host?"],
        ),
        (
            "",
            &[("KEYSTALL_SHOPS__HOST", "a")],
            &["KEYSTALL_SHOPS__HOST", "did you mean [shop]?"],
        ),
        (
            "[shop]\nhost_file = \"x\"\n",
            &[],
            &["[shop] host_file", "no such key"],
        ),
    ];
    for (file, env, expected) in cases {
        let said = complaint(file, env);
        for part in expected {
            assert!(said.contains(part), "{said:?} does not say {part:?}");
        }
    }
}

#[test]
fn values_that_cannot_be_used_are_refused_with_their_key() {
    let cases = [
        ("[shop]\nhost = \"https://a.example\"", "[shop] host"),
        ("[shop]\nhost = \"a.example:443\"", "[shop] host"),
        ("[shop]\nhost = \"A.example\"", "[shop] host"),
        ("[shop]\nhost = \"127.1\"", "[shop] host"),
        ("[shop]\nhost = \"\"", "[shop] host"),
        ("[shop]\ntime_zone = \"Mars/Olympus\"", "[shop] time_zone"),
        ("[shop]\nlanguage = \"../etc\"", "[shop] language"),
        ("[shop]\nlanguage = \"fr\"", "[shop] language"),
        ("[mail]\nfrom = \"a@b.example\"", "[mail] from"),
        ("[mail]\nmerchant = \"a@b.example\"", "[mail] merchant"),
        ("[mail]\ntls = \"tls\"", "port = 465"),
        ("[mail]\nport = 465", "tls = \"tls\""),
        ("[shop]\ncurrency = \"yuan\"", "[shop] currency"),
        ("[shop]\norder_ttl = \"30\"", "[shop] order_ttl"),
        ("[shop]\norder_ttl = \"0s\"", "[shop] order_ttl"),
        ("[shop]\norder_ttl = \"-1m\"", "[shop] order_ttl"),
        ("[shop]\norder_ttl = \"99999999999d\"", "[shop] order_ttl"),
        ("[shop]\norder_ttl = \"分\"", "[shop] order_ttl"),
        ("[shop]\norder_ttl = 30", "[shop] order_ttl"),
        ("[listen]\nhttps = [\"localhost:443\"]", "[listen] https"),
        ("[listen]\nhttps = \"0.0.0.0:443\"", "[listen] https"),
        ("[listen]\nhttps = [443]", "[listen] https"),
        ("[listen]\nhttps = []", "[listen] https"),
        ("[listen]\nhttp = [\"0.0.0.0:443\"]", "listed twice"),
        (
            "[listen]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "[listen] trusted_proxies",
        ),
        ("[listen]\nadmin = \"tcp\"", "[listen] admin"),
        ("[tls]\nmode = \"files\"\ncert = \"c.pem\"", "[tls] key"),
        (
            "[tls]\nmode = \"acme\"\n[listen]\nhttps = []\nhttp = [\"127.0.0.1:80\"]",
            "needs an address in [listen] https",
        ),
        (
            "[tls]\nmode = \"acme\"\nacme_names = [\"*.example.com\"]",
            "no *",
        ),
        (
            "[tls]\nmode = \"acme\"\nacme_directory = \"http://ca.example/dir\"",
            "https:// address is needed",
        ),
        (
            "[tls]\nmode = \"acme\"\nacme_directory = \"https://ca.example/dir \"",
            "https:// address is needed",
        ),
        (
            "[tls]\nmode = \"acme\"\nacme_directory = \"https://\"",
            "https:// address is needed",
        ),
        ("[tls]\nmode = \"none\"", "\"self-signed\""),
        ("[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"", "[tls] mode"),
        (
            "[limits]\norder_quantity_max = 501",
            "[limits] order_quantity_max",
        ),
        (
            "[limits]\nopen_orders_per_contact = -1",
            "[limits] open_orders_per_contact",
        ),
        (
            "[limits]\nheld_share_percent = 101",
            "[limits] held_share_percent",
        ),
        ("[store]\ncache_mib = 1.5", "[store] cache_mib"),
        (
            "[net]\nallow_private = [\"127.0.0.1\"]",
            "[net] allow_private",
        ),
        (
            "[net]\nallow_private = [\"http://127.0.0.1:80\"]",
            "[net] allow_private",
        ),
        ("[webhook]\nurl = \"https://a.example/\"", "[webhook] url"),
        (
            "[webhook]\nurl = \"http://a.example/\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"",
            "https://",
        ),
        (
            "[webhook]\nurl = \"https://a.example/\"\nsecret = \"whsec_c2hvcnQ=\"",
            "[webhook] secret",
        ),
        ("[mail]\nfrom = \"a@b\\r\\nBcc: c@d\"", "[mail] from"),
        ("[mail]\nfrom = \"Shop <a@b.example>\"", "no name before it"),
        ("[mail]\nmerchant = \"a@例子.example\"", "[mail] merchant"),
        ("[mail]\nfrom = \"a b@c.example\"", "[mail] from"),
        ("[mail]\nfrom_name = \"a\\nb\"", "[mail] from_name"),
        (
            "[mail]\nhost = \"smtp.example.com\"\nfrom = \"a@b.example\"\ntls = \"none\"",
            "in the clear",
        ),
        ("[mail]\nport = 0", "[mail] port"),
        ("[mail]\ntimeout = \"11m\"", "[mail] timeout"),
        (
            "[ledger]\nanchor_git = \"ssh://u@-oProxyCommand=x/y\"",
            "[ledger] anchor_git",
        ),
        (
            "[ledger]\nanchor_git = \"https://me:word@git.example/x\"",
            "a password",
        ),
        ("shop = 1", "[shop] on a line of its own"),
        ("[shop\n", "line 1"),
    ];
    for (file, expected) in cases {
        let said = complaint(file, &[]);
        assert!(said.contains(expected), "{file:?}: {said:?}");
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let said = complaint(
        "[shop]\nhosst = 1\ntitle = 2\n[stor]\n",
        &[("KEYSTALL_LOG__LEVEL", "loud")],
    );
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn a_secret_comes_from_its_file_and_is_never_shown() {
    let file = "[mail]\nuser = \"u\"\npassword_file = \"secret\"\n";
    let settings = from(file, &[]).unwrap();
    assert_eq!(
        settings.mail.password.as_ref().unwrap().expose(),
        b"s3cret-canary"
    );
    assert!(settings.redacted().contains("password = \"[redacted]\""));
    assert!(!format!("{settings:?}{}", settings.redacted()).contains("canary"));

    let settings = from(file, &[("KEYSTALL_MAIL__PASSWORD", "other")]).unwrap();
    assert_eq!(settings.mail.password.unwrap().expose(), b"other");

    let both = "[mail]\nuser = \"u\"\npassword = \"canary\"\npassword_file = \"secret\"\n";
    let said = complaint(both, &[]);
    assert!(
        said.contains("keep one of the two") && !said.contains("canary"),
        "{said}"
    );
    assert!(
        complaint("[mail]\nuser = \"u\"\npassword_file = \"none\"\n", &[]).contains("cannot read")
    );
    assert!(complaint("[mail]\nuser = \"u\"\npassword = \"\"\n", &[]).contains("empty secret"));
    let said = complaint(
        "[webhook]\nurl = \"https://a.example\"\nsecret = \"canary\"\n",
        &[],
    );
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn an_http_webhook_is_allowed_where_the_merchant_allowed_the_place() {
    let file = "[net]\nallow_private = [\"127.0.0.1:9000\"]\n[webhook]\nurl = \"http://127.0.0.1:9000/hook\"\n\
                secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    assert!(from(file, &[]).is_ok());
}

#[test]
fn the_packaged_file_wins_only_for_the_packaged_shop() {
    let system = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(
        file_among(system.path(), Path::new(DEFAULT_DIR)),
        system.path()
    );
    assert_eq!(
        file_among(system.path(), Path::new("/srv/b")),
        Path::new("/srv/b/keystall.toml")
    );
    let absent = Path::new("/nonexistent/keystall.toml");
    assert_eq!(
        file_among(absent, Path::new(DEFAULT_DIR)),
        Path::new("/var/lib/keystall/keystall.toml")
    );
}

#[test]
fn relative_certificate_paths_start_at_the_shops_folder() {
    let settings = from(
        "[tls]\nmode = \"files\"\ncert = \"c.pem\"\nkey = \"/k.pem\"\n",
        &[],
    )
    .unwrap();
    assert!(settings.tls.cert.unwrap().is_absolute());
    assert_eq!(settings.tls.key.unwrap(), Path::new("/k.pem"));
}

#[test]
fn the_origin_names_a_port_only_where_browsers_need_one() {
    let origin = |host: &str, port| {
        let mut settings = Settings::default();
        settings.shop.host = host.to_owned();
        settings.shop.port = port;
        settings.origin()
    };
    assert_eq!(origin("shop.example", 443), "https://shop.example");
    assert_eq!(origin("127.0.0.1", 8443), "https://127.0.0.1:8443");
    assert_eq!(origin("::1", 8443), "https://[::1]:8443");
}

#[test]
fn a_period_reads_back_as_it_is_shown() {
    for text in ["0s", "90s", "30m", "36h", "7d"] {
        let settings = from(&format!("[shop]\nlate_delivery = \"{text}\"\n"), &[]).unwrap();
        assert_eq!(settings.shop.late_delivery.to_string(), text);
    }
}

#[test]
fn a_shop_behind_a_proxy_that_nobody_named_is_in_doubt() {
    let behind = "[listen]\nhttps = []\nhttp = [\"127.0.0.1:8080\"]\n";
    let doubts = from(behind, &[]).unwrap().doubts();
    assert!(doubts.len() == 1 && doubts[0].key == "[listen] trusted_proxies");
    let named = format!("{behind}trusted_proxies = [\"127.0.0.1\"]\n");
    assert!(from(&named, &[]).unwrap().doubts().is_empty());
    assert!(from("", &[]).unwrap().doubts().is_empty());
}

#[test]
fn storage_for_copies_is_all_there_or_not_at_all() {
    let whole = "[backup]\ns3_endpoint = \"https://s3.example.com\"\ns3_bucket = \"shop-1\"\ns3_access_key = \"AKIA\"\ns3_secret_key_file = \"secret\"\n";
    let settings = from(whole, &[]).unwrap();
    let secret = settings.backup.s3_secret_key.as_ref().unwrap();
    assert_eq!(secret.expose_str(), Some("s3cret-canary"));
    assert!(!settings.redacted().contains("s3cret-canary"));
    for line in whole.lines().skip(1) {
        let key = line.split(' ').next().unwrap().trim_end_matches("_file");
        let said = complaint(&whole.replace(&format!("{line}\n"), ""), &[]);
        assert!(said.contains(&format!("[backup] {key}")), "{said}");
    }
    for (key, value) in [
        ("s3_endpoint", "http://s3.example.com"),
        ("s3_endpoint", "https://user:password@s3.example.com"),
        ("s3_endpoint", "https://s3.example.com/?x=1"),
        ("s3_bucket", "https://shop"),
        ("s3_bucket", "ab"),
        ("s3_region", "eu west"),
        ("s3_prefix", "/a"),
        ("s3_prefix", "a/../b"),
        ("s3_prefix", "a//b"),
        ("s3_access_key", "two words"),
    ] {
        let variable = format!("KEYSTALL_BACKUP__{}", key.to_uppercase());
        let said = complaint(whole, &[(&variable, value)]);
        assert!(said.contains(&format!("[backup] {key}")), "{value}: {said}");
        assert!(!said.contains("password@"), "{said}");
    }
    let own = "[net]\nallow_private = [\"minio.lan:9000\"]\n";
    let own = format!(
        "{}{own}",
        whole.replace("https://s3.example.com", "http://minio.lan:9000")
    );
    assert!(from(&own, &[]).is_ok());
}

#[test]
fn a_proxy_is_a_place_without_a_password() {
    let proxy = |text: &str| from(&format!("[net]\nproxy = \"{text}\"\n"), &[]);
    for text in [
        "http://10.0.0.1:3128",
        "http://proxy.lan:3128/",
        "http://[fd00::1]:8080",
    ] {
        let settings = proxy(text).unwrap();
        assert_eq!(
            settings.net.proxy.unwrap().0.port % 100,
            if text.contains("3128") { 28 } else { 80 }
        );
    }
    for text in [
        "10.0.0.1:3128",
        "http://10.0.0.1",
        "https://10.0.0.1:3128",
        "socks5://10.0.0.1:1080",
        "http://me:hunter2@10.0.0.1:3128",
    ] {
        let said = proxy(text).map(|_| ()).unwrap_err().to_string();
        assert!(
            said.contains("[net] proxy") && said.contains("CONNECT"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn backups_go_outside_the_shops_folder() {
    let shop = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let link = outside.path().join("link");
    std::os::unix::fs::symlink(shop.path(), &link).unwrap();
    let is_refused_for = |shop: &Path, folder: &Path| {
        let mut settings = Settings::default();
        settings.shop.host = "shop.example".to_owned();
        settings.backup.folder = Some(folder.to_owned());
        match finished(settings, shop, Vec::new()) {
            Err(error) => error.to_string().contains("[backup] folder"),
            Ok(_) => false,
        }
    };
    let is_refused = |folder: &Path| is_refused_for(shop.path(), folder);
    assert!(is_refused(Path::new("backups-too")) && is_refused(shop.path()) && is_refused(&link));
    assert!(!is_refused(outside.path()) && !is_refused(&outside.path().join("not-yet")));
    // Before `init` the shop's folder is not there.
    let not_made = outside.path().join("shop");
    assert!(!is_refused_for(&not_made, &not_made.join("../disk")));
    assert!(is_refused_for(&not_made, &not_made.join("further/../disk")));
}
