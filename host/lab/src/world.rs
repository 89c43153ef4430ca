//! Everything the lab knows, and the way of a request through it: understood, counted, held against quota and
//! dials, then done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use crate::call::{Call, Partner};
use crate::consent::{self, Consents};
use crate::control;
use crate::criteo;
use crate::faults::{Faults, Kind, Strike};
use crate::google::{self, GoogleState};
use crate::ledger::Ledger;
use crate::marketo::{self, MarketoState};
use crate::meta::{self, MetaState};
use crate::pinterest;
use crate::platform::{self, PlatformState};
use crate::quota::{HourUse, RateUse, Usage};
use crate::reply::{Class, Ending, Reply};
use crate::settings::{Rate, Settings};
use crate::shelf::Shelf;
use crate::snapchat;
use crate::tiktok::{self, TikTokState};

/// Calls a day of an app on trial at Pinterest, and writes among them.
const TRIAL_CALLS: u64 = 1_000;
const TRIAL_WRITES: u64 = 300;

/// Which address a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The control address.
    Lab,
    /// A partner's address.
    Partner(Partner),
}

/// Where the lab can be reached, once it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) lab: String,
    pub(crate) partners: Vec<(Partner, String)>,
    /// The file with the certificate of the authority that HTTPS needs trust in, where it is spoken.
    pub(crate) ca: Option<String>,
}

/// The effect of a call: run at most once, after every reason not to.
pub(crate) type Job<'a> = Box<dyn FnOnce(&World, Damage) -> Reply + Send + 'a>;

/// A request as a partner understood it.
pub(crate) struct Plan<'a> {
    pub(crate) call: Call,
    pub(crate) job: Job<'a>,
    /// Whether it counts against the quota; a request without a token does not get that far.
    pub(crate) counted: bool,
}

/// What a call took of its quota, as the partner tells it.
enum Spent {
    Hour(HourUse),
    Rate(RateUse),
    Untold,
}

/// How a dial spoils the effect of a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damage {
    /// The first so many rows are not taken.
    pub(crate) rows: usize,
    /// The partner's word for partial success is wanted.
    pub(crate) partial: bool,
    /// The partner's code for these rows, where the dial names one.
    pub(crate) code: Option<u32>,
    /// The same where codes are words.
    pub(crate) reason: Option<String>,
}

/// The lab's state.
#[derive(Debug)]
pub(crate) struct World {
    /// Any well-formed account and audience exists, and there are no quotas.
    pub(crate) permissive: bool,
    pub(crate) seed: u64,
    pub(crate) addresses: OnceLock<Addresses>,
    /// Trace ids drawn so far.
    pub(crate) traces: AtomicU64,
    /// Calls that are under way at Marketo.
    marketo_calls: Arc<AtomicU64>,
    meta: Mutex<MetaState>,
    tiktok: Mutex<TikTokState>,
    google: Mutex<GoogleState>,
    marketo: Mutex<MarketoState>,
    criteo: Mutex<Shelf>,
    platform: Mutex<PlatformState>,
    pinterest: Mutex<Shelf>,
    /// Pinterest's audiences, which stand over its customer lists. Locked after the lists.
    targets: Mutex<pinterest::Targets>,
    snapchat: Mutex<Shelf>,
    faults: Mutex<Faults>,
    ledger: Mutex<Ledger>,
    settings: Mutex<Settings>,
    usage: Mutex<Usage>,
    consents: Mutex<Consents>,
}

/// No code of the lab leaves a half-made change behind a panic, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that is under way, until it is dropped: also one that nobody waits for any more.
struct UnderWay(Arc<AtomicU64>);

