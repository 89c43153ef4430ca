//! Ports: plain traits between the rooms. `runner` knows these, not `connectors`; `cli` joins them, so that a
//! simulation builds without wasmtime.
mod connectors;

pub use connectors::Connectors;

use crate::{Digest, Effect, Fault, Manifest, Millis, Part, Report, Target};
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The time of day. Only shells ask it; pure rooms get instants as parameters.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Millis;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Randomness as a parameter.
pub trait Rng: Send {
    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;
}

/// A secret value; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Secret {
        Secret(value.into())
    }

    /// The value, for the egress alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An app of a partner's, which the host changes for tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct App {
    /// Its id, which is no secret.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
}

/// Where secrets come from.
pub trait Vault: Send + Sync {
    /// A connection's secret: `token`, or one that its manifest names. Asked for at every call, so that a mended
    /// secret is found.
    ///
    /// # Errors
    /// In plain words: which variable or file is missing. Never the value.
    fn secret(&self, connection: &str, name: &str) -> Result<Secret, String>;

    /// A connection's app; `None` where it brings its token itself.
    ///
    /// # Errors
    /// In plain words: which variable or file is missing. Never the value.
    fn app(&self, connection: &str) -> Result<Option<App>, String> {
        let _ = connection;
        Ok(None)
    }

    /// Whether the connection's file says where a token is kept.
    fn brings_token(&self, connection: &str) -> bool {
        let _ = connection;
        true
    }

    /// The app that is sealed for a connector, for all its connections.
    fn sealed_app<'a>(&'a self, connector: &'a str) -> BoxFuture<'a, Result<Option<App>, String>> {
        let _ = connector;
        Box::pin(async { Ok(None) })
    }

    /// What is sealed for a connection; it goes before what its file names.
    fn credential<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<crate::Credential>, String>> {
        let _ = connection;
        Box::pin(async { Ok(None) })
    }

    /// Seals a connection's next credential in the place of one that was read; false where that is no longer there.
    fn renew<'a>(
        &'a self,
        connection: &'a str,
        was: &'a crate::Credential,
        becomes: &'a crate::Credential,
    ) -> BoxFuture<'a, Result<bool, String>> {
        let _ = (connection, was, becomes);
        Box::pin(async { Err("nothing is sealed here".to_owned()) })
    }
}

/// What a connector is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Ad accounts.
    Accounts {
        /// The page's cursor.
        cursor: Option<String>,
    },
    /// Audiences of an account.
    Audiences {
        /// The partner's id of the account.
        account: String,
        /// Part of the name; empty = all.
        query: String,
        /// The page's cursor.
        cursor: Option<String>,
    },
    /// Make an audience once.
    CreateAudience {
        /// The partner's id of the account.
        account: String,
        /// Its name.
        name: String,
        /// Ours, unique: found again after a crash.
        marker: String,
        /// The key group.
        group: String,
        /// The first people, where the partner needs some.
        seed: Option<Part>,
    },
    /// The checklist.
    Check {
        /// Account, and audience if any.
        target: Target,
    },
    /// Add or remove.
    Sync {
        /// Where.
        target: Target,
        /// Whom.
        part: Arc<Part>,
    },
    /// The next members of a source's audience.
    Members {
        /// Where: the account is the folder.
        target: Target,
        /// What the page before said; none = from the beginning.
        cursor: Option<String>,
    },
    /// What became of a pending part.
    FollowUp {
        /// Where.
        target: Target,
        /// The reference.
        reference: String,
    },
}

/// An ad account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AccountInfo {
    /// The partner's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why it cannot be written.
    pub unusable: Option<String>,
}

/// An audience at the partner.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AudienceInfo {
    /// The partner's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Why it cannot be written.
    pub unusable: Option<String>,
    /// A lower bound of its size.
    pub size: Option<u64>,
}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// As it should be.
    Good,
    /// A person should look.
    Warning,
    /// Calls will fail.
    Failed,
}

/// A line of the checklist.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it stands.
    pub state: FindingState,
    /// What was found.
    pub message: String,
    /// What to do.
    pub cure: Option<String>,
    /// Where.
    pub link: Option<String>,
}

