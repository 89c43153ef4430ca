//! What the egress saw in one call: every request, how far it came, and the first denial.
use super::patience::Patience;
use crate::grant::Limits;
use caravan_model::manifest::UsageReading;
use caravan_model::port::{Place, Placed, RequestRecord};
use caravan_model::{Cause, Code};
use http::{Method, request::Parts};
use hyper_util::client::legacy::connect::CaptureConnection;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Why the egress refused: a rule, or a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    code: Code,
    words: String,
}

impl Denial {
    /// A rule of manifest, grant or contract forbids it.
    pub(crate) fn rule(words: impl Into<String>) -> Denial {
        Denial { code: Code::Denied, words: words.into() }
    }

    /// A limit of the grant is reached; `line` of the grant's `limits` would allow more.
    pub(crate) fn limit(words: impl Into<String>, line: &str) -> Denial {
        let words = words.into();
        Denial {
            code: Code::LimitBreached,
            words: format!("{words}; a grant with `limits: {{ {line} }}` would allow more"),
        }
    }

    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.code.as_str(), self.words.clone())
    }
}

/// How many denied requests of a call are kept.
const KEPT_DENIALS: usize = 16;
/// How many figures about quotas of a call are kept: the newest.
const KEPT_READINGS: usize = 256;

/// How far a request came.
#[derive(Clone, Debug)]
enum Stage {
    /// Denied, or not tried yet: nothing left this machine.
    Held,
    /// Being sent; the capture tells whether there is a connection.
    Trying(Option<CaptureConnection>),
    /// It failed before there was a connection.
    Unconnected,
    /// It failed, or its answer broke off, after there was a connection.
    Broken,
    /// The whole head of an answer came.
    Answered,
}

#[derive(Clone, Debug)]
struct Entry {
    record: RequestRecord,
    changes: bool,
    stage: Stage,
    /// When it was sent on its way.
    since: Option<Instant>,
    /// The guest has not written its body yet: nobody waits for the partner.
    unwritten: bool,
    /// More of its answer was waited for when its body was let go.
    starved: bool,
    /// The guest let its own body go before the last of it: whatever the request came to then is the guest's doing.
    abandoned: bool,
}

impl Entry {
    /// Notes how long it has taken so far.
    fn tick(&mut self) {
        let elapsed = self.since.map(|since| since.elapsed().as_millis());
        self.record.elapsed_ms = elapsed.map_or(0, |elapsed| u64::try_from(elapsed).unwrap_or(u64::MAX));
    }
}

#[derive(Debug, Default)]
struct Pages {
    entries: Vec<Entry>,
    denial: Option<Denial>,
    denied: usize,
    made: usize,
    writes: u32,
    /// Bytes of bodies of all requests, and of all answers.
    sent: u64,
    received: u64,
    usage: Vec<UsageReading>,
}

/// The shared record of one call.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pages: Arc<Mutex<Pages>>,
    /// Most bytes of bodies of all requests, and of all answers.
    most_sent: u64,
    most_received: u64,
    /// How long the partner was waited for.
    pub(crate) patience: Patience,
}

/// How the last request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// There was none, or it was answered.
    Fine,
    /// It is still under way.
    Waiting,
    /// Its answer began, and more of it was waited for to the last.
    Starved,
    /// The guest left its own body unfinished; whether the partner had answered all the same.
    Abandoned {
        /// It had.
        answered: bool,
    },
    /// It failed on the way.
    Failed(String),
}

