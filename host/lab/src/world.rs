//! Everything the lab knows, and the way of a request through it: understood, counted, held against quota and
//! dials, then done.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use crate::call::{Call, Partner};
use crate::control;
use crate::faults::{Faults, Kind, Strike};
use crate::google::{self, GoogleState};
use crate::ledger::Ledger;
use crate::marketo::{self, MarketoState};
use crate::meta::{self, MetaState};
use crate::quota::{HourUse, Usage};
use crate::reply::{Class, Ending, Reply};
use crate::settings::Settings;
use crate::tiktok::{self, TikTokState};

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
    meta: Mutex<MetaState>,
    tiktok: Mutex<TikTokState>,
    google: Mutex<GoogleState>,
    marketo: Mutex<MarketoState>,
    faults: Mutex<Faults>,
    ledger: Mutex<Ledger>,
    settings: Mutex<Settings>,
    usage: Mutex<Usage>,
}

/// No code of the lab leaves a half-made change behind a panic, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(permissive: bool, seed: u64) -> World {
        World {
            permissive,
            seed,
            addresses: OnceLock::new(),
            traces: AtomicU64::new(0),
            meta: Mutex::new(MetaState::new(permissive)),
            tiktok: Mutex::new(TikTokState::new(permissive)),
            google: Mutex::new(GoogleState::new(permissive)),
            marketo: Mutex::new(MarketoState::new(permissive)),
            faults: Mutex::default(),
            ledger: Mutex::default(),
            settings: Mutex::default(),
            usage: Mutex::default(),
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

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, Usage> {
        lock(&self.usage)
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
        *self.faults() = Faults::default();
        self.ledger().clear();
        self.ledger().record(false);
        *self.settings() = Settings::default();
        self.usage().clear();
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
        let Plan { call, job, counted } = match partner {
            Partner::Google => google::plan(self, request),
            Partner::Marketo => marketo::plan(self, request),
            Partner::Meta => meta::plan(self, request),
            Partner::TikTok => tiktok::plan(self, request),
        };
        self.ledger().arrival(&call, request);
        let (hour, refused) = match counted && !self.permissive {
            true => self.charge(&call),
            false => (None, None),
        };
        let mut reply = match refused {
            Some(reply) => reply,
            None => {
                let strikes = self.faults().strike(&call);
                self.perform(&call, job, strikes).await
            }
        };
        if partner == Partner::Meta {
            meta::dress(&mut reply, &call, hour);
        }
        self.ledger().answer(partner, reply.class);
        if let Ending::Hang(time) = reply.ending {
            tokio::time::sleep(time).await;
        }
        reply
    }

    /// Counts the call against its quota and refuses it where that is spent.
    fn charge(&self, call: &Call) -> (Option<HourUse>, Option<Reply>) {
        let settings = self.settings().clone();
        match (call.partner, &call.account) {
            (Partner::Meta, Some(account)) => {
                let audiences = self.meta().audiences_of(account).count();
                let hour = self.usage().meta(Instant::now(), account, audiences, &settings.meta);
                let refused = (hour.regain_minutes > 0).then(|| meta::throttled(self, settings.meta_throttle_status));
                (Some(hour), refused)
            }
            (Partner::Meta, None) => (None, None),
            (Partner::Google, _) => (None, google::charge(self, call)),
            (Partner::Marketo, _) => (None, marketo::charge(self)),
            (Partner::TikTok, _) => {
                let free = self.usage().tiktok(Instant::now(), meta::unix_now() / 86_400, &settings.tiktok);
                (None, (!free).then(tiktok::throttled))
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
                if let Some(status) = strike.status.and_then(|status| http::StatusCode::from_u16(status).ok()) {
                    reply.status = status;
                }
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
                };
            }
        }
        reply.class = Class::Broken;
        reply
    }
}
