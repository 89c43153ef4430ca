//! How an installed connector stands: which version is in use, which was before, which waits.
use caravan_model::{Code, Digest, Problem};
use caravan_store::{DocumentKind, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How an installed connector stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The version in use.
    pub active: Option<Digest>,
    /// The version in use before: what a roll-back goes to.
    pub before: Option<Digest>,
    /// A version that waits for approval.
    pub waiting: Option<Waiting>,
}

/// A version that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub digest: Digest,
    /// Who brought it.
    pub by: String,
}

/// All of a store, by the connector's name.
///
/// # Errors
/// The store cannot be read, or one is damaged.
pub async fn all(store: &impl Store) -> anyhow::Result<BTreeMap<String, Standing>> {
    let mut all = BTreeMap::new();
    for (name, text) in store.documents(DocumentKind::Connector).await? {
        all.insert(name, read(&text)?);
    }
    Ok(all)
}

fn read(text: &str) -> Result<Standing, Problem> {
    let wrong =
        |words: String| Problem::new(Code::StoreDamaged, format!("how a connector stands cannot be read: {words}"));
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let digest = |value: &Value| value.as_str().map(str::parse::<Digest>).transpose().map_err(wrong);
    let by = || value["waiting"]["by"].as_str().unwrap_or_default().to_owned();
    let waiting = digest(&value["waiting"]["digest"])?.map(|digest| Waiting { digest, by: by() });
    Ok(Standing { active: digest(&value["active"])?, before: digest(&value["before"])?, waiting })
}

impl Standing {
    /// The document that the store keeps.
    pub fn document(&self, name: &str) -> (DocumentKind, String, Option<String>) {
        let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
        let waiting =
            self.waiting.as_ref().map(|waiting| json!({"digest": waiting.digest.to_string(), "by": waiting.by}));
        let value = json!({"active": digest(&self.active), "before": digest(&self.before), "waiting": waiting});
        (DocumentKind::Connector, name.to_owned(), Some(value.to_string()))
    }

    /// Takes a version into use; the one in use becomes the one before.
    pub fn take_up(&mut self, digest: Digest) {
        if self.active != Some(digest) {
            self.before = self.active.replace(digest);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.digest == digest) {
            self.waiting = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_comes_back_as_it_was_kept() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut standing = Standing { waiting: Some(Waiting { digest: one, by: "ann".into() }), ..Standing::default() };
        let kept = |standing: &Standing| read(&standing.document("acme").2.expect("a text")).expect("a standing");
        assert_eq!(kept(&standing), standing);
        standing.take_up(one);
        assert_eq!(standing, Standing { active: Some(one), ..Standing::default() });
        standing.take_up(two);
        standing.take_up(two);
        assert_eq!(kept(&standing), Standing { active: Some(two), before: Some(one), waiting: None });
        assert!(read("{").is_err() && read(r#"{"active":"12"}"#).is_err());
    }
}
