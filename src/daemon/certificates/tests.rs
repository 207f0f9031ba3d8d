use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair};

use super::*;
use crate::{
    domain::{EffectKind, Secret, Tell},
    net::{
        CertificateFacts,
        acme::{AcmeError, AcmeErrorKind, Issued, RenewalInfo, Wanted},
        certificate::RenewalId,
    },
    pay::BoxFuture,
    testing::{TestClock, TestShop, Till},
};

pub(super) const MINUTE_MS: i64 = 60_000;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
const DIRECTORY: &str = "https://ca.example/dir";

/// Signs for `life_ms` from now on, or fails by its script.
pub(super) struct FakeCa {
    clock: Arc<TestClock>,
    life_ms: i64,
    /// How far ahead its clock is.
    pub(super) skew_ms: std::sync::atomic::AtomicI64,
    pub(super) script: Mutex<VecDeque<AcmeError>>,
    pub(super) is_down: std::sync::atomic::AtomicBool,
    pub(super) window: Mutex<Option<RenewalInfo>>,
    asked: Mutex<Vec<(i64, Wanted)>>,
    accounts: std::sync::atomic::AtomicUsize,
}

pub(super) fn error(kind: AcmeErrorKind, retry_after: Option<Duration>) -> AcmeError {
    AcmeError {
        kind,
        message: "the authority cannot connect to shop.example".into(),
        retry_after,
    }
}

impl FakeCa {
    fn sign(&self, names: &[String]) -> Issued {
        let now = rcgen::date_time_ymd(1970, 1, 1)
            + Duration::from_millis(
                u64::try_from(self.clock.now() + self.skew_ms.load(SeqCst)).unwrap(),
            );
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) =
            (now, now + Duration::from_millis(self.life_ms as u64));
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
        let chain = params.signed_by(&key, &issuer).unwrap().pem();
        Issued {
            facts: CertificateFacts::of_pem(chain.as_bytes()).unwrap(),
            chain,
            key: Secret::from(key.serialize_pem()),
            proved_by: Some(Method::Http01),
        }
    }
}

pub(super) trait Now {
    fn now(&self) -> i64;
}

impl Now for TestClock {
    fn now(&self) -> i64 {
        crate::domain::Clock::now_ms(self)
    }
}

impl Ca for FakeCa {
    fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>> {
        let number = self.accounts.fetch_add(1, SeqCst);
        Box::pin(async move { Ok(Secret::from(format!("account {number}"))) })
    }

    fn issue<'a>(
        &'a self,
        account: &'a Secret,
        wanted: &'a Wanted,
    ) -> BoxFuture<'a, Result<Issued, AcmeError>> {
        assert!(account.expose_str().unwrap().starts_with("account"));
        let asked = (self.clock.now(), wanted.clone());
        self.asked.lock().unwrap().push(asked);
        let scripted = self.script.lock().unwrap().pop_front();
        let down = self.is_down.load(SeqCst);
        let answer = match scripted {
            Some(error) => Err(error),
            None if down => Err(error(AcmeErrorKind::Unreachable, None)),
            None => Ok(self.sign(&wanted.names)),
        };
        Box::pin(async move { answer })
    }

    fn renewal_info<'a>(
        &'a self,
        _: &'a RenewalId,
    ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>> {
        let window = self.window.lock().unwrap().clone();
        Box::pin(async move { Ok(window) })
    }
}

pub(super) struct Test {
    pub(super) till: TestShop,
    pub(super) ca: Arc<FakeCa>,
    pub(super) keeper: Keeper,
    _dir: tempfile::TempDir,
}

