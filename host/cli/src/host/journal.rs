//! What connectors say in their logs, and what the egress denied them: kept in memory by a host, within bounds.
use caravan_model::port::{
    Ask, BoxFuture, CallContext, CallOutcome, Clock as _, Connector, RequestRecord, SystemClock,
};
use caravan_model::{Code, Digest, Fault, Manifest, Millis};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Lines of a connector that are kept: the newest.
const LINES: usize = 1_000;
/// Bytes of them.
const BYTES: usize = 256 << 10;
/// Connectors that are told apart.
const CONNECTORS: usize = 64;
/// How long a denial that was told is only counted.
const QUIET: i64 = 3_600_000;
/// Reasons that are told apart for one version of a connector; further ones are one.
const REASONS: usize = 16;

/// A line of a connector's log, scrubbed of tokens when its call ended.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// When its call ended.
    pub at: Millis,
    /// The connection.
    pub connection: String,
    /// The first digits of the version's digest.
    pub version: String,
    /// What it says, with its level in front.
    pub line: String,
}

/// Denied requests of one kind, to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The connector's name.
    pub connector: String,
    /// Its version.
    pub digest: Digest,
    /// Which connection last.
    pub connection: String,
    /// Method, host and rule; nothing that the connector wrote.
    pub reason: String,
    /// How many since this was noted last.
    pub times: u64,
}

/// The journal of one host.
#[derive(Default)]
pub struct Journal(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    lines: BTreeMap<String, Ring>,
    denied: BTreeMap<(String, Digest, String), Count>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

struct Count {
    connection: String,
    times: u64,
    quiet_until: Millis,
}

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest lines of a connector, the oldest of them first.
    pub fn lines(&self, connector: &str, most: usize) -> Vec<LogLine> {
        let pages = self.pages();
        let Some(ring) = pages.lines.get(connector) else { return Vec::new() };
        ring.lines.iter().skip(ring.lines.len().saturating_sub(most)).cloned().collect()
    }

    /// Denials that are to be noted now: each kind at once when it is met first, then once an hour with how often it was.
    pub fn to_note(&self, now: Millis) -> Vec<Denied> {
        let mut told = Vec::new();
        self.pages().denied.retain(|(connector, digest, reason), count| {
            if count.quiet_until > now {
                return true;
            }
            if count.times == 0 {
                return false; // Quiet for a whole hour.
            }
            told.push(Denied {
                connector: connector.clone(),
                digest: *digest,
                connection: count.connection.clone(),
                reason: reason.clone(),
                times: std::mem::take(&mut count.times),
            });
            count.quiet_until = Millis(now.0.saturating_add(QUIET));
            true
        });
        told
    }

    fn hear(&self, at: Millis, (connection, manifest, digest): (&str, &Manifest, Digest), outcome: &CallOutcome) {
        let reasons = denials(manifest, outcome);
        if outcome.log.is_empty() && reasons.is_empty() {
            return;
        }
        let (connector, version) = (manifest.name.clone(), digest.short());
        for line in &outcome.log {
            tracing::info!(connector, connection, version, "{line}");
        }
        let mut pages = self.pages();
        if !outcome.log.is_empty() && (pages.lines.len() < CONNECTORS || pages.lines.contains_key(&connector)) {
            let ring = pages.lines.entry(connector.clone()).or_default();
            for line in &outcome.log {
                let line =
                    LogLine { at, connection: connection.to_owned(), version: version.clone(), line: line.clone() };
                ring.push(line);
            }
        }
        for reason in reasons {
            let own = |(of, version, _): &&(String, Digest, String)| *of == connector && *version == digest;
            let known = pages.denied.contains_key(&(connector.clone(), digest, reason.clone()));
            let full = !known && pages.denied.keys().filter(own).count() >= REASONS;
            let reason = if full { "requests of further kinds".to_owned() } else { reason };
            let fresh = Count { connection: String::new(), times: 0, quiet_until: Millis(0) };
            let count = pages.denied.entry((connector.clone(), digest, reason)).or_insert(fresh);
            count.times = count.times.saturating_add(1);
            connection.clone_into(&mut count.connection);
        }
    }
}

impl Ring {
    fn push(&mut self, line: LogLine) {
        self.bytes += line.line.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.line.len();
        }
    }
}

/// Why requests of a call were denied, in words without anything that the guest wrote.
fn denials(manifest: &Manifest, outcome: &CallOutcome) -> Vec<String> {
    let words = |request: &RequestRecord| -> Option<String> {
        let why = request.outcome.as_ref().err()?.strip_prefix("denied: ")?;
        let uri: Option<http::Uri> = request.url.parse().ok();
        let host = uri.as_ref().and_then(http::Uri::host).filter(|host| manifest.hosts.iter().any(|own| own == host));
        let method = match request.method.as_str() {
            method @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE") => method,
            _ => "another method",
        };
        Some(format!("{method} to {}: {}", host.unwrap_or("a host not asked for"), rule(why)))
    };
    let requests: Vec<String> = outcome.requests.iter().filter_map(words).collect();
    let fault = match &outcome.answer {
        Ok(caravan_model::port::Answer::Report(report)) => report.fault.as_ref(),
        Ok(_) => None,
        Err(fault) => Some(fault),
    };
    match fault {
        Some(Fault::Stopped { cause }) if requests.is_empty() && cause.code.as_str() == Code::Denied.as_str() => {
            vec!["a match key that is not granted".to_owned()]
        }
        _ => requests,
    }
}

