//! `caravan profile trace | erase | import`.
mod erase;
mod import;
pub mod receipts;
pub mod trace;

use crate::args::{Global, ProfileVerb};
use crate::fail::End;

/// Does a verb of people.
pub async fn profile(global: &Global, verb: ProfileVerb) -> anyhow::Result<End> {
    match verb {
        ProfileVerb::Trace { identifier, reveal } => {
            trace::trace(global, &super::look(global)?, &identifier, reveal).await
        }
        ProfileVerb::Erase { identifiers, delivery } => erase::erase(global, &identifiers, &delivery).await,
        ProfileVerb::Import { users, delivery } => import::import(global, &users, &delivery).await,
    }
}