impl UnderWay {
    fn new(calls: &Arc<AtomicU64>) -> UnderWay {
        calls.fetch_add(1, Ordering::Relaxed);
        UnderWay(calls.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Rates that a call counts against beside its login's, and by whom they are counted.
fn further(call: &Call, settings: &Settings) -> Vec<(String, Rate)> {
    let a_day = |most| Rate { per_day: Some(most), ..Rate::default() };
    match call.partner {
        Partner::Snapchat => {
            vec![("the app".to_owned(), Rate { per_second: Some(settings.snapchat_per_app), ..Rate::default() })]
        }
        Partner::Pinterest if settings.pinterest_trial => {
            let mut all = vec![("the app on trial".to_owned(), a_day(TRIAL_CALLS))];
            if call.route.changes() {
                all.push(("the app on trial, writing".to_owned(), a_day(TRIAL_WRITES)));
            }
            all
        }
        _ => Vec::new(),
    }
}

impl World {
    pub(crate) fn new(permissive: bool, seed: u64) -> World {
        World {
            permissive,
            seed,
            addresses: OnceLock::new(),
            traces: AtomicU64::new(0),
            marketo_calls: Arc::default(),
            meta: Mutex::new(MetaState::new(permissive)),
            tiktok: Mutex::new(TikTokState::new(permissive)),
            google: Mutex::new(GoogleState::new(permissive)),
            marketo: Mutex::new(MarketoState::new(permissive)),
            criteo: Mutex::new(Shelf::new(&criteo::FORM, permissive)),
            platform: Mutex::new(PlatformState::new(permissive)),
            pinterest: Mutex::new(Shelf::new(&pinterest::FORM, permissive)),
            targets: Mutex::default(),
            snapchat: Mutex::new(Shelf::new(&snapchat::FORM, permissive)),
            faults: Mutex::default(),
            ledger: Mutex::default(),
            settings: Mutex::default(),
            usage: Mutex::default(),
            consents: Mutex::default(),
        }
    }

    pub(crate) fn meta(&self) -> MutexGuard<'_, MetaState> {
        lock(&self.meta)
    }

    pub(crate) fn tiktok(&self) -> MutexGuard<'_, TikTokState> {
        lock(&self.tiktok)
    }

    pub(crate) fn google(&self) -> MutexGuard<'_, GoogleState> {
        lock(&self.google)
    }