/// What a connector answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A page of accounts and the next cursor.
    Accounts(Vec<AccountInfo>, Option<String>),
    /// A page of audiences and the next cursor.
    Audiences(Vec<AudienceInfo>, Option<String>),
    /// The audience's id, further ids, and whether an earlier one was adopted.
    Created {
        /// The partner's id.
        audience: String,
        /// Further ids.
        audience_parts: Vec<(String, String)>,
        /// Whether the marker was found.
        adopted: bool,
    },
    /// The checklist.
    Findings(Vec<Finding>),
    /// What became of a part. Host-side trouble (trap, deadline, denial) is in `report.fault`.
    Report(Report),
    /// A later judgement: refusals by row, counts by reason.
    Judged(Vec<crate::Refusal>, Vec<(String, u32)>),
    /// Ask again after so many milliseconds.
    Later(u64),
    /// Members of a source's audience.
    Members(MemberPage),
}

/// What a source says of an audience's members.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberPage {
    /// An export is being made.
    Pending {
        /// Ask with this next.
        cursor: String,
        /// Not before so many milliseconds.
        after_ms: u64,
    },
    /// Members.
    Page(Members),
}

/// One page of members, as packed columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// How many rows.
    pub rows: u32,
    /// Identifiers (`ecid`, `alias`, `external_id`, `email`, `phone`) and attributes (`attributes.NAME`). Where somebody has
    /// several of a kind, its key has several columns; an attribute that a column leaves empty was emptied at the source.
    pub columns: Vec<crate::Column>,
    /// One byte per row: 1 = joined or still in, 0 = left.
    pub joined: Vec<u8>,
    /// Whether the page belongs to a full export: who is in none of its pages has left.
    pub full: bool,
    /// The cursor of the next page, or of the next incremental call.
    pub next: Option<String>,
    /// False where `next` only serves a later call.
    pub more: bool,
    /// The file that the page was read from, where files are handed over.
    pub file: Option<FileRead>,
}

/// How far a file was read that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its name, without the folder.
    pub name: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Its rows until now, also those that cannot be read.
    pub rows: u64,
    /// Those that cannot be read.
    pub broken: u64,
    /// Those of this page.
    pub broken_here: u64,
    /// What is wrong with the first of them.
    pub wrong: Vec<BrokenRow>,
    /// Whether the page is its last.
    pub ended: bool,
}

/// A row of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BrokenRow {
    /// The file's name.
    pub file: String,
    /// The line on which it begins, from 1; 0 = the file as a whole.
    pub line: u64,
    /// What is wrong with it, without any of its values.
    pub why: String,
}

impl Members {
    /// How the page breaks the contract, if it does.
    pub fn breach(&self) -> Option<String> {
        let rows = self.rows as usize;
        if self.joined.len() != rows {
            return Some(format!("it says of {} of {rows} members whether they joined", self.joined.len()));
        }
        if self.more && self.next.is_none() {
            return Some("it says that there is more, and not where".into());
        }
        let sound = |column: &&crate::Column| {
            column.ends.len() == rows
                && column.ends.is_sorted()
                && column.ends.last().map_or(column.text.is_empty(), |end| *end as usize == column.text.len())
                && std::str::from_utf8(&column.text)
                    .is_ok_and(|text| column.ends.iter().all(|end| text.is_char_boundary(*end as usize)))
        };
        let bad = self.columns.iter().find(|column| !sound(column))?;
        Some(format!("its column `{}` does not hold {rows} packed texts", bad.key))
    }

    /// The value of a column in a row; `None` where it has none.
    pub fn value(&self, key: &str, row: usize) -> Option<&str> {
        self.values(key, row).next()
    }

    /// All values that a row has under a key.
    pub fn values<'a, 'k>(&'a self, key: &'k str, row: usize) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        let columns = self.columns.iter().filter(move |column| column.key == key);
        columns.filter_map(move |column| {
            let end = *column.ends.get(row)? as usize;
            let start = if row == 0 { 0 } else { *column.ends.get(row - 1)? as usize };
            let text = std::str::from_utf8(column.text.get(start..end)?).ok()?;
            Some(text).filter(|text| !text.is_empty())
        })
    }
}

