//! Accounts, user lists, requests and tokens at Google.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::GoogleError;
use crate::rows::RowSet;
use crate::settings::Settings;
use crate::values::is_digits;
use crate::windows::Windows;

/// The manager account that is there from the start, with twenty accounts under it.
pub(super) const MANAGER: &str = "9000000001";
const FIRST_CLIENT: u64 = 1_000_000_001;
/// Accounts that the login reaches without a manager.
const DIRECT: [&str; 2] = ["1111", "2222"];
/// List ids count up from here.
const FIRST_LIST: u64 = 7_090_784_486;
/// Requests whose status is remembered.
const REQUESTS: usize = 10_000;

/// What a list is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Mobile,
    User,
    /// For data partners: nobody else writes it.
    Other,
}

impl Kind {
    /// The upload key type of this name.
    pub(super) fn parse(name: &str) -> Option<Kind> {
        match name {
            "CONTACT_ID" => Some(Kind::Contact),
            "MOBILE_ID" => Some(Kind::Mobile),
            "USER_ID" => Some(Kind::User),
            "PAIR_ID" | "PSEUDONYMOUS_ID" => Some(Kind::Other),
            _ => None,
        }
    }
}

/// A user list.
#[derive(Debug)]
pub(crate) struct UserList {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The upload key type and what belongs to it, as the partner shows them.
    pub(crate) info: Value,
    pub(super) kind: Kind,
    /// iOS lists hold IDFAs, Android lists GAIDs.
    pub(super) ios: bool,
    /// Days that a member stays.
    pub(super) days: u64,
    pub(super) closed: bool,
    pub(crate) read_only: bool,
    pub(crate) members: RowSet,
    /// Members that were accepted and dropped while they were processed.
    pub(crate) refused: u64,
    /// When members were last sent.
    pub(super) changed: Option<Instant>,
}

impl UserList {
    /// Sets what a list is made of, by its kind in one word.
    pub(crate) fn describe(&mut self, kind: &str, description: String, info: Value) {
        let (stem, space) = kind.split_once('/').unwrap_or((kind, ""));
        self.kind = Kind::parse(stem).unwrap_or(Kind::Other);
        self.ios = space == "IOS";
        self.description = description;
        self.info = info;
    }

    /// The kind in one word, as `/_lab` shows it.
    pub(crate) fn kind_word(&self) -> &'static str {
        match (self.kind, self.ios) {
            (Kind::Contact, _) => "CONTACT_ID",
            (Kind::Mobile, true) => "MOBILE_ID/IOS",
            (Kind::Mobile, false) => "MOBILE_ID/ANDROID",
            (Kind::User, _) => "USER_ID",
            (Kind::Other, _) => "PAIR_ID",
        }
    }
}

/// What became of a request at one destination.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) account: String,
    pub(super) list: String,
    pub(super) kind: Kind,
    pub(super) records: u64,
    pub(super) identifiers: u64,
    /// Members that were dropped, by reason.
    pub(super) errors: BTreeMap<String, u64>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Ingest,
    Remove,
    RemoveAll,
}

/// A request that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) deed: Deed,
    pub(super) at: Instant,
    pub(super) outcomes: Vec<Outcome>,
}

/// Which quota a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Ingestion,
    Status,
    Others,
}

/// Everything that Google knows.
#[derive(Debug)]
pub(crate) struct GoogleState {
    permissive: bool,
    accounts: Vec<String>,
    known: HashSet<String>,
    unsigned: HashSet<String>,
    lists: HashMap<String, UserList>,
    order: Vec<String>,
    requests: HashMap<String, Accepted>,
    request_order: Vec<String>,
    /// Access tokens with an end, and when that is.
    pub(super) tokens: HashMap<String, Instant>,
    pub(super) revoked: HashSet<String>,
    pub(super) used_codes: HashSet<String>,
    windows: [Windows; 3],
    next_id: u64,
}

impl GoogleState {
    pub(crate) fn new(permissive: bool) -> GoogleState {
        let mut state = GoogleState {
            permissive,
            accounts: Vec::new(),
            known: HashSet::new(),
            unsigned: HashSet::new(),
            lists: HashMap::new(),
            order: Vec::new(),
            requests: HashMap::new(),
            request_order: Vec::new(),
            tokens: HashMap::new(),
            revoked: HashSet::new(),
            used_codes: HashSet::new(),
            windows: Default::default(),
            next_id: FIRST_LIST,
        };
        for place in 0..20 {
            state.know(&(FIRST_CLIENT + place).to_string());
        }
        DIRECT.iter().for_each(|id| state.know(id));
        state
    }

    /// The accounts under the manager, or those that are reached without one.
    pub(super) fn clients(&self, of: &str) -> Vec<String> {
        let direct = |id: &&String| DIRECT.contains(&id.as_str());
        match of {
            MANAGER => self.accounts.iter().filter(|id| !direct(id)).cloned().collect(),
            other => self.accounts.iter().filter(|id| *id == other).cloned().collect(),
        }
    }

