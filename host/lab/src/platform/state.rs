//! Audiences, their people, and export jobs at Experience Platform.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::PlatformSettings;
use crate::tokens::Tokens;
use crate::windows::Windows;

/// The sandboxes that every organisation of the lab has: what a person picks as a folder.
pub(super) const SANDBOXES: [(&str, &str); 2] = [("prod", "Production"), ("dev", "Development")];
/// Export jobs that are remembered.
const JOBS: usize = 50;

/// Somebody who is in an audience, or was.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// The lab's own name of the person; none = the first identity.
    #[serde(default)]
    pub(crate) id: String,
    /// Namespace → value or values: `ECID`, `Email`, `CRMID`.
    pub(crate) identities: BTreeMap<String, Ids>,
    /// What else the profile holds, under `_lab`.
    #[serde(default)]
    pub(crate) attributes: Map<String, Value>,
    #[serde(skip)]
    pub(super) exited: bool,
    #[serde(skip)]
    pub(super) changed: u64,
}

/// One id of a namespace, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ids {
    One(String),
    Many(Vec<String>),
}

impl Ids {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Ids::One(id) => std::slice::from_ref(id),
            Ids::Many(ids) => ids,
        }
    }
}

/// Whom an export is of, and which fields of them.
pub(super) struct Wish<'a> {
    pub(super) statuses: &'a [String],
    pub(super) since: u64,
    pub(super) namespace: &'a str,
    /// None = all.
    pub(super) fields: &'a [&'a str],
}

/// Body of `POST /_lab/audiences/ID/members`: who joins and who leaves, as the next evaluation sees it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersChange {
    #[serde(default)]
    pub(crate) join: Vec<Member>,
    #[serde(default)]
    pub(crate) leave: Vec<String>,
    /// Increments tell nothing of it: who joins keeps the time before, who leaves is forgotten.
    #[serde(default)]
    pub(crate) quietly: bool,
    /// The audience is archived with that.
    #[serde(default)]
    pub(crate) archive: bool,
}

/// An audience.
#[derive(Debug)]
pub(crate) struct PlatformAudience {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) sandbox: String,
    pub(super) lifecycle: &'static str,
    /// `AEPSegments`, or that of where it comes from.
    pub(super) namespace: String,
    /// When it was handed over last.
    pub(super) handed: u64,
    pub(super) changed: u64,
    pub(super) members: BTreeMap<String, Member>,
}