impl Ledger {
    /// An empty one, of a call within these limits.
    pub(crate) fn within(limits: &Limits) -> Ledger {
        Ledger {
            pages: Arc::default(),
            most_sent: limits.sent_bytes,
            most_received: limits.received_bytes,
            patience: Patience::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry<T>(&self, index: usize, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.lock().entries.get_mut(index).map(change)
    }

    /// Opens an entry for a request as the guest made it; gives its index. After a denial only a few more are kept:
    /// a guest may go on asking.
    pub(crate) fn open(&self, request: &Parts) -> usize {
        {
            let mut pages = self.lock();
            pages.made += 1;
            if pages.denial.is_some() && pages.denied >= KEPT_DENIALS {
                return usize::MAX;
            }
        }
        let headers = request.headers.iter();
        let record = RequestRecord {
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            ..RequestRecord::unsent(request.method.as_str(), request.uri.to_string())
        };
        let mut pages = self.lock();
        pages.entries.push(Entry {
            record,
            changes: false,
            stage: Stage::Held,
            since: None,
            unwritten: false,
            starved: false,
            abandoned: false,
        });
        pages.entries.len() - 1
    }

    /// The first denial of the call.
    pub(crate) fn denial(&self) -> Option<Denial> {
        self.lock().denial.clone()
    }

    /// Denies a request, before or while it is sent.
    pub(crate) fn deny(&self, index: usize, denial: Denial) {
        self.patience.end(index);
        let mut pages = self.lock();
        if let Some(entry) = pages.entries.get_mut(index) {
            entry.record.outcome = Err(format!("denied: {}", denial.words));
            entry.stage = match &entry.stage {
                Stage::Held => Stage::Held,
                stage if is_connected(stage) => Stage::Broken,
                _ => Stage::Unconnected,
            };
        }
        pages.denied += 1;
        pages.denial.get_or_insert(denial);
    }

    /// Notes which route admits the request, whether it may change something at the partner, and which credentials
    /// are put in. Gives how many membership-changing requests were admitted before.
    pub(crate) fn admit(
        &self,
        index: usize,
        route: &str,
        writes: bool,
        changes: bool,
        placed: Vec<Placed>,
        keep_body: bool,
    ) -> u32 {
        let mut pages = self.lock();
        if let Some(entry) = pages.entries.get_mut(index) {
            entry.changes = changes;
            entry.record.route = Some(route.to_owned());
            let headers = placed.iter().filter(|one| one.place == Place::Header);
            entry.record.headers.extend(headers.map(|one| (one.name.clone(), "***".to_owned())));
            entry.record.placed = placed;
            entry.record.body = keep_body.then(Vec::new);
        }
        let before = pages.writes;
        pages.writes += u32::from(writes);
        before
    }

    /// The request is on its way.
    pub(crate) fn trying(&self, index: usize, connection: Option<CaptureConnection>) {
        self.entry(index, |entry| {
            entry.stage = Stage::Trying(connection);
            entry.since = Some(Instant::now());
            entry.record.outcome = Err("no answer".into());
        });
        self.patience.begin(index);
    }

    /// Whether the guest has still to write of its body before the partner can answer.
    pub(crate) fn unwritten(&self, index: usize, unwritten: bool) {
        self.entry(index, |entry| entry.unwritten = unwritten);
        match unwritten {
            true => self.patience.end(index),
            false => self.patience.begin(index),
        }
    }

    /// The answer's body was let go while more of it was waited for.
    pub(crate) fn starved(&self, index: usize) {
        self.entry(index, |entry| entry.starved = true);
    }

    /// Whether the bodies of all requests together stay within the limit with so many bytes more.
    ///
    /// # Errors
    /// They do not: the denial.
    pub(crate) fn may_send(&self, bytes: usize) -> Result<(), Denial> {
        let mut pages = self.lock();
        pages.sent = pages.sent.saturating_add(bytes as u64);
        within(pages.sent, self.most_sent, "the requests", "sent_bytes")
    }

    /// The same of all answers.
    ///
    /// # Errors
    /// They do not: the denial.
    pub(crate) fn may_receive(&self, bytes: usize) -> Result<(), Denial> {
        let mut pages = self.lock();
        pages.received = pages.received.saturating_add(bytes as u64);
        within(pages.received, self.most_received, "the answers", "received_bytes")
    }

    /// Bytes of the body passed.
    pub(crate) fn body(&self, index: usize, bytes: &[u8]) {
        self.entry(index, |entry| {
            entry.record.body_bytes += bytes.len() as u64;
            if let Some(body) = &mut entry.record.body {
                body.extend_from_slice(bytes);
            }
        });
    }

    /// The head of an answer came.
    pub(crate) fn answered(&self, index: usize, status: u16) {
        self.entry(index, |entry| {
            entry.stage = Stage::Answered;
            entry.record.outcome = Ok(status);
            entry.tick();
        });
        self.patience.end(index);
    }

    /// The answer's head, scrubbed and bounded, and the trace id if it stands there.
    pub(crate) fn head(&self, index: usize, headers: Vec<(String, String)>, trace_id: Option<String>) {
        self.entry(index, |entry| {
            entry.record.answer_headers = headers;
            entry.record.trace_id = trace_id;
        });
    }

    /// Bytes of the answer's body came.
    pub(crate) fn answer(&self, index: usize, bytes: usize) {
        self.entry(index, |entry| {
            entry.record.answer_bytes += bytes as u64;
            entry.tick();
        });
    }

    /// The trace id stood in the answer's body.
    pub(crate) fn trace(&self, index: usize, id: String) {
        self.entry(index, |entry| entry.record.trace_id = Some(id));
    }

    /// What the head of an answer told about quotas.
    pub(crate) fn told(&self, readings: Vec<UsageReading>) {
        let mut pages = self.lock();
        pages.usage.extend(readings);
        let surplus = pages.usage.len().saturating_sub(KEPT_READINGS);
        pages.usage.drain(..surplus);
    }

    /// All figures about quotas, in order.
    pub(crate) fn usage(&self) -> Vec<UsageReading> {
        self.lock().usage.clone()
    }

    /// No answer came in time. Whether the partner or the guest was waited for stays as it is.
    pub(crate) fn late(&self, index: usize) {
        let unwritten = self.entry(index, |entry| entry.unwritten).unwrap_or_default();
        let words =
            if unwritten { "the connector wrote its body too slowly" } else { "the partner did not answer in time" };
        self.failed(index, words, false);
        self.entry(index, |entry| entry.unwritten = unwritten);
    }

    /// The request failed on its way; `unconnected` where it is certain that there was no connection.
    pub(crate) fn failed(&self, index: usize, words: &str, unconnected: bool) {
        self.entry(index, |entry| {
            entry.unwritten = false;
            let unconnected = unconnected || matches!(&entry.stage, stage if !is_connected(stage));
            entry.stage = if unconnected { Stage::Unconnected } else { Stage::Broken };
            entry.record.outcome = Err(words.to_owned());
            entry.tick();
        });
        self.patience.end(index);
    }

    /// The guest let its body go before the last of it: nothing that follows is the partner's.
    pub(crate) fn abandoned(&self, index: usize) {
        let answered = self.entry(index, |entry| {
            entry.abandoned = true;
            entry.record.outcome.is_ok()
        });
        // An answer that came before the end of the body stays the partner's word.
        if answered != Some(true) {
            self.failed(index, "the connector left its body unfinished", false);
        }
    }

    /// How the last request stands.
    pub(crate) fn last(&self) -> Last {
        let pages = self.lock();
        match pages.entries.last() {
            Some(Entry { abandoned: true, record, .. }) => Last::Abandoned { answered: record.outcome.is_ok() },
            Some(Entry { unwritten: true, .. }) => Last::Fine,
            Some(Entry { stage: Stage::Trying(_), .. }) => Last::Waiting,
            Some(Entry { stage: Stage::Answered, starved: true, .. }) => Last::Starved,
            Some(Entry { stage: Stage::Unconnected | Stage::Broken, record, .. }) => {
                Last::Failed(record.outcome.clone().err().unwrap_or_default())
            }
            _ => Last::Fine,
        }
    }

    /// Whether a request that changes something at the partner got a connection.
    pub(crate) fn has_changed(&self) -> bool {
        self.lock().entries.iter().any(|entry| entry.changes && is_connected(&entry.stage))
    }

    /// Whether every such request has the head of an answer in hand.
    pub(crate) fn is_answered(&self) -> bool {
        self.lock()
            .entries
            .iter()
            .all(|entry| !entry.changes || !is_connected(&entry.stage) || matches!(entry.stage, Stage::Answered))
    }

    /// All records, in order.
    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.lock().entries.iter().map(|entry| entry.record.clone()).collect()
    }

    /// How many requests were made.
    pub(crate) fn count(&self) -> usize {
        self.lock().made
    }

    /// Whether any request was answered.
    pub(crate) fn has_answer(&self) -> bool {
        self.lock().entries.iter().any(|entry| matches!(entry.stage, Stage::Answered))
    }
}

fn within(bytes: u64, most: u64, whose: &str, limit: &str) -> Result<(), Denial> {
    if bytes <= most {
        return Ok(());
    }
    let words = format!("{whose} of one call have bodies of more than {most} bytes together");
    Err(Denial::limit(words, &format!("{limit}: {}", most.saturating_mul(2))))
}

fn is_connected(stage: &Stage) -> bool {
    match stage {
        Stage::Held | Stage::Unconnected => false,
        Stage::Trying(None) | Stage::Broken | Stage::Answered => true,
        Stage::Trying(Some(connection)) => connection.connection_metadata().is_some(),
    }
}

/// Whether a method asks for a change.
pub(crate) fn is_changing(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