    pub(crate) fn marketo(&self) -> MutexGuard<'_, MarketoState> {
        lock(&self.marketo)
    }

    pub(crate) fn criteo(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.criteo)
    }

    pub(crate) fn platform(&self) -> MutexGuard<'_, PlatformState> {
        lock(&self.platform)
    }

    pub(crate) fn pinterest(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.pinterest)
    }

    pub(crate) fn targets(&self) -> MutexGuard<'_, pinterest::Targets> {
        lock(&self.targets)
    }

    pub(crate) fn snapchat(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.snapchat)
    }

    /// The shelf of a partner that has one.
    pub(crate) fn shelf(&self, partner: Partner) -> Option<MutexGuard<'_, Shelf>> {
        match partner {
            Partner::Google | Partner::Marketo | Partner::Meta | Partner::Platform | Partner::TikTok => None,
            Partner::Criteo => Some(self.criteo()),
            Partner::Pinterest => Some(self.pinterest()),
            Partner::Snapchat => Some(self.snapchat()),
        }
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    pub(crate) fn consents(&self) -> MutexGuard<'_, Consents> {
        lock(&self.consents)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, Usage> {
        lock(&self.usage)
    }

    /// An id for an answer, in the form of a UUID; the same sequence for the same seed.
    pub(crate) fn trace_id(&self) -> String {
        let number = self.traces.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{:08x}-0000-4000-8000-{number:012x}", self.seed as u32)
    }

    /// Whether so many seconds of the lab's clock, which may be fast, have passed since a moment.
    pub(crate) fn has_passed(&self, since: Instant, seconds: u64) -> bool {
        let scale = self.settings().time_scale;
        since.elapsed().saturating_mul(scale) >= Duration::from_secs(seconds)
    }

    /// Everything as at the start: members, audiences, counts, dials, quotas, switches.
    pub(crate) fn reset(&self) {
        *self.meta() = MetaState::new(self.permissive);
        *self.tiktok() = TikTokState::new(self.permissive);
        *self.google() = GoogleState::new(self.permissive);
        *self.marketo() = MarketoState::new(self.permissive);
        *self.criteo() = Shelf::new(&criteo::FORM, self.permissive);
        *self.platform() = PlatformState::new(self.permissive);
        *self.pinterest() = Shelf::new(&pinterest::FORM, self.permissive);
        *self.targets() = pinterest::Targets::default();
        *self.snapchat() = Shelf::new(&snapchat::FORM, self.permissive);
        *self.faults() = Faults::default();
        self.ledger().clear();
        self.ledger().record(false);
        *self.settings() = Settings::default();
        self.usage().clear();
        *self.consents() = Consents::default();
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, door: Door, request: Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let control = path == "/_lab" || path.starts_with("/_lab/");
        match door {
            Door::Partner(partner) if !control => self.partner(partner, &request).await,
            Door::Partner(partner) => control::answer(self, Some(partner), &request),
            Door::Lab => control::answer(self, None, &request),
        }
    }

    async fn partner(&self, partner: Partner, request: &Request<Bytes>) -> Reply {
        let named = if partner == Partner::Google { google::named(request) } else { None };
        let request = named.as_ref().unwrap_or(request);
        let Plan { call, job, counted } = match (consent::plan(self, partner, request), partner) {
            (Some(plan), _) => plan,
            (None, Partner::Google) => google::plan(self, request),
            (None, Partner::Marketo) => marketo::plan(self, request),
            (None, Partner::Meta) => meta::plan(self, request),
            (None, Partner::TikTok) => tiktok::plan(self, request),
            (None, Partner::Criteo) => criteo::plan(self, request),
            (None, Partner::Platform) => platform::plan(self, request),
            (None, Partner::Pinterest) => pinterest::plan(self, request),
            (None, Partner::Snapchat) => snapchat::plan(self, request),
        };
        self.ledger().arrival(&call, request);
        let under_way = (partner == Partner::Marketo && counted).then(|| UnderWay::new(&self.marketo_calls));
        let (spent, refused) = match counted && !self.permissive {
            true => self.charge(&call),
            false => (Spent::Untold, None),
        };
        let mut reply = match refused {
            Some(reply) => reply,
            None => {
                let strikes = self.faults().strike(&call);
                self.perform(&call, job, strikes).await
            }
        };
        match (partner, spent) {
            (Partner::Meta, Spent::Hour(hour)) => meta::dress(&mut reply, &call, Some(hour)),
            (Partner::Meta, _) => meta::dress(&mut reply, &call, None),
            (Partner::Criteo, Spent::Rate(rate)) => criteo::dress(&mut reply, rate),
            (Partner::Pinterest, Spent::Rate(rate)) => pinterest::dress(&mut reply, rate),
            _ => {}
        }
        consent::dress(self, &call, &mut reply);
        self.ledger().answer(partner, reply.class);
        if let Ending::Hang(time) = reply.ending {
            tokio::time::sleep(time).await;
        }
        drop(under_way);
        reply
    }

    /// Counts the call against its quota and refuses it where that is spent.
    fn charge(&self, call: &Call) -> (Spent, Option<Reply>) {
        let settings = self.settings().clone();
        match (call.partner, &call.account) {
            (Partner::Meta, Some(account)) => {
                let audiences = self.meta().audiences_of(account).count();
                let hour = self.usage().meta(Instant::now(), account, audiences, &settings.meta);
                let refused = (hour.regain_minutes > 0).then(|| meta::throttled(self, settings.meta_throttle_status));
                (Spent::Hour(hour), refused)
            }
            (Partner::Meta, None) => (Spent::Untold, None),
            (Partner::Google, _) => (Spent::Untold, google::charge(self, call)),
            (Partner::Platform, _) => (Spent::Untold, platform::charge(self)),
            (Partner::Marketo, _) => (Spent::Untold, marketo::charge(self, self.marketo_calls.load(Ordering::Relaxed))),
            (Partner::TikTok, _) => {
                let free = self.usage().tiktok(Instant::now(), meta::unix_now() / 86_400, &settings.tiktok);
                (Spent::Untold, (!free).then(tiktok::throttled))
            }
            (partner, account) => {
                let (whom, rate) = match partner {
                    Partner::Criteo => criteo::counted(self, &call.token, account.as_deref(), settings.criteo),
                    Partner::Pinterest => {
                        (self.pinterest().tokens.whom(&call.token), pinterest::rate(call, settings.pinterest))
                    }
                    _ => (call.token.clone(), settings.snapchat),
                };
                let mut rate = self.usage().rate(Instant::now(), partner, &whom, rate);
                for (whom, further) in further(call, &settings) {
                    rate.free &= self.usage().rate(Instant::now(), partner, &whom, further).free;
                }
                let refused = (!rate.free).then(|| match partner {
                    Partner::Criteo => criteo::throttled(),
                    Partner::Pinterest => pinterest::throttled(),
                    _ => snapchat::throttled(self),
                });
                (Spent::Rate(rate), refused)
            }
        }
    }

    async fn perform(&self, call: &Call, job: Job<'_>, strikes: Vec<Strike>) -> Reply {
        let mut fault = None;
        for strike in strikes {
            match strike.kind {
                Kind::Slow => tokio::time::sleep(Duration::from_millis(strike.ms.unwrap_or(1_000))).await,
                _ => fault = Some(strike),
            }
        }
        let Some(strike) = fault else { return job(self, Damage::default()) };
        if matches!(strike.kind, Kind::BadRows | Kind::Partial) {
            let partial = strike.kind == Kind::Partial;
            return job(self, Damage { rows: strike.rows, partial, code: strike.code, reason: strike.reason });
        }
        let mut reply = match strike.applied {
            true => job(self, Damage::default()),
            false => Reply::json(200, Class::Ok, &serde_json::json!({"data": [], "paging": {}})),
        };
        match strike.kind {
            Kind::Hang => reply.ending = Ending::Hang(Duration::from_millis(strike.ms.unwrap_or(3_600_000))),
            Kind::Cut => reply.ending = Ending::Cut,
            Kind::Drop => reply.ending = Ending::Drop,
            Kind::Malformed => {
                reply.body = reply.body.slice(..reply.body.len() / 2 + 1);
                reply = strike.with_status(reply);
            }
            Kind::Html => {
                let page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>\
                            <body><h1>Sorry, something went wrong.</h1></body></html>";
                reply = Reply::new(strike.status.unwrap_or(502), Class::Broken, "text/html; charset=utf-8", page);
            }
            Kind::Redirect => {
                reply = Reply::new(strike.status.unwrap_or(302), Class::Broken, "text/plain", "");
                reply.header("location", "http://127.0.0.1:9/elsewhere");
            }
            Kind::Flood => {
                let mut body = br#"{"data":""#.to_vec();
                body.resize(64 << 20, b'x');
                body.extend_from_slice(br#""}"#);
                reply = Reply::new(strike.status.unwrap_or(200), Class::Broken, "application/json", body);
            }
            _ => {
                return match call.partner {
                    Partner::Google => google::fault(call, &strike),
                    Partner::Marketo => marketo::fault(&strike),
                    Partner::Meta => meta::fault(self, call, &strike),
                    Partner::TikTok => tiktok::fault(&strike),
                    Partner::Criteo => criteo::fault(self, &strike),
                    Partner::Platform => platform::fault(&strike),
                    Partner::Pinterest => pinterest::fault(&strike),
                    Partner::Snapchat => snapchat::fault(self, &strike),
                };
            }
        }
        reply.class = Class::Broken;
        reply
    }
}