impl Test {
    pub(super) fn new(life_ms: i64) -> Self {
        let mut decided = Till::default();
        decided.policy.tell = Tell {
            merchant_mail: true,
            ..Tell::default()
        };
        let till = TestShop::with(decided);
        let ca = Arc::new(FakeCa {
            clock: till.clock.clone(),
            life_ms,
            skew_ms: 0.into(),
            script: Mutex::default(),
            is_down: false.into(),
            window: Mutex::default(),
            asked: Mutex::default(),
            accounts: 0.into(),
        });
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper {
            shop: till.shop.clone(),
            tls: TlsServer::self_signed(dir.path(), "shop.example").unwrap(),
            hsts: Arc::default(),
            metrics: Arc::default(),
            order: Some(Order {
                ca: ca.clone(),
                directory: DIRECTORY.into(),
                names: vec!["shop.example".into()],
                profile: Profile::Default,
                methods: vec![Method::Http01, Method::TlsAlpn01],
                patience: Duration::from_secs(60),
            }),
            files: false,
        };
        Self {
            till,
            ca,
            keeper,
            _dir: dir,
        }
    }

    /// Looks every `step_ms` for `for_ms`.
    pub(super) async fn pass(&self, for_ms: i64, step_ms: i64) {
        for _ in 0..for_ms / step_ms {
            self.keeper.look().await.unwrap();
            self.till.clock.advance_ms(step_ms);
        }
        self.keeper.look().await.unwrap();
    }

    pub(super) fn serial(&self) -> String {
        self.keeper.tls.facts().unwrap().serial
    }

    pub(super) fn attempts(&self) -> usize {
        self.ca.asked.lock().unwrap().len()
    }

    pub(super) fn alarms(&self) -> usize {
        let all = self.till.shop.effects(100).unwrap().into_iter();
        all.filter(|one| one.kind == EffectKind::CertificateOverdue)
            .count()
    }
}

#[tokio::test]
async fn r23_a_certificate_is_fetched_at_once_and_renewed_at_half_of_its_life() {
    let test = Test::new(90 * DAY_MS);
    let own = test.serial();
    test.keeper.look().await.unwrap();
    let first = test.serial();
    assert_ne!(first, own);
    test.till.clock.advance_ms(45 * DAY_MS - 1_000);
    test.keeper.look().await.unwrap();
    assert_eq!((test.attempts(), test.serial()), (1, first.clone()));
    test.till.clock.advance_ms(1_000);
    test.keeper.look().await.unwrap();
    assert_eq!(test.attempts(), 2);
    assert_ne!(test.serial(), first);
    let asked = test.ca.asked.lock().unwrap();
    assert!(asked[0].1.replaces.is_none() && asked[1].1.replaces.is_some());
    assert_eq!(test.ca.accounts.load(SeqCst), 1);
}

#[tokio::test]
async fn r23_an_authority_that_is_down_for_days_costs_one_alarm_and_no_certificate() {
    let test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    let first = test.serial();
    test.ca.is_down.store(true, SeqCst);
    test.till.clock.advance_ms(45 * DAY_MS);
    test.pass(43 * DAY_MS - MINUTE_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.alarms(), 0, "more than 48 hours are left");
    let attempts = test.attempts();
    assert!(
        (155..180).contains(&attempts),
        "{attempts}: every six hours"
    );
    test.pass(10 * MINUTE_MS, MINUTE_MS).await;
    assert_eq!(test.alarms(), 1);
    assert_eq!(test.keeper.hsts.max_age_s(), 300);
    test.pass(5 * DAY_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.alarms(), 1, "once for each certificate");
    assert_eq!(test.serial(), first, "an expired one is better than none");
    let alarm = test.till.shop.certificate_alarm().unwrap().unwrap();
    assert!(alarm.reason.contains("cannot connect"));

    test.ca.is_down.store(false, SeqCst);
    test.pass(7 * HOUR_MS, 10 * MINUTE_MS).await;
    assert_ne!(test.serial(), first);
    assert_eq!(test.till.shop.certificate_alarm().unwrap(), None);
    assert_eq!(test.till.shop.renewal().unwrap().failures, 0);
}

#[tokio::test]
async fn an_address_of_160_hours_is_renewed_at_80_and_told_of_at_112() {
    let test = Test::new(160 * HOUR_MS);
    test.keeper.look().await.unwrap();
    test.ca.is_down.store(true, SeqCst);
    test.till.clock.advance_ms(80 * HOUR_MS);
    test.keeper.look().await.unwrap();
    assert_eq!(test.attempts(), 2);
    test.pass(31 * HOUR_MS + 50 * MINUTE_MS, 10 * MINUTE_MS)
        .await;
    assert_eq!(test.alarms(), 0);
    test.pass(20 * MINUTE_MS, 10 * MINUTE_MS).await;
    assert_eq!(test.alarms(), 1);
}

