//! Counts of calls, and recordings of those that change something.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Call, Partner};
use crate::reply::Class;

/// Headers whose value is a secret.
const SECRET_HEADERS: [&str; 4] = ["authorization", "access-token", "cookie", "proxy-authorization"];
/// Query parameters whose value is a secret.
const SECRET_PARAMETERS: [&str; 7] =
    ["access_token", "secret", "appsecret_proof", "auth_code", "client_secret", "refresh_token", "assertion"];
const MASK: &str = "***";

/// What came in since the last reset.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: BTreeMap<(Partner, String, String), u64>,
    answers: BTreeMap<(Partner, Class), u64>,
    /// Calls that edit members.
    writes: BTreeMap<Partner, u64>,
    recording: bool,
    records: Vec<Arc<Record>>,
}

/// One recorded request.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    seq: usize,
    partner: &'static str,
    route: &'static str,
    account: Option<String>,
    audiences: Vec<String>,
    method: String,
    /// Path and query.
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Ledger {
    /// Switches recording on or off; what was recorded stays.
    pub(crate) fn record(&mut self, on: bool) {
        self.recording = on;
    }

    /// Notes that a call came in.
    pub(crate) fn arrival(&mut self, call: &Call, request: &Request<Bytes>) {
        let route = format!("{} {}", call.method, call.template);
        let account = call.account.clone().unwrap_or_default();
        *self.counts.entry((call.partner, route, account)).or_default() += 1;
        if call.route.on_members() {
            *self.writes.entry(call.partner).or_default() += 1;
        }
        if self.recording && call.route.changes() {
            self.records.push(Arc::new(Record {
                seq: self.records.len() + 1,
                partner: call.partner.name(),
                route: call.route.name(),
                account: call.account.clone(),
                audiences: call.audiences.clone(),
                method: call.method.to_string(),
                path: masked_path(request.uri()),
                headers: masked_headers(request.headers()),
                body: String::from_utf8_lossy(request.body()).into_owned(),
            }));
        }
    }

    /// Notes how a call was answered.
    pub(crate) fn answer(&mut self, partner: Partner, class: Class) {
        *self.answers.entry((partner, class)).or_default() += 1;
    }

    /// The recorded requests in order of arrival.
    pub(crate) fn records(&self, partner: Option<Partner>) -> Vec<Arc<Record>> {
        let wanted = |record: &&Arc<Record>| partner.is_none_or(|partner| record.partner == partner.name());
        self.records.iter().filter(wanted).cloned().collect()
    }

    /// The counts as the control address shows them.
    pub(crate) fn counts(&self, only: Option<Partner>) -> Value {
        let mut partners = serde_json::Map::new();
        for partner in Partner::ALL.into_iter().filter(|partner| only.is_none_or(|only| only == *partner)) {
            let mut routes: BTreeMap<&str, u64> = BTreeMap::new();
            let mut accounts: BTreeMap<&str, u64> = BTreeMap::new();
            let mut total = 0;
            for ((_, route, account), count) in self.counts.iter().filter(|((of, ..), _)| *of == partner) {
                *routes.entry(route).or_default() += count;
                if !account.is_empty() {
                    *accounts.entry(account).or_default() += count;
                }
                total += count;
            }
            let answers: BTreeMap<&str, u64> = self
                .answers
                .iter()
                .filter(|((of, _), _)| *of == partner)
                .map(|((_, class), count)| (class.name(), *count))
                .collect();
            let of = |class: Class| answers.get(class.name()).copied().unwrap_or(0);
            let refused = answers.values().sum::<u64>() - of(Class::Ok) - of(Class::Partial);
            let throttled = of(Class::Throttled);
            let writes = self.writes.get(&partner).copied().unwrap_or(0);
            partners.insert(
                partner.name().into(),
                json!({
                    "total": total, "routes": routes, "accounts": accounts, "answers": answers,
                    "writes": writes, "refused": refused, "rate_limit_hits": throttled,
                }),
            );
        }
        let calls: Vec<Value> = self
            .counts
            .iter()
            .filter(|((of, ..), _)| only.is_none_or(|only| only == *of))
            .map(|((partner, route, account), count)| {
                let account = Some(account).filter(|account| !account.is_empty());
                json!({"partner": partner.name(), "route": route, "account": account, "count": count})
            })
            .collect();
        let total: u64 = partners.values().filter_map(|partner| partner["total"].as_u64()).sum();
        json!({"total": total, "partners": partners, "calls": calls, "recording": self.recording, "recorded": self.records.len()})
    }

    /// Forgets counts and recordings.
    pub(crate) fn clear(&mut self) {
        *self = Ledger { recording: self.recording, ..Ledger::default() };
    }
}

fn masked_path(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.path().to_string() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRET_PARAMETERS.contains(&name) => format!("{name}={MASK}"),
            _ => pair.to_string(),
        })
        .collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
}

fn masked_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = |name: &str, value: &http::HeaderValue| match SECRET_HEADERS.contains(&name) {
        true => MASK.to_string(),
        false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    headers.iter().map(|(name, value)| (name.to_string(), shown(name.as_str(), value))).collect()
}
