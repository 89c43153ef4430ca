//! Leads, static lists and tokens at Marketo.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::MarketoSettings;
use crate::settings::Settings;
use crate::values::is_digits;
use crate::windows::Windows;

/// Lead ids count up from here.
const FIRST_LEAD: u32 = 318_594;
/// List ids count up from here.
const FIRST_LIST: u32 = 1_021;
/// Folders that are there: 1 to so many.
pub(super) const FOLDERS: u32 = 9_999;
/// The workspace of what is made here.
pub(super) const WORKSPACE: &str = "Default";

/// A person.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) id: u32,
    pub(super) email: String,
    /// Custom fields.
    pub(super) fields: HashMap<String, String>,
    /// When it was last changed, in seconds since 1970.
    pub(super) updated: u64,
}

/// A static list.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) id: String,
    /// The Munchkin id of the instance, as the lab's accounts know it; the lab is one instance only.
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) workspace: String,
    pub(super) folder: (u32, String),
    pub(super) created: u64,
    pub(crate) members: BTreeSet<u32>,
    /// Leads that were named and not taken.
    pub(crate) refused: u64,
}

/// Everything that Marketo knows.
#[derive(Debug)]
pub(crate) struct MarketoState {
    permissive: bool,
    leads: HashMap<u32, Lead>,
    by_email: HashMap<String, Vec<u32>>,
    by_field: HashMap<(String, String), Vec<u32>>,
    lists: HashMap<String, List>,
    order: Vec<String>,
    /// The token of each client, and when it ends.
    tokens: HashMap<String, (String, Instant)>,
    pub(super) revoked: HashSet<String>,
    windows: Windows,
    day: (u64, u64),
    next_lead: u32,
    next_list: u32,
}

impl MarketoState {
    pub(crate) fn new(permissive: bool) -> MarketoState {
        MarketoState {
            permissive,
            leads: HashMap::new(),
            by_email: HashMap::new(),
            by_field: HashMap::new(),
            lists: HashMap::new(),
            order: Vec::new(),
            tokens: HashMap::new(),
            revoked: HashSet::new(),
            windows: Windows::default(),
            day: (0, 0),
            next_lead: FIRST_LEAD,
            next_list: FIRST_LIST,
        }
    }

    /// Ends all tokens.
    pub(crate) fn revoke_all(&mut self) {
        self.revoked.extend(self.tokens.values().map(|(token, _)| token.clone()));
    }

    /// The token of a client and the seconds that it has left: the same one until it ends.
    pub(super) fn token(&mut self, client: &str, life: Duration, now: Instant) -> (String, Duration) {
        let known = self.tokens.get(client).filter(|(token, end)| now < *end && !self.revoked.contains(token));
        if let Some((token, end)) = known {
            return (token.clone(), *end - now);
        }
        let token = format!("lab-{:08x}:int", self.tokens.len() + self.revoked.len() + 1);
        self.tokens.insert(client.to_string(), (token.clone(), now + life));
        (token, life)
    }

    /// Whether a token is over its end. Tokens that the lab did not make have none.
    pub(super) fn is_over(&self, token: &str, now: Instant) -> bool {
        self.tokens.values().any(|(known, end)| known == token && now >= *end)
    }

    /// The people with this address. Whom the settings say that Marketo knows is made at first sight.
    pub(super) fn with_email(&mut self, email: &str, settings: &MarketoSettings) -> Vec<Lead> {
        let email = email.trim().to_lowercase();
        if !self.by_email.contains_key(&email) {
            let digest = Sha256::digest(email.as_bytes());
            let known = u16::from(digest[0]) >= settings.unknown_of_256 && email.is_ascii() && email.contains('@');
            let twice = u16::from(digest[1]) < settings.duplicates_of_256;
            for _ in 0..usize::from(known) + usize::from(known && twice) {
                self.make(&email, HashMap::new());
            }
        }
        self.found(self.by_email.get(&email))
    }

    /// The ids of those who have this address already.
    pub(super) fn emailed(&self, email: &str) -> Vec<u32> {
        self.by_email.get(email).cloned().unwrap_or_default()
    }

    /// The people with this value in a custom field; made at first sight, one for each value.
    pub(super) fn with_field(&mut self, field: &str, value: &str) -> Vec<Lead> {
        let key = (field.to_string(), value.to_string());
        if !self.by_field.contains_key(&key) && !value.is_empty() {
            self.make("", HashMap::from([key.clone()]));
        }
        self.found(self.by_field.get(&key))
    }

