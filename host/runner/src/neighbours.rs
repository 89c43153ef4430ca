//! Other workspaces of the installation: an audience at a partner belongs to one of them (design, 11.2).
use crate::control::names::leads_to;
use caravan_model::port::BoxFuture;
use caravan_model::{Code, Problem};
use caravan_store::{LaneKey, Store};

/// What is asked of other workspaces.
pub trait Neighbours: Send + Sync {
    /// The workspace that writes to an audience, if one does.
    fn writes_to<'a>(&'a self, key: &'a LaneKey) -> BoxFuture<'a, crate::Result<Option<String>>>;
}

/// The stores of other workspaces, by name.
pub struct Stores<S>(pub Vec<(String, S)>);

impl<S: Store> Neighbours for Stores<S> {
    fn writes_to<'a>(&'a self, key: &'a LaneKey) -> BoxFuture<'a, crate::Result<Option<String>>> {
        Box::pin(async move {
            for (name, store) in &self.0 {
                let known = store.audiences().await?.iter().any(|audience| leads_to(audience, key));
                if known || store.lanes().await?.iter().any(|lane| lane.key == *key) {
                    return Ok(Some(name.clone()));
                }
            }
            Ok(None)
        })
    }
}

/// What is said of an audience that another workspace writes to.
pub(crate) fn words_of(key: &LaneKey, by: &str) -> String {
    format!("the workspace `{by}` writes to the audience {} of account {} already", key.audience, key.account)
}

/// The problem of it.
pub(crate) fn taken(key: &LaneKey, by: &str, path: &str) -> Problem {
    Problem::new(Code::UnknownAudience, words_of(key, by))
        .at_path(path)
        .cure("use another audience: two workspaces would add and remove people behind each other's backs")
}