/// One request as the egress saw it, without injected secrets.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RequestRecord {
    /// The method.
    pub method: String,
    /// The URL as the guest asked for it (the partner's own host, also at a lab).
    pub url: String,
    /// Headers in the guest's order; injected ones with their value masked.
    pub headers: Vec<(String, String)>,
    /// The body, kept only where the caller asked for it (`record_bodies`).
    pub body: Option<Vec<u8>>,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// The route of the manifest that allowed it.
    pub route: Option<String>,
    /// The HTTP status, or why there is none.
    pub outcome: Result<u16, String>,
    /// What the egress put in.
    pub placed: Vec<Placed>,
    /// The answer's headers: scrubbed, without cookies, at most 40 and 4 kB.
    pub answer_headers: Vec<(String, String)>,
    /// Bytes of the answer's body that were read. The body itself is never kept: it may hold people's data.
    pub answer_bytes: u64,
    /// The partner's own id of the answer, where the manifest says where it stands.
    pub trace_id: Option<String>,
    /// Milliseconds from dialling to the last byte of the answer that was read, or to the failure.
    pub elapsed_ms: u64,
}

impl RequestRecord {
    /// A request that has not been sent yet, with nothing in it.
    pub fn unsent(method: impl Into<String>, url: impl Into<String>) -> RequestRecord {
        RequestRecord {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            body_bytes: 0,
            route: None,
            outcome: Err("not sent".into()),
            placed: Vec::new(),
            answer_headers: Vec::new(),
            answer_bytes: 0,
            trace_id: None,
            elapsed_ms: 0,
        }
    }
}

/// A credential that the egress put into a request: where, and as which template of the manifest (`Bearer {token}`).
/// Never the value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placed {
    /// The part of the request.
    pub place: Place,
    /// The header's or parameter's name.
    pub name: String,
    /// The manifest's template.
    pub template: String,
}

/// A part of a request that takes credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A header.
    Header,
    /// A query parameter.
    Query,
}

/// Everything about one call.
#[derive(Debug)]
pub struct CallOutcome {
    /// The answer; a fault of any call but `sync` stands here as an error.
    pub answer: Result<Answer, Fault>,
    /// What the call may have done at the partner.
    pub effect: Effect,
    /// Its requests, in order.
    pub requests: Vec<RequestRecord>,
    /// What the heads of its answers told about quotas, in order.
    pub usage: Vec<crate::manifest::UsageReading>,
    /// Its log lines, scrubbed and bounded.
    pub log: Vec<String>,
}

/// Bounds and circumstances of one call.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// What the guest's wall clock shows: the sealing time.
    pub at: Millis,
    /// Seeds the guest's random numbers: the part's id, or anything stable.
    pub seed: String,
    /// How long the whole call may take. The last body chunk leaves only before it.
    pub deadline: std::time::Duration,
    /// Whether request bodies are kept in the outcome.
    pub record_bodies: bool,
}

/// A connector bound to one connection: its component, grant, settings, credentials and egress.
pub trait Connector: Send + Sync {
    /// Its manifest.
    fn manifest(&self) -> &Manifest;
    /// The digest of its bytes.
    fn digest(&self) -> Digest;
    /// The connection's settings as one JSON object, defaults filled in.
    fn settings(&self) -> &serde_json::Map<String, serde_json::Value>;
    /// One call in a fresh instance. Never panics and never blocks a thread for long.
    fn call<'a>(&'a self, context: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome>;
    /// The version that carries one slice, kept for it until it is dropped; `None`: this one. A new slice is sealed under
    /// its digest, so that what a batch names is what carried it; `sealed` is the digest of a slice that is open already.
    fn version_for(&self, sealed: Option<Digest>) -> Option<std::sync::Arc<dyn Connector>> {
        let _ = sealed;
        None
    }
    /// Refreshes a consent that would end because nobody uses it. What goes wrong is found again by the next call.
    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