    fn found(&self, ids: Option<&Vec<u32>>) -> Vec<Lead> {
        ids.into_iter().flatten().filter_map(|id| self.leads.get(id).cloned()).collect()
    }

    /// The person of this id.
    pub(super) fn lead(&self, id: u32) -> Option<&Lead> {
        self.leads.get(&id)
    }

    /// Makes a person known by id, where nobody has that id: a permissive lab, or one that is read from a file.
    pub(crate) fn know(&mut self, id: u32, email: &str, fields: HashMap<String, String>) {
        if self.leads.contains_key(&id) {
            return;
        }
        if !email.is_empty() {
            self.by_email.entry(email.to_string()).or_default().push(id);
        }
        for (field, value) in &fields {
            self.by_field.entry((field.clone(), value.clone())).or_default().push(id);
        }
        self.next_lead = self.next_lead.max(id.saturating_add(1));
        let lead = Lead { id, email: email.to_string(), fields, updated: crate::meta::unix_now() + u64::from(id) };
        self.leads.insert(id, lead);
    }

    /// Makes a person and gives the id.
    pub(super) fn make(&mut self, email: &str, fields: HashMap<String, String>) -> u32 {
        let id = self.next_lead;
        self.know(id, email, fields);
        id
    }

    /// A list. A permissive lab makes up one that it does not know.
    pub(super) fn list(&mut self, id: &str) -> Option<&mut List> {
        if self.permissive && !self.lists.contains_key(id) && is_digits(id) {
            self.create("", Some(id.to_string()), &format!("List {id}"));
        }
        self.lists.get_mut(id)
    }

    /// Whether any well-formed lead exists.
    pub(super) fn knows_all(&self) -> bool {
        self.permissive
    }

    /// A list by id, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&List> {
        self.lists.get(id)
    }

    /// The same, to be changed.
    pub(crate) fn existing_mut(&mut self, id: &str) -> Option<&mut List> {
        self.lists.get_mut(id)
    }

    /// All lists in order of creation.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &List> {
        self.order.iter().filter_map(|id| self.lists.get(id))
    }

    /// Makes a list and gives its id.
    pub(crate) fn create(&mut self, account: &str, id: Option<String>, name: &str) -> String {
        let id = id.unwrap_or_else(|| {
            while self.lists.contains_key(&self.next_list.to_string()) {
                self.next_list += 1;
            }
            self.next_list += 1;
            (self.next_list - 1).to_string()
        });
        self.order.push(id.clone());
        self.lists.insert(
            id.clone(),
            List {
                id: id.clone(),
                account: account.to_string(),
                name: name.to_string(),
                description: String::new(),
                workspace: WORKSPACE.to_string(),
                folder: (1, "Folder".to_string()),
                created: crate::meta::unix_now(),
                members: BTreeSet::new(),
                refused: 0,
            },
        );
        id
    }

    /// Makes a list known, as if it had been made long ago. One that is known stays as it is.
    pub(crate) fn adopt(&mut self, account: &str, id: &str, name: &str) -> bool {
        let formed = is_digits(id);
        if formed && !self.lists.contains_key(id) {
            self.create(account, Some(id.to_string()), name);
        }
        formed
    }

    /// Deletes a list; false if it is not there.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        self.order.retain(|known| known != id);
        self.lists.remove(id).is_some()
    }

    /// The members of a list as rows: their address, custom fields and id.
    pub(crate) fn rows<'a>(&'a self, list: &'a List) -> impl Iterator<Item = Vec<(String, String)>> + 'a {
        list.members.iter().filter_map(|id| self.leads.get(id)).map(|lead| {
            let mut row: Vec<(String, String)> = lead.fields.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            row.sort_unstable();
            row.insert(0, ("id".to_string(), lead.id.to_string()));
            if !lead.email.is_empty() {
                row.insert(1, ("email".to_string(), lead.email.clone()));
            }
            row
        })
    }

    /// Counts a call on the day `today`, in days since 1970 in US Central time; the code of the quota that is spent.
    pub(super) fn charge(&mut self, now: Instant, today: u64, settings: &Settings) -> Option<u32> {
        let quota = &settings.marketo;
        if self.day.0 != today {
            self.day = (today, 0);
        }
        if self.day.1 >= quota.per_day {
            return Some(607);
        }
        let window = Duration::from_secs(20) / settings.time_scale.max(1);
        if !self.windows.take(now, &[(window, quota.per_20_seconds)]) {
            return Some(606);
        }
        self.day.1 += 1;
        None
    }
}