    /// Customers that the login reaches by itself.
    pub(super) fn accessible(&self) -> Vec<String> {
        std::iter::once(MANAGER).chain(DIRECT).map(str::to_string).collect()
    }

    /// Checks an account. A well-formed one that is not known is made, unless the lab is strict about it.
    pub(super) fn account(&mut self, id: &str, settings: &Settings) -> Result<(), GoogleError> {
        if !self.known.contains(id) && (!is_digits(id) || (settings.strict_accounts && !self.permissive)) {
            return Err(GoogleError::of("PERMISSION_DENIED"));
        }
        self.know(id);
        Ok(())
    }

    /// Whether the customer-data terms of an account are accepted.
    pub(super) fn terms(&self, account: &str) -> bool {
        !self.unsigned.contains(account)
    }

    /// Sets whether the terms of an account are accepted; false where there is no such account.
    pub(crate) fn sign(&mut self, account: &str, signed: bool) -> bool {
        match signed {
            true => self.unsigned.remove(account),
            false => self.unsigned.insert(account.to_string()),
        };
        self.known.contains(account)
    }

    /// A list of this account. A permissive lab makes up one that it does not know.
    pub(super) fn list(&mut self, account: &str, id: &str, kind: Kind) -> Option<&mut UserList> {
        if self.permissive && !self.lists.contains_key(id) && is_digits(id) {
            let made = self.create(account, Some(id.to_string()), &format!("List {id}"));
            if let Some(list) = self.lists.get_mut(&made) {
                list.kind = kind;
            }
        }
        let permissive = self.permissive;
        let found = self.lists.get_mut(id).filter(|list| permissive || list.account == account)?;
        if permissive && found.members.len() == 0 {
            // What a list nobody described is made of shows when people come.
            found.kind = kind;
        }
        Some(found)
    }

    /// A list by id, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&UserList> {
        self.lists.get(id)
    }

    /// The same, to be changed.
    pub(crate) fn existing_mut(&mut self, id: &str) -> Option<&mut UserList> {
        self.lists.get_mut(id)
    }

    /// All lists in order of creation.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &UserList> {
        self.order.iter().filter_map(|id| self.lists.get(id))
    }

    /// Makes a list of contact data and gives its id.
    pub(crate) fn create(&mut self, account: &str, id: Option<String>, name: &str) -> String {
        self.know(account);
        let id = id.unwrap_or_else(|| {
            while self.lists.contains_key(&self.next_id.to_string()) {
                self.next_id += 1;
            }
            self.next_id += 1;
            (self.next_id - 1).to_string()
        });
        self.order.push(id.clone());
        self.lists.insert(
            id.clone(),
            UserList {
                id: id.clone(),
                account: account.to_string(),
                name: name.to_string(),
                description: String::new(),
                info: serde_json::json!({
                    "uploadKeyTypes": ["CONTACT_ID"],
                    "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"},
                }),
                kind: Kind::Contact,
                ios: false,
                days: 540,
                closed: false,
                read_only: false,
                members: RowSet::default(),
                refused: 0,
                changed: None,
            },
        );
        id
    }

    /// Makes a list known, as if it had been made long ago. One that is known stays as it is.
    pub(crate) fn adopt(&mut self, account: &str, id: &str, name: &str) -> bool {
        let formed = is_digits(account) && is_digits(id);
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

    /// Remembers a request that was accepted.
    pub(super) fn accept(&mut self, id: String, request: Accepted) {
        if self.request_order.len() == REQUESTS {
            let oldest = self.request_order.remove(0);
            self.requests.remove(&oldest);
        }
        self.request_order.push(id.clone());
        self.requests.insert(id, request);
    }

    /// A request that was accepted.
    pub(super) fn request(&self, id: &str) -> Option<&Accepted> {
        self.requests.get(id)
    }

    /// Ends all tokens, and the consents of these codes.
    pub(crate) fn revoke_all(&mut self, codes: &[String]) {
        self.revoked.extend(self.tokens.keys().cloned());
        self.revoked.extend(codes.iter().map(|code| format!("1//lab-{code}")));
    }

    /// Whether a token is dead: revoked, or over its end.
    pub(super) fn is_dead(&self, token: &str, now: Instant) -> bool {
        self.revoked.contains(token) || self.tokens.get(token).is_some_and(|end| now >= *end)
    }

    /// Counts a call against the project's quota; false where it is spent.
    pub(super) fn charge(&mut self, service: Service, now: Instant, settings: &Settings) -> bool {
        let quota = &settings.google;
        let day = match service {
            Service::Others => quota.others_per_day,
            _ => quota.per_day,
        };
        let span = |seconds: u64| Duration::from_secs(seconds) / settings.time_scale.max(1);
        self.windows[service as usize].take(now, &[(span(60), quota.per_minute), (span(86_400), day)])
    }

    fn know(&mut self, account: &str) {
        if self.known.insert(account.to_string()) {
            self.accounts.push(account.to_string());
        }
    }
}
