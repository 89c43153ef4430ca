//! Advertisers, audiences, uploaded files and tokens at TikTok.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::TikTokError;
use crate::ids::IdSets;
use crate::settings::Settings;
use crate::values::is_digits;

/// Accounts that are there from the start, besides 1 to 20 and twenty of full length.
const NAMED_ACCOUNTS: [&str; 2] = ["1111", "2222"];
const FIRST_ADVERTISER: u64 = 7_000_000_000_000_000_001;
/// Audience ids count up from here: beyond 2^53, like the real ones.
const FIRST_ID: u64 = 173_000_000_000_000_001;
const FALLBACK_ACCOUNT: &str = "1";

/// The type of an audience made through the API; only such a one takes mappings.
pub(super) const PARTNER: &str = "Partner";
/// The type of an audience made from uploaded files.
pub(super) const CUSTOMER_FILE: &str = "Customer File";

/// A custom audience.
#[derive(Debug)]
pub(crate) struct Audience {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) calculate_type: String,
    pub(crate) created: u64,
    pub(crate) members: IdSets,
    /// Ids that were no digests, which TikTok drops without a word.
    pub(crate) ignored: u64,
    /// Changes, newest last: time, action, detail.
    pub(crate) history: Vec<(u64, &'static str, String)>,
}

/// An uploaded customer file.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) account: String,
    pub(super) calculate_type: &'static str,
    pub(super) content: Bytes,
}

/// All advertisers, audiences and files.
#[derive(Debug)]
pub(crate) struct TikTokState {
    permissive: bool,
    accounts: Vec<String>,
    known: HashSet<String>,
    audiences: HashMap<String, Audience>,
    order: HashMap<String, Vec<String>>,
    uploads: HashMap<String, Upload>,
    revoked: HashSet<String>,
    used_codes: HashSet<String>,
    next_id: u64,
}

impl TikTokState {
    pub(crate) fn new(permissive: bool) -> TikTokState {
        let mut state = TikTokState {
            permissive,
            accounts: Vec::new(),
            known: HashSet::new(),
            audiences: HashMap::new(),
            order: HashMap::new(),
            uploads: HashMap::new(),
            revoked: HashSet::new(),
            used_codes: HashSet::new(),
            next_id: FIRST_ID,
        };
        let long = (0..20).map(|place| (FIRST_ADVERTISER + place).to_string());
        let short = (1..=20).map(|number: u32| number.to_string());
        for id in long.chain(short).chain(NAMED_ACCOUNTS.map(String::from)) {
            state.know(&id);
        }
        state
    }

    /// All advertisers in a stable order.
    pub(crate) fn accounts(&self) -> &[String] {
        &self.accounts
    }

    /// Checks an advertiser. A well-formed one that is not known is made, unless the lab is strict about it.
    pub(super) fn account(&mut self, id: &str, settings: &Settings) -> Result<(), TikTokError> {
        if !self.known.contains(id) && (!is_digits(id) || (settings.strict_accounts && !self.permissive)) {
            return Err(TikTokError::of(40_300));
        }
        self.know(id);
        Ok(())
    }

    /// An audience of one of these advertisers. A permissive lab makes up one that it does not know.
    pub(super) fn audience(&mut self, accounts: &[&str], id: &str) -> Result<&mut Audience, TikTokError> {
        if self.permissive && !self.audiences.contains_key(id) {
            self.adopt(accounts.first().copied().unwrap_or(FALLBACK_ACCOUNT), id, &format!("Audience {id}"));
        }
        let permissive = self.permissive;
        self.audiences
            .get_mut(id)
            .filter(|audience| permissive || accounts.contains(&audience.account.as_str()))
            .ok_or_else(|| TikTokError::of(40_007))
    }

    /// An audience by id, only if it is there.
    pub(crate) fn existing(&self, id: &str) -> Option<&Audience> {
        self.audiences.get(id)
    }

    /// The members of an audience, only if it is there.
    pub(crate) fn members(&mut self, id: &str) -> Option<&mut IdSets> {
        self.audiences.get_mut(id).map(|audience| &mut audience.members)
    }

    /// The audiences of an advertiser in order of creation.
    pub(crate) fn audiences_of(&self, account: &str) -> impl Iterator<Item = &Audience> {
        self.order.get(account).into_iter().flatten().filter_map(|id| self.audiences.get(id))
    }

    /// All audiences, by advertiser and order of creation.
    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.accounts.iter().flat_map(|account| self.audiences_of(account))
    }

    /// Makes an audience and gives its id.
    pub(crate) fn create(
        &mut self,
        account: &str,
        id: Option<String>,
        name: &str,
        kind: &str,
        calculate_type: &str,
    ) -> String {
        self.know(account);
        let id = id.unwrap_or_else(|| {
            while self.audiences.contains_key(&self.next_id.to_string()) {
                self.next_id += 1;
            }
            self.next_id += 1;
            (self.next_id - 1).to_string()
        });
        let now = crate::meta::unix_now();
        self.order.entry(account.to_string()).or_default().push(id.clone());
        self.audiences.insert(
            id.clone(),
            Audience {
                id: id.clone(),
                account: account.to_string(),
                name: name.to_string(),
                kind: kind.to_string(),
                calculate_type: calculate_type.to_string(),
                created: now,
                members: IdSets::default(),
                ignored: 0,
                history: vec![(now, "CREATE", format!("Audience created: {name}"))],
            },
        );
        id
    }

    /// Deletes an audience of this advertiser.
    pub(crate) fn delete(&mut self, account: &str, id: &str) -> Result<(), TikTokError> {
        self.audience(&[account], id)?;
        if let Some(audience) = self.audiences.remove(id)
            && let Some(order) = self.order.get_mut(&audience.account)
        {
            order.retain(|other| other != id);
        }
        Ok(())
    }

    /// Makes an audience known under an id that it has already, as if made through the API.
    pub(crate) fn adopt(&mut self, account: &str, id: &str, name: &str) -> bool {
        if !is_digits(account) || !is_digits(id) {
            return false;
        }
        if !self.audiences.contains_key(id) {
            self.create(account, Some(id.to_string()), name, PARTNER, "MULTIPLE_TYPES");
        }
        true
    }

    /// Keeps a file and gives its path.
    pub(super) fn keep(&mut self, upload: Upload) -> String {
        let path = format!("{}/{:016x}.csv", upload.account, self.uploads.len() + 1);
        self.uploads.insert(path.clone(), upload);
        path
    }

    /// A file by its path.
    pub(super) fn upload(&self, path: &str) -> Option<&Upload> {
        self.uploads.get(path)
    }

    /// Ends a token.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_string());
    }

    /// Whether a token was ended.
    pub(super) fn is_revoked(&self, token: &str) -> bool {
        self.revoked.contains(token)
    }

    /// Uses an authorisation code; false if it was used before.
    pub(super) fn use_code(&mut self, code: &str) -> bool {
        self.used_codes.insert(code.to_string())
    }

    fn know(&mut self, id: &str) {
        if self.known.insert(id.to_string()) {
            self.accounts.push(id.to_string());
        }
    }
}