/// The rule of a denial's words: without the request in front and the grant behind, and without what is quoted.
fn rule(words: &str) -> String {
    let first = words.lines().next().unwrap_or_default();
    let behind = match first.split_once("://") {
        Some((_, rest)) => rest.split_once(": ").map_or("refused", |(_, rule)| rule),
        None => first,
    };
    let sentence = behind.split(". ").next().unwrap_or_default();
    let plain: String = sentence.split('`').step_by(2).collect::<Vec<_>>().join("…");
    plain.split(" (").next().unwrap_or_default().chars().take(160).collect()
}

/// A bound version whose calls are written into the journal of the host that uses it.
pub struct Watched {
    connection: String,
    inner: Arc<dyn Connector>,
    journal: RwLock<Arc<Journal>>,
}

impl Watched {
    /// A version, heard by a journal.
    pub fn new(connection: &str, inner: Arc<dyn Connector>, journal: Arc<Journal>) -> Watched {
        Watched { connection: connection.to_owned(), inner, journal: RwLock::new(journal) }
    }

    /// Another host uses it from now on.
    pub fn belongs_to(&self, journal: Arc<Journal>) {
        *self.journal.write().unwrap_or_else(PoisonError::into_inner) = journal;
    }
}

impl Connector for Watched {
    fn manifest(&self) -> &Manifest {
        self.inner.manifest()
    }

    fn digest(&self) -> Digest {
        self.inner.digest()
    }

    fn settings(&self) -> &Map<String, Value> {
        self.inner.settings()
    }

    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            let outcome = self.inner.call(context, ask).await;
            let journal = self.journal.read().unwrap_or_else(PoisonError::into_inner).clone();
            journal.hear(SystemClock.now(), (&self.connection, self.manifest(), self.digest()), &outcome);
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::{Cause, Effect};

    fn manifest() -> Manifest {
        let text = include_str!("../../../../guest-steps/template/manifest.json");
        serde_json::from_str(text).expect("a manifest")
    }

    fn outcome(requests: Vec<RequestRecord>, log: Vec<String>) -> CallOutcome {
        let answer = Err(Fault::Stopped { cause: Cause::new(Code::Denied.as_str(), "denied") });
        CallOutcome { answer, effect: Effect::None, requests, usage: Vec::new(), log }
    }

    fn denied(url: &str, why: &str) -> RequestRecord {
        RequestRecord { outcome: Err(format!("denied: {why}")), ..RequestRecord::unsent("GET", url) }
    }

    #[test]
    fn a_loop_of_denied_requests_is_one_note_an_hour_and_holds_nothing_that_the_guest_wrote() {
        let (journal, manifest, digest) = (Journal::default(), manifest(), Digest::of(b"1"));
        for n in 0..5_000 {
            let url = format!("https://evil.example/ann-{n}@example.com");
            let why = format!("GET {url}: the manifest asks for no such host. A version of\nx");
            journal.hear(Millis(1), ("shop", &manifest, digest), &outcome(vec![denied(&url, &why)], vec![]));
        }
        let told = journal.to_note(Millis(1_000));
        assert_eq!((told.len(), told[0].times), (1, 5_000));
        assert_eq!(told[0].reason, "GET to a host not asked for: the manifest asks for no such host");
        journal.hear(Millis(2), ("shop", &manifest, digest), &outcome(vec![], vec![]));
        let other = journal.to_note(Millis(2_000));
        assert_eq!(
            other.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(),
            ["a match key that is not granted"]
        );
        let again = denied("https://evil.example/", "GET https://evil.example/: the manifest asks for no such host. A");
        journal.hear(Millis(3), ("shop", &manifest, digest), &outcome(vec![again], vec![]));
        assert!(journal.to_note(Millis(3_000)).is_empty(), "it was told within the hour");
        let later = journal.to_note(Millis(QUIET + 1_001));
        assert_eq!((later.len(), later[0].times), (1, 1));
    }

    #[test]
    fn reasons_of_a_version_are_bounded_and_words_of_guests_are_left_out() {
        let (journal, manifest, digest) = (Journal::default(), manifest(), Digest::of(b"1"));
        for n in 0..100 {
            let why = format!("a rule of the kind {n}");
            journal.hear(Millis(1), ("shop", &manifest, digest), &outcome(vec![denied("https://x/", &why)], vec![]));
        }
        assert_eq!(journal.to_note(Millis(1)).len(), REASONS + 1);
        assert_eq!(
            rule("a connector may not set the header `ann@example.com`; the host does"),
            "a connector may not set the header …; the host does"
        );
    }

    #[test]
    fn the_newest_lines_are_kept_within_bounds() {
        let (journal, manifest, digest) = (Journal::default(), manifest(), Digest::of(b"1"));
        for n in 0..3_000 {
            let lines = vec![format!("info: {n} {}", "x".repeat(n % 400))];
            journal.hear(Millis(n as i64), ("shop", &manifest, digest), &outcome(vec![], lines));
        }
        let kept = journal.lines(&manifest.name, usize::MAX);
        assert!(kept.len() <= LINES && kept.iter().map(|line| line.line.len()).sum::<usize>() <= BYTES);
        assert!(kept.last().is_some_and(|line| line.line.starts_with("info: 2999 ")));
        assert_eq!(journal.lines(&manifest.name, 2).len(), 2);
        assert!(journal.lines("nobody", 5).is_empty());
    }
}