impl PlatformAudience {
    /// Whether the platform made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.namespace == "AEPSegments"
    }

    /// Under which its members have it.
    fn membership(&self) -> &str {
        if self.is_ours() { "ups" } else { &self.namespace }
    }

    /// How many are in it now.
    pub(crate) fn size(&self) -> usize {
        self.members.values().filter(|member| !member.exited).count()
    }

    /// Identifiers of those who are in it, by namespace.
    pub(crate) fn keys(&self) -> Vec<(&'static str, Vec<String>)> {
        let of = |namespace: &str| -> Vec<String> {
            let members = self.members.values().filter(|member| !member.exited);
            members
                .filter_map(|member| member.identities.get(namespace))
                .flat_map(|ids| ids.all().iter().cloned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        let keys = [("ECID", of("ECID")), ("EMAIL", of("Email")), ("CRMID", of("CRMID"))];
        keys.into_iter().filter(|(_, values)| !values.is_empty()).collect()
    }
}

/// An export job.
#[derive(Debug)]
pub(super) struct ExportJob {
    pub(super) begun: Instant,
    /// When, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) failed: bool,
    pub(super) parts: Vec<Bytes>,
    pub(super) rows: usize,
}

/// Everything that Experience Platform knows.
#[derive(Debug, Default)]
pub(crate) struct PlatformState {
    permissive: bool,
    audiences: HashMap<String, PlatformAudience>,
    order: Vec<String>,
    pub(crate) tokens: Tokens,
    pub(super) jobs: BTreeMap<u64, ExportJob>,
    windows: Windows,
    last: u64,
}

impl PlatformState {
    pub(crate) fn new(permissive: bool) -> PlatformState {
        PlatformState { permissive, last: 99, ..PlatformState::default() }
    }

    /// All audiences in order of creation.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &PlatformAudience> {
        self.order.iter().filter_map(|id| self.audiences.get(id))
    }

    /// An audience, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&PlatformAudience> {
        self.audiences.get(id)
    }

    /// An audience of a sandbox. A permissive lab makes up one that it does not know.
    pub(super) fn audience(&mut self, sandbox: &str, id: &str) -> Option<&PlatformAudience> {
        if self.permissive && !self.audiences.contains_key(id) {
            self.create(sandbox, Some(id.to_string()), &format!("Audience {id}"));
        }
        self.audiences.get(id).filter(|audience| audience.sandbox == sandbox)
    }

    /// Makes an audience and gives its id.
    pub(crate) fn create(&mut self, sandbox: &str, id: Option<String>, name: &str) -> String {
        let count = self.order.len() + 1;
        let id = id.unwrap_or_else(|| format!("7c1e5fd0-0000-4000-8000-{count:012}"));
        self.order.push(id.clone());
        let audience = PlatformAudience {
            id: id.clone(),
            name: name.to_string(),
            description: String::new(),
            sandbox: sandbox.to_string(),
            lifecycle: "published",
            namespace: "AEPSegments".to_string(),
            handed: 0,
            changed: now(),
            members: BTreeMap::new(),
        };
        self.audiences.insert(id.clone(), audience);
        id
    }

    /// Describes an audience; `archived` is a lifecycle in which nothing is read.
    pub(crate) fn describe(&mut self, id: &str, description: String, namespace: Option<String>, archived: bool) {
        if let Some(audience) = self.audiences.get_mut(id) {
            audience.namespace = namespace.unwrap_or_else(|| audience.namespace.clone());
            audience.description = description;
            audience.lifecycle = if archived { "archived" } else { "published" };
        }
    }

    /// Deletes an audience; false if it is not there.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        self.order.retain(|known| known != id);
        self.audiences.remove(id).is_some()
    }

    /// An evaluation: who joins and who leaves now. None where there is no such audience; else how many joined and left.
    pub(crate) fn evaluate(&mut self, id: &str, change: MembersChange) -> Option<(usize, usize)> {
        let audience = self.audiences.get_mut(id)?;
        let at = now();
        audience.changed = at;
        if change.archive {
            audience.lifecycle = "archived";
        }
        let joined = change.join.len();
        for mut member in change.join {
            if member.id.is_empty() {
                let first = member.identities.values().next().and_then(|ids| ids.all().first().cloned());
                member.id = first.unwrap_or_default();
            }
            let before = audience.members.get(&member.id).filter(|_| change.quietly).map(|known| known.changed);
            (member.exited, member.changed) = (false, before.unwrap_or(at));
            audience.members.insert(member.id.clone(), member);
        }
        let mut left = 0;
        for id in change.leave {
            if change.quietly {
                left += usize::from(audience.members.remove(&id).is_some_and(|member| !member.exited));
            } else if let Some(member) = audience.members.get_mut(&id).filter(|member| !member.exited) {
                (member.exited, member.changed) = (true, at);
                left += 1;
            }
        }
        Some((joined, left))
    }

    /// Begins an export of those whose membership changed since, and whose status is asked for. Gives its number.
    pub(super) fn export(&mut self, id: &str, wish: &Wish<'_>, settings: &PlatformSettings) -> Option<u64> {
        let audience = self.audiences.get(id)?;
        let wanted = |exited: bool| wish.statuses.iter().any(|status| (status == "exited") == exited);
        // Under a namespace that is not the audience's own nobody has it.
        let members = audience.members.values().filter(|_| wish.namespace == audience.membership());
        let rows: Vec<&Member> =
            members.filter(|member| wanted(member.exited) && member.changed >= wish.since).collect();
        let chunks = rows.chunks(settings.rows_per_part.max(1));
        let parts = chunks.map(|rows| part(audience, rows, wish.fields, settings.parquet));
        let job = ExportJob {
            begun: Instant::now(),
            at: now(),
            failed: settings.exports_fail,
            parts: parts.collect(),
            rows: rows.len(),
        };
        self.last += 1;
        self.jobs.insert(self.last, job);
        while self.jobs.len() > JOBS {
            self.jobs.pop_first();
        }
        Some(self.last)
    }

    /// An audience that is about to be handed over.
    pub(super) fn existing_mut(&mut self, id: &str) -> Option<&mut PlatformAudience> {
        self.audiences.get_mut(id)
    }

    /// Counts a call; false where there were too many this second.
    pub(super) fn charge(&mut self, at: Instant, settings: &PlatformSettings, scale: u32) -> bool {
        let window = std::time::Duration::from_secs(1) / scale.max(1);
        self.windows.take(at, &[(window, settings.per_second)])
    }
}

fn part(audience: &PlatformAudience, rows: &[&Member], fields: &[&str], parquet: bool) -> Bytes {
    let mut text = String::new();
    if parquet {
        text.push_str("PAR1");
    }
    for member in rows {
        let identities: Map<String, Value> = member
            .identities
            .iter()
            .enumerate()
            .map(|(place, (space, ids))| {
                let id = |(nth, id): (usize, &String)| json!({"id": id, "primary": place == 0 && nth == 0});
                (space.clone(), ids.all().iter().enumerate().map(id).collect())
            })
            .collect();
        let status = if member.exited { "exited" } else { "realized" };
        let since = super::jobs::date(member.changed);
        let row = json!({
            "identityMap": identities, "_lab": member.attributes,
            "segmentMembership": {audience.membership(): {&audience.id: {"lastQualificationTime": since, "status": status}}},
        });
        text.push_str(&only(&row, fields).to_string());
        text.push('\n');
    }
    text.into()
}

/// The fields of a profile that are asked for, by their dotted paths.
fn only(row: &Value, fields: &[&str]) -> Value {
    if fields.iter().all(|field| field.is_empty()) {
        return row.clone();
    }
    let mut kept = json!({});
    for field in fields {
        let pointer = format!("/{}", field.replace('.', "/"));
        let Some(value) = row.pointer(&pointer) else { continue };
        let mut place = &mut kept;
        for name in field.split('.') {
            place = &mut place[name];
        }
        *place = value.clone();
    }
    kept
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
