//! Accounts and audiences at Meta.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::rows::RowSet;
use crate::settings::Settings;
use crate::values::is_digits;

/// Accounts that are there from the start, besides 1 to 20.
const NAMED_ACCOUNTS: [&str; 2] = ["1111", "2222"];
/// Audience ids count up from here: beyond 2^53, like the real ones.
const FIRST_ID: u64 = 23_842_000_000_000_001;
/// The account of an audience that a permissive lab was asked about without having seen it made.
const FALLBACK_ACCOUNT: &str = "1";

/// An ad account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Digits, without `act_`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The custom-audience terms are signed.
    pub(crate) terms: bool,
}

/// A custom audience.
#[derive(Debug)]
pub(crate) struct Audience {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) subtype: String,
    pub(crate) source: String,
    pub(crate) value_based: bool,
    pub(crate) retention_days: Option<u32>,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) content_updated: u64,
    pub(crate) shared_with: Vec<String>,
    pub(crate) members: RowSet,
    /// Members that a replacing session has gathered so far, by session id.
    pub(crate) replacing: Option<(String, RowSet)>,
    pub(crate) sessions: Vec<Session>,
    /// Rows refused so far, over all calls.
    pub(crate) refused: u64,
    /// Rows taken for Limited Data Use so far, over all calls.
    pub(crate) limited: u64,
}

/// An upload session as `/{audience}/sessions` shows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) start: u64,
    pub(crate) end: Option<u64>,
    pub(crate) received: u64,
    pub(crate) invalid: u64,
}

/// What a new audience is made of.
#[derive(Debug, Default)]
pub(crate) struct NewAudience {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) subtype: String,
    pub(crate) source: String,
    pub(crate) value_based: bool,
    pub(crate) retention_days: Option<u32>,
}

/// All accounts and audiences.
#[derive(Debug)]
pub(crate) struct MetaState {
    permissive: bool,
    accounts: Vec<Account>,
    places: HashMap<String, usize>,
    audiences: HashMap<String, Audience>,
    /// By account, in order of creation.
    order: HashMap<String, Vec<String>>,
    next_id: u64,
}

impl MetaState {
    pub(crate) fn new(permissive: bool) -> MetaState {
        let mut state = MetaState {
            permissive,
            accounts: Vec::new(),
            places: HashMap::new(),
            audiences: HashMap::new(),
            order: HashMap::new(),
            next_id: FIRST_ID,
        };
        for id in (1..=20).map(|number: u32| number.to_string()).chain(NAMED_ACCOUNTS.map(String::from)) {
            state.add_account(&id);
        }
        state
    }

    /// All accounts in a stable order.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// An account by its digits. A well-formed one that is not known is made, unless the lab is strict about it.
    pub(crate) fn account(&mut self, id: &str, settings: &Settings) -> Option<&mut Account> {
        if !self.places.contains_key(id) && (!is_digits(id) || (settings.strict_accounts && !self.permissive)) {
            return None;
        }
        let place = match self.places.get(id) {
            Some(place) => *place,
            None => self.add_account(id),
        };
        self.accounts.get_mut(place)
    }

    /// Whether the terms of an account are signed.
    pub(crate) fn terms(&self, account: &str) -> bool {
        self.places.get(account).is_none_or(|place| self.accounts[*place].terms)
    }

    /// An audience by id. A permissive lab makes up one that it does not know.
    pub(crate) fn audience(&mut self, id: &str) -> Option<&mut Audience> {
        if self.permissive && is_digits(id) && !self.audiences.contains_key(id) {
            self.adopt(FALLBACK_ACCOUNT, id, &format!("Audience {id}"));
        }
        self.audiences.get_mut(id)
    }

    /// An audience by id, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&Audience> {
        self.audiences.get(id)
    }

    /// The audiences of an account in order of creation.
    pub(crate) fn audiences_of(&self, account: &str) -> impl Iterator<Item = &Audience> {
        self.order.get(account).into_iter().flatten().filter_map(|id| self.audiences.get(id))
    }

    /// All audiences, by account and order of creation.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.accounts.iter().flat_map(|account| self.audiences_of(&account.id))
    }

    /// Makes an audience and gives its id.
    pub(crate) fn create(&mut self, account: &str, new: NewAudience) -> String {
        if !self.places.contains_key(account) {
            self.add_account(account);
        }
        let id = new.id.unwrap_or_else(|| {
            while self.audiences.contains_key(&self.next_id.to_string()) {
                self.next_id += 1;
            }
            self.next_id += 1;
            (self.next_id - 1).to_string()
        });
        let now = unix_now();
        self.order.entry(account.to_string()).or_default().push(id.clone());
        self.audiences.insert(
            id.clone(),
            Audience {
                id: id.clone(),
                account: account.to_string(),
                name: new.name,
                description: new.description,
                subtype: new.subtype,
                source: new.source,
                value_based: new.value_based,
                retention_days: new.retention_days,
                created: now,
                updated: now,
                content_updated: now,
                shared_with: Vec::new(),
                members: RowSet::default(),
                replacing: None,
                sessions: Vec::new(),
                refused: 0,
                limited: 0,
            },
        );
        id
    }

    /// Deletes an audience; false if it is not there.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some(audience) = self.audiences.remove(id) else { return false };
        if let Some(order) = self.order.get_mut(&audience.account) {
            order.retain(|other| other != id);
        }
        true
    }

    /// Makes an audience known under an id that it has already.
    pub(crate) fn adopt(&mut self, account: &str, id: &str, name: &str) -> bool {
        if !is_digits(account) || !is_digits(id) {
            return false;
        }
        if !self.audiences.contains_key(id) {
            let new = NewAudience {
                id: Some(id.to_string()),
                name: name.to_string(),
                subtype: "CUSTOM".into(),
                source: "USER_PROVIDED_ONLY".into(),
                ..NewAudience::default()
            };
            self.create(account, new);
        }
        true
    }

    fn add_account(&mut self, id: &str) -> usize {
        let name = format!("Ad account {id}");
        self.accounts.push(Account { id: id.to_string(), name, terms: true });
        self.places.insert(id.to_string(), self.accounts.len() - 1);
        self.accounts.len() - 1
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
