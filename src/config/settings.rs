//! Every section and key, its type and its default: the one table that reading, checking of names and showing share.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use zeroize::Zeroizing;

use super::values::{
    AdminAt, HostPort, HttpProxy, Kind, LogFormat, LogLevel, MailTls, Period, Raw, Setting, TlsMode,
};
use crate::{
    actions::WitnessPlace,
    domain::{address::Cidr, money::Currency, secret::Secret},
};

macro_rules! sections {
    ($(
        $(#[$section_doc:meta])*
        $section:ident: $Section:ident {
            $( $(#[$key_doc:meta])* $key:ident: $type:ty = $default:expr; )*
        }
    )*) => {
        /// All settings of one shop, checked.
        #[derive(Clone, Debug, Default)]
        pub struct Settings {
            $( $(#[$section_doc])* pub $section: $Section, )*
        }
        $(
            $(#[$section_doc])*
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[$key_doc])* pub $key: $type, )*
            }
            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )* }
                }
            }
        )*
        impl Settings {
            /// Every section with its keys.
            pub(super) const CATALOGUE: &[(&str, &[(&str, Kind)])] = &[
                $( (stringify!($section), &[ $( (stringify!($key), <$type as Setting>::KIND), )* ]), )*
            ];

            /// Puts a value at a key of the catalogue; says what is wrong with it where it does not fit.
            pub(super) fn set(&mut self, section: &str, key: &str, raw: Raw) -> Result<(), String> {
                match (section, key) {
                    $($( (stringify!($section), stringify!($key)) => {
                        self.$section.$key = <$type as Setting>::read(raw)?;
                    } )*)*
                    _ => return Err("there is no such key".to_owned()),
                }
                Ok(())
            }

            /// Every value as TOML, secrets redacted; `None` where it is not set.
            #[allow(clippy::type_complexity)]
            pub(super) fn shown(&self) -> Vec<(&'static str, Vec<(&'static str, Option<String>)>)> {
                vec![
                    $( (stringify!($section), vec![
                        $( (stringify!($key), self.$section.$key.shown()), )*
                    ]), )*
                ]
            }

            /// Every value by its `[section] key`, secrets as they are: never to be printed.
            pub(super) fn exact(&self) -> Vec<(String, Option<Zeroizing<String>>)> {
                vec![ $($(
                    (
                        concat!("[", stringify!($section), "] ", stringify!($key)).to_owned(),
                        self.$section.$key.exact(),
                    ),
                )*)* ]
            }
        }
    };
}

