//! The workspace's policy as the store keeps it: the text that people wrote.
use caravan_journey::document::read_policy;
use caravan_model::Policy;
use caravan_store::{DocumentKind, Store};

/// The id of the only document of its kind.
pub const POLICY_ID: &str = "policy";

/// The workspace's policy; one that demands and denies nothing where there is none.
///
/// # Errors
/// The store cannot be read, or its policy: nothing is sent under a policy that nobody understands.
pub async fn policy_of(store: &impl Store) -> crate::Result<Policy> {
    let documents = store.documents(DocumentKind::Policy).await?;
    match documents.iter().find(|(id, _)| id == POLICY_ID) {
        Some((_, text)) => Ok(read_policy("the stored policy", text)?.value),
        None => Ok(Policy::default()),
    }
}
