//! The audit chain, looked at whole.
use caravan_store::Store;
use serde::{Deserialize, Serialize};

/// Records that are read at a time.
const PAGE: usize = 5_000;

/// How the chain is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    /// Records that hold, from the first on.
    pub records: u64,
    /// The hash of the newest of them.
    pub hash: Option<String>,
    /// The first one that does not hold.
    pub broken: Option<BrokenNote>,
}

/// A record that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenNote {
    /// Its number.
    pub n: u64,
    /// Why.
    pub why: String,
}

/// Computes the audit chain anew.
///
/// # Errors
/// What the store says.
pub async fn verify_notes(store: &impl Store) -> crate::Result<ChainState> {
    // Read first: records that are appended meanwhile are looked at, too.
    let newest = store.newest_note().await?;
    let mut state = ChainState { records: 0, hash: None, broken: None };
    loop {
        let page = store.notes(state.records, PAGE).await?;
        for note in &page {
            let before = state.hash.as_deref().map(|hash| (state.records, hash));
            if let Some(why) = note.broken(before) {
                state.broken = Some(BrokenNote { n: note.n, why: why.to_owned() });
                return Ok(state);
            }
            state.records = note.n;
            state.hash = Some(note.hash.clone());
        }
        if page.len() < PAGE {
            break;
        }
    }
    if let Some((n, _)) = newest.filter(|(n, _)| *n > state.records) {
        let why = format!("records up to {n} were noted, and those from here on are gone");
        state.broken = Some(BrokenNote { n: state.records + 1, why });
    }
    Ok(state)
}
