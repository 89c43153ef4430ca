//! Members of external audiences who are imported into lists.
use caravan_model::{Charge, Digest, Millis, Profile};
use serde::{Deserialize, Serialize};

/// What an import keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportStep {
    /// Takes a page in, where the import was not ended meanwhile.
    Take(TakeMembers),
    /// Looks again at those who are not linked, at most `limit` after a key.
    Relink {
        /// The import.
        import: String,
        /// Its list.
        list: String,
        /// Those after it.
        after: Option<Digest>,
        /// How many.
        limit: usize,
    },
    /// Keeps how far an import is, where it was not ended meanwhile.
    Note {
        /// The import.
        import: String,
        /// Its document from now on.
        document: String,
        /// What the calls before it cost of quotas.
        charges: Vec<Charge>,
    },
    /// Forgets an import and whom it brought; who is on the list stays there.
    Forget {
        /// The import.
        import: String,
    },
}

/// A page of members, and how far the import is with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TakeMembers {
    /// The import.
    pub import: String,
    /// Its list.
    pub list: String,
    /// Members as they came: identifiers and attributes as a profile; false = left.
    pub members: Vec<(Profile, bool)>,
    /// The number of the export that they are of.
    pub round: u64,
    /// Whether who left is taken off the list.
    pub leavers: bool,
    /// Whether a full export ends with it: who was in no page of its round has left.
    pub ends: bool,
    /// The import's document from now on; written with the page.
    pub document: String,
    /// What the calls before it cost of quotas.
    pub charges: Vec<Charge>,
}

/// What a step of an import changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Who was put on the list.
    pub joined: u64,
    /// Who was taken off it.
    pub left: u64,
    /// Where to go on looking again; none at the end.
    pub next: Option<Digest>,
}

/// Why a member is nobody whom we know. The numbers are the store's format: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnlinked {
    /// It came without an identifier that we could look for.
    NoIdentifier = 1,
    /// Nobody here has any of its identifiers.
    Unknown = 2,
    /// It is a visitor whom we know by that identifier alone: without an e-mail address or an id of our own.
    Anonymous = 3,
    /// Several people here share its phone number, and nothing else of it is known.
    Shared = 4,
}

impl WhyUnlinked {
    /// The reason of a stored number.
    pub fn of(number: i64) -> WhyUnlinked {
        match number {
            1 => WhyUnlinked::NoIdentifier,
            3 => WhyUnlinked::Anonymous,
            4 => WhyUnlinked::Shared,
            _ => WhyUnlinked::Unknown,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            WhyUnlinked::NoIdentifier => "came without an identifier",
            WhyUnlinked::Unknown => "nobody here has any of the identifiers",
            WhyUnlinked::Anonymous => "an anonymous visitor: no e-mail address and no id of your own is known yet",
            WhyUnlinked::Shared => "several people here share its phone number, and nothing else of it is known",
        }
    }
}

/// A member who is not linked.
#[derive(Clone, Debug, PartialEq)]
pub struct UnlinkedMember {
    /// Its key in the import: the cursor of the next page.
    pub key: Digest,
    /// The identifiers as they came.
    pub who: Profile,
    /// Why.
    pub why: WhyUnlinked,
    /// Since when.
    pub since: Millis,
}

/// How many an import linked, and a page of those whom it did not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportView {
    /// How many are linked to somebody whom we know.
    pub linked: u64,
    /// How many are not, by reason.
    pub unlinked: Vec<(WhyUnlinked, u64)>,
    /// Those, by key.
    pub page: Vec<UnlinkedMember>,
}
