//! Audiences as Criteo, Pinterest and Snapchat keep them: under one account, with a set of identifiers for each type.
//! What belongs to one person is forgotten as soon as it is taken.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::ids::IdSets;
use crate::settings::Settings;
use crate::tokens::Tokens;

/// What is particular to a partner's shelf.
#[derive(Debug)]
pub(crate) struct Form {
    /// Whether a text is an account's id.
    pub(crate) is_account: fn(&str) -> bool,
    /// Whether a text is an audience's id.
    pub(crate) is_audience: fn(&str) -> bool,
    /// The kind of audience that takes people, where none is said.
    pub(crate) kind: &'static str,
    /// The identifier type of this name.
    pub(crate) id_type: fn(&str) -> Option<&'static str>,
    /// Accounts that are there from the start.
    pub(crate) accounts: fn() -> Vec<String>,
    /// Ids of audiences count up from here.
    pub(crate) first_id: u64,
}

/// An audience.
#[derive(Debug, Default)]
pub(crate) struct Shelved {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The partner's word for its kind.
    pub(crate) kind: String,
    /// The partner takes no changes of its members through the API.
    pub(crate) read_only: bool,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) updated: u64,
    /// When its members were last changed.
    pub(crate) changed: Option<Instant>,
    /// How long members stay, in days; none = for ever.
    pub(crate) retention_days: Option<u64>,
    pub(crate) members: IdSets,
    /// Identifiers that were not well formed.
    pub(crate) refused: u64,
    /// Member calls that were taken, and identifiers that came in them to be added and to be removed.
    pub(crate) batches: u64,
    pub(crate) uploaded: u64,
    pub(crate) withdrawn: u64,
}

/// A new audience.
#[derive(Debug, Default)]
pub(crate) struct NewShelved {
    /// Its id; none draws one.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Its kind; none = the one that takes people.
    pub(crate) kind: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) retention_days: Option<u64>,
}

/// All accounts and audiences of one partner, and its tokens.
#[derive(Debug)]
pub(crate) struct Shelf {
    form: &'static Form,
    permissive: bool,
    accounts: Vec<String>,
    known: HashSet<String>,
    audiences: HashMap<String, Shelved>,
    order: HashMap<String, Vec<String>>,
    next_id: u64,
    pub(crate) tokens: Tokens,
}

impl Shelf {
    pub(crate) fn new(form: &'static Form, permissive: bool) -> Shelf {
        let mut shelf = Shelf {
            form,
            permissive,
            accounts: Vec::new(),
            known: HashSet::new(),
            audiences: HashMap::new(),
            order: HashMap::new(),
            next_id: form.first_id,
            tokens: Tokens::default(),
        };
        (form.accounts)().iter().for_each(|id| shelf.know(id));
        shelf
    }

    /// What is particular to it.
    pub(crate) fn form(&self) -> &'static Form {
        self.form
    }

    /// All accounts in a stable order.
    pub(crate) fn accounts(&self) -> &[String] {
        &self.accounts
    }

    /// Whether an account is there. A well-formed one that is not known is made, unless the lab is strict about it.
    pub(crate) fn account(&mut self, id: &str, settings: &Settings) -> bool {
        if !self.known.contains(id) && (!(self.form.is_account)(id) || (settings.strict_accounts && !self.permissive)) {
            return false;
        }
        self.know(id);
        true
    }

    /// An audience, of this account where one is said. A permissive lab makes up one that it does not know.
    pub(crate) fn audience(&mut self, account: Option<&str>, id: &str) -> Option<&mut Shelved> {
        let permissive = self.permissive;
        if permissive && !self.audiences.contains_key(id) {
            let fallback = account.map(str::to_string).or_else(|| self.accounts.first().cloned());
            self.adopt(&fallback.unwrap_or_default(), id, &format!("Audience {id}"));
        }
        let theirs = |audience: &&mut Shelved| permissive || account.is_none_or(|account| account == audience.account);
        self.audiences.get_mut(id).filter(theirs)
    }

    /// An audience by id, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&Shelved> {
        self.audiences.get(id)
    }

    /// The audiences of an account in order of creation.
    pub(crate) fn audiences_of(&self, account: &str) -> impl Iterator<Item = &Shelved> {
        self.order.get(account).into_iter().flatten().filter_map(|id| self.audiences.get(id))
    }

    /// All audiences, by account and order of creation.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Shelved> {
        self.accounts.iter().flat_map(|account| self.audiences_of(account))
    }

    /// Makes an audience and gives its id.
    pub(crate) fn create(&mut self, account: &str, new: NewShelved) -> String {
        self.know(account);
        let id = new.id.unwrap_or_else(|| {
            while self.audiences.contains_key(&self.next_id.to_string()) {
                self.next_id += 1;
            }
            self.next_id += 1;
            (self.next_id - 1).to_string()
        });
        let now = crate::meta::unix_now();
        self.order.entry(account.to_string()).or_default().push(id.clone());
        let audience = Shelved {
            id: id.clone(),
            account: account.to_string(),
            name: new.name,
            description: new.description,
            kind: new.kind.unwrap_or_else(|| self.form.kind.to_string()),
            read_only: new.read_only,
            created: now,
            updated: now,
            retention_days: new.retention_days,
            ..Shelved::default()
        };
        self.audiences.insert(id.clone(), audience);
        id
    }

    /// Deletes an audience; false if it was not there.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some(audience) = self.audiences.remove(id) else { return false };
        if let Some(order) = self.order.get_mut(&audience.account) {
            order.retain(|other| other != id);
        }
        true
    }

    /// Makes an audience known under an id that it has already. False if an id is not well formed.
    pub(crate) fn adopt(&mut self, account: &str, id: &str, name: &str) -> bool {
        if !(self.form.is_account)(account) || !(self.form.is_audience)(id) {
            return false;
        }
        if !self.audiences.contains_key(id) {
            self.create(
                account,
                NewShelved { id: Some(id.to_string()), name: name.to_string(), ..NewShelved::default() },
            );
        }
        true
    }

    fn know(&mut self, id: &str) {
        if self.known.insert(id.to_string()) {
            self.accounts.push(id.to_string());
        }
    }
}

impl Shelved {
    /// Adds or removes well-formed identifiers of one type, and notes the call. `refused` of them were not well formed.
    pub(crate) fn edit<'v>(
        &mut self,
        add: bool,
        kind: &'static str,
        values: impl Iterator<Item = &'v str>,
        refused: usize,
    ) {
        let mut taken = 0;
        for value in values {
            taken += 1;
            match add {
                true => self.members.add(kind, value),
                false => self.members.remove(kind, value),
            };
        }
        self.refused += refused as u64;
        match add {
            true => self.uploaded += taken + refused as u64,
            false => self.withdrawn += taken + refused as u64,
        }
    }

    /// Notes a member call that was taken.
    pub(crate) fn note_batch(&mut self) {
        self.batches += 1;
        self.changed = Some(Instant::now());
        self.updated = crate::meta::unix_now();
    }
}

/// The page of a list that begins at `start`, and where the next one begins.
pub(crate) fn page<T>(items: Vec<T>, start: usize, size: usize) -> (Vec<T>, Option<usize>) {
    let end = start.saturating_add(size);
    let next = (items.len() > end).then_some(end);
    (items.into_iter().skip(start).take(size).collect(), next)
}