sections! {
    /// Who sells, and how long an order is held.
    shop: Shop {
        /// The host name that links are made from.
        host: String = "localhost".to_owned();
        /// The port in those links, where buyers reach the shop at another than 443.
        port: u16 = 443;
        /// The shop's name.
        title: String = "Keystall".to_owned();
        /// The currency of prices.
        currency: Currency = Currency::CNY;
        /// The language for visitors whose browser asks for none of the shop's: a folder among the locales.
        language: String = "zh-CN".to_owned();
        /// The zone in which times are shown.
        time_zone: String = "Asia/Shanghai".to_owned();
        /// How long stock is held for an unpaid order.
        order_ttl: Period = Period::minutes(30);
        /// The same once the stock is scarce.
        scarce_order_ttl: Period = Period::minutes(10);
        /// How long after its expiry an order that was paid late is still delivered, where the stock is there.
        late_delivery: Period = Period::minutes(24 * 60);
        /// How long the keys of a delivered order can be read on its page, in days; 0 = without end.
        keys_days: u16 = 180;
        /// What all buyers are told on top of the window and of each product, Markdown.
        notice: Option<String> = None;
        /// How buyers reach the merchant: a mail address, an https:// link, a phone number or any words.
        support: Option<String> = None;
        /// The terms: a Markdown file, shown at /terms, or an https:// link.
        terms: Option<String> = None;
        /// The ICP filing number, shown at the foot of every page.
        icp: Option<String> = None;
        /// A picture file shown beside the shop's name.
        logo: Option<PathBuf> = None;
        /// The shop's colour, as #0b6e4f; darkened or lightened where it could not be read.
        colour: Option<String> = None;
    }
    /// Where connections are taken.
    listen: Listen {
        /// Addresses that speak TLS.
        https: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 443))];
        /// Addresses without TLS: behind a proxy, or for redirects to HTTPS.
        http: Vec<SocketAddr> = Vec::new();
        /// Where the command line reaches the daemon.
        admin: AdminAt = AdminAt::Unix;
        /// Proxies whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<Cidr> = Vec::new();
        /// Most connections at once.
        connections_max: u32 = 4096;
        /// Most connections at once of one IPv4 address or IPv6 /64; loopback and trusted proxies are not counted. 0 = off.
        connections_per_address: u32 = 64;
    }
    /// The certificate.
    tls: Tls {
        /// Where the certificate comes from.
        mode: TlsMode = TlsMode::SelfSigned;
        /// The certificate chain (PEM), for `mode = "files"`.
        cert: Option<PathBuf> = None;
        /// Its private key (PEM).
        key: Option<PathBuf> = None;
        /// The authority's ACME directory, for `mode = "acme"`.
        acme_directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned();
        /// The mail address given to the authority.
        acme_contact: Option<String> = None;
        /// Certificates (PEM) that the directory's own may come from, and no others: for an authority of one's own.
        acme_ca_file: Option<PathBuf> = None;
        /// The authority's name for a kind of certificate; without it its own choice, and `shortlived` for addresses.
        acme_profile: Option<String> = None;
        /// Names that the certificate is for beside `[shop] host`.
        acme_names: Vec<String> = Vec::new();
    }
    /// The database.
    store: Store {
        /// The database's page cache, in MiB.
        cache_mib: u32 = 64;
        /// Most transactions committed together.
        group_max: u32 = 512;
        /// Most transactions waiting; more are refused with 503.
        queue_max: u32 = 8192;
    }
    /// Outgoing mail; off without a host.
    mail: Mail {
        /// The mail server.
        host: Option<String> = None;
        /// Its port.
        port: u16 = 587;
        /// How the connection is encrypted.
        tls: MailTls = MailTls::StartTls;
        /// The user at the mail server.
        user: Option<String> = None;
        /// That user's password.
        password: Option<Secret> = None;
        /// The sender's address.
        from: Option<String> = None;
        /// The sender's name; the shop's without it.
        from_name: Option<String> = None;
        /// Where the merchant's own sales and alarms go.
        merchant: Option<String> = None;
        /// An authority (PEM) that the mail server's certificate may come from, beside the public ones.
        ca_file: Option<PathBuf> = None;
        /// Whether the buyer's mail holds the keys themselves, not only the link.
        keys: bool = false;
        /// How long one mail may take, from connecting to the server's last word.
        timeout: Period = Period::minutes(1);
    }
    /// The merchant's webhook (Standard Webhooks); off without a URL.
    webhook: Webhook {
        /// Where events are posted.
        url: Option<String> = None;
        /// The signing secret, `whsec_` and Base64.
        secret: Option<Secret> = None;
    }
    /// Bounds against hoarding; 0 is off.
    limits: Limits {
        /// Most unpaid orders of one IPv4 address or IPv6 /64.
        open_orders_per_address: u32 = 3;
        /// Most unpaid orders of one contact.
        open_orders_per_contact: u32 = 2;
        /// Largest share of a product's stock (but at least one) held unpaid by one network, in percent.
        held_share_percent: u32 = 10;
        /// Most items in one order.
        order_quantity_max: u32 = 100;
    }
    /// The outbound client.
    net: Net {
        /// Places that the outbound client may reach although they are private.
        allow_private: Vec<HostPort> = Vec::new();
        /// A proxy for outbound connections.
        proxy: Option<HttpProxy> = None;
    }
    /// The receipt ledger.
    ledger: Ledger {
        /// Whether `/ledger/checkpoint` and the tiles are public.
        public_checkpoint: bool = true;
        /// Witnesses that are asked to cosign checkpoints: key and address.
        witness: Vec<WitnessPlace> = Vec::new();
        /// How often they are asked.
        witness_every: Period = Period::minutes(60);
        /// A time-stamping authority (RFC 3161) that stamps the newest checkpoint.
        tsa: Option<String> = None;
        /// An authority (PEM) that the certificate of `tsa`'s server comes from, in place of the public ones.
        tsa_ca_file: Option<PathBuf> = None;
        /// Where an auditor keeps the checkpoints that are mailed.
        auditor: Option<String> = None;
        /// Whether checkpoints are mailed to the merchant and the auditor.
        anchor_mail: bool = true;
        /// A git repository that the newest checkpoint is pushed into.
        anchor_git: Option<String> = None;
        /// How often the newest checkpoint is anchored.
        anchor_every: Period = Period::minutes(24 * 60);
    }
    /// Sealed backups.
    backup: Backup {
        /// How often the daemon makes one; 0 is never.
        every: Period = Period::minutes(24 * 60);
        /// A folder outside the shop's that gets each of them too, as of a mounted disk.
        folder: Option<PathBuf> = None;
        /// Of so many days that have backups the newest is kept.
        keep_daily: u32 = 7;
        /// Of so many weeks that have backups the newest is kept.
        keep_weekly: u32 = 4;
        /// S3-compatible storage for copies: where it is reached; off without it.
        s3_endpoint: Option<String> = None;
        /// The storage's region.
        s3_region: String = "us-east-1".to_owned();
        /// The bucket, which is there already.
        s3_bucket: Option<String> = None;
        /// What the names of all objects in it begin with.
        s3_prefix: String = "keystall/".to_owned();
        /// The access key's id.
        s3_access_key: Option<String> = None;
        /// The access key's secret.
        s3_secret_key: Option<Secret> = None;
        /// Whether the bucket stands in the path, and not before the host.
        s3_path_style: bool = false;
    }
    /// Logs, on standard error.
    log: Log {
        /// The least severe events that are logged.
        level: LogLevel = LogLevel::Info;
        /// Their form.
        format: LogFormat = LogFormat::Text;
    }
}