#[tokio::test]
async fn a_first_certificate_that_does_not_come_is_told_of_after_an_hour() {
    let test = Test::new(90 * DAY_MS);
    test.ca.is_down.store(true, SeqCst);
    let own = test.serial();
    test.pass(50 * MINUTE_MS, MINUTE_MS).await;
    assert_eq!((test.alarms(), test.attempts()), (0, 4));
    test.pass(DAY_MS, 10 * MINUTE_MS).await;
    assert_eq!((test.alarms(), test.serial()), (1, own));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_the_authority_says() {
    let test = Test::new(90 * DAY_MS);
    let wait = Duration::from_secs(36 * 3_600);
    let limited = error(AcmeErrorKind::RateLimited, Some(wait));
    test.ca.script.lock().unwrap().push_back(limited);
    test.pass(36 * HOUR_MS - MINUTE_MS, MINUTE_MS).await;
    assert_eq!(test.attempts(), 1);
    // A tenth at most is added, so that not everybody comes at that second.
    test.pass(4 * HOUR_MS, MINUTE_MS).await;
    assert_eq!(test.attempts(), 2);
}

#[tokio::test]
async fn each_attempt_proves_the_names_in_one_way_and_the_next_in_the_other() {
    let test = Test::new(90 * DAY_MS);
    let no = || error(AcmeErrorKind::Identifier, None);
    test.ca.script.lock().unwrap().extend([no(), no()]);
    test.pass(10 * MINUTE_MS, 10_000).await;
    let asked = test.ca.asked.lock().unwrap();
    let first: Vec<Method> = asked.iter().map(|(_, wanted)| wanted.methods[0]).collect();
    assert_eq!(first, [Method::Http01, Method::TlsAlpn01, Method::Http01]);
}

#[tokio::test]
async fn an_authority_that_forgot_the_account_is_given_a_new_one_in_the_same_attempt() {
    let test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    let gone = error(AcmeErrorKind::Account, None);
    test.ca.script.lock().unwrap().push_back(gone);
    test.till.shop.ask_for_certificate().await.unwrap();
    let before = test.serial();
    test.keeper.look().await.unwrap();
    assert_ne!(test.serial(), before);
    assert_eq!(test.ca.accounts.load(SeqCst), 2);
    let renewal = test.till.shop.renewal().unwrap();
    assert_eq!((renewal.failures, renewal.good_renewals), (0, 0));
    test.keeper.look().await.unwrap();
    assert_eq!(test.attempts(), 3, "asked for once, fetched once");
}

#[tokio::test]
async fn the_authoritys_window_goes_before_half_of_the_life() {
    let test = Test::new(90 * DAY_MS);
    test.keeper.look().await.unwrap();
    let now_ms = test.till.clock.now();
    let info = |start_ms: i64, end_ms: i64| RenewalInfo {
        start_ms,
        end_ms,
        explanation: Some("https://ca.example/incident".into()),
        ask_again: Duration::from_secs(6 * 3_600),
    };
    *test.ca.window.lock().unwrap() = Some(info(now_ms + 60 * DAY_MS, now_ms + 62 * DAY_MS));
    test.pass(DAY_MS, HOUR_MS).await;
    let due_ms = test.till.shop.renewal().unwrap().next_at_ms();
    assert!((60 * DAY_MS..62 * DAY_MS).contains(&(due_ms - now_ms)));
    test.pass(DAY_MS, HOUR_MS).await;
    let again = test.till.shop.renewal().unwrap();
    assert_eq!(again.next_at_ms(), due_ms, "drawn once");
    // It is to be revoked: the window has passed.
    *test.ca.window.lock().unwrap() = Some(info(now_ms, now_ms + HOUR_MS));
    test.pass(7 * HOUR_MS, HOUR_MS).await;
    assert_eq!(test.attempts(), 2);
    // The authority says the same of the next one: followed, but not without pause.
    test.pass(16 * HOUR_MS, HOUR_MS).await;
    assert_eq!(test.attempts(), 2);
    test.pass(8 * HOUR_MS, HOUR_MS).await;
    assert_eq!(test.attempts(), 3);
}

#[tokio::test]
async fn browsers_remember_a_day_after_one_good_renewal_and_a_year_after_two() {
    let test = Test::new(90 * DAY_MS);
    assert_eq!(test.keeper.hsts.max_age_s(), 300);
    for expected in [300, 86_400, 31_536_000] {
        test.keeper.look().await.unwrap();
        assert_eq!(test.keeper.hsts.max_age_s(), expected);
        test.till.clock.advance_ms(45 * DAY_MS);
    }
    test.ca.is_down.store(true, SeqCst);
    test.pass(43 * DAY_MS + HOUR_MS, HOUR_MS).await;
    assert_eq!(test.keeper.hsts.max_age_s(), 300, "a renewal is overdue");
}

#[tokio::test]
async fn a_shop_that_ends_over_every_order_does_not_ask_without_pause() {
    let test = Test::new(90 * DAY_MS);
    struct Hangs;
    impl Ca for Hangs {
        fn register(&self) -> BoxFuture<'_, Result<Secret, AcmeError>> {
            Box::pin(std::future::pending())
        }
        fn issue<'a>(
            &'a self,
            _: &'a Secret,
            _: &'a Wanted,
        ) -> BoxFuture<'a, Result<Issued, AcmeError>> {
            Box::pin(std::future::pending())
        }
        fn renewal_info<'a>(
            &'a self,
            _: &'a RenewalId,
        ) -> BoxFuture<'a, Result<Option<RenewalInfo>, AcmeError>> {
            Box::pin(std::future::pending())
        }
    }
    let mut keeper = test.keeper;
    let order = keeper.order.take().unwrap();
    keeper.order = Some(Order {
        ca: Arc::new(Hangs),
        ..order
    });
    let mut look = Box::pin(keeper.look());
    let cut = tokio::time::timeout(Duration::from_millis(300), &mut look).await;
    assert!(cut.is_err(), "the order is under way");
    drop(look);
    let renewal = test.till.shop.renewal().unwrap();
    assert_eq!(renewal.asking_since_ms, Some(test.till.clock.now()));
    // Served again: what hangs would hang here too.
    let looked = tokio::time::timeout(Duration::from_secs(30), keeper.look()).await;
    looked.unwrap().unwrap();
    let renewal = test.till.shop.renewal().unwrap();
    assert_eq!((renewal.failures, renewal.asking_since_ms), (1, None));
    assert!(renewal.wait_until_ms >= test.till.clock.now() + MINUTE_MS);
}

#[tokio::test]
async fn files_that_are_renewed_in_time_raise_what_browsers_remember_too() {
    let mut test = Test::new(90 * DAY_MS);
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    let write = |test: &Test| {
        let issued = test.ca.sign(&["shop.example".to_owned()]);
        std::fs::write(&cert, &issued.chain).unwrap();
        std::fs::write(&key, issued.key.expose()).unwrap();
    };
    write(&test);
    test.keeper.order = None;
    test.keeper.files = true;
    test.keeper.tls = TlsServer::from_files(&cert, &key).unwrap();
    test.keeper.look().await.unwrap();
    test.keeper.tls.reload().unwrap();
    test.keeper.look().await.unwrap();
    assert_eq!(test.keeper.hsts.max_age_s(), 300, "the same certificate");
    test.till.clock.advance_ms(60 * DAY_MS);
    write(&test);
    test.keeper.tls.reload().unwrap();
    test.keeper.look().await.unwrap();
    assert_eq!(test.keeper.hsts.max_age_s(), 86_400);
    // Nobody renews them again.
    test.till.clock.advance_ms(88 * DAY_MS);
    test.keeper.look().await.unwrap();
    assert_eq!((test.keeper.hsts.max_age_s(), test.alarms()), (300, 1));
}
