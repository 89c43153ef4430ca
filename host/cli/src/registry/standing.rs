//! How an installed connector stands: which version is in use, which was before, which waits.
use caravan_model::{Code, Digest, Problem};
use caravan_store::{DocumentKind, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How an installed connector stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The version in use; where it is none, that inside the program, if the name is one of its connectors.
    pub active: Option<Digest>,
    /// The version in use before: what a roll-back goes to. That inside the program where it was in use.
    pub before: Option<Digest>,
    /// A version that waits for approval.
    pub waiting: Option<Waiting>,
    /// Who brought the versions that are in use, or were before.
    pub brought: BTreeMap<Digest, String>,
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
    let mut brought = BTreeMap::new();
    for (digest, by) in value["brought"].as_object().into_iter().flatten() {
        brought.insert(digest.parse().map_err(wrong)?, by.as_str().unwrap_or_default().to_owned());
    }
    Ok(Standing { active: digest(&value["active"])?, before: digest(&value["before"])?, waiting, brought })
}

/// Notes of the audit chain that are read at once.
const PAGE: usize = 1_000;

/// Who brought a version of a connector first, as the audit chain has it.
///
/// # Errors
/// The store cannot be read.
pub async fn bringer(store: &impl Store, name: &str, digest: Digest) -> anyhow::Result<Option<String>> {
    let (object, wanted, mut after) = (format!("connector {name}"), digest.to_string(), 0);
    loop {
        let page = store.notes(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = last.n;
        let of_this = |details: &str| {
            serde_json::from_str::<Value>(details).is_ok_and(|details| details["digest"] == wanted.as_str())
        };
        let found = page
            .iter()
            .find(|note| note.verb == "connector.install" && note.object == object && of_this(&note.details));
        if let Some(found) = found {
            return Ok(Some(found.who.clone()));
        }
    }
}

impl Standing {
    /// The document that the store keeps.
    pub fn document(&self, name: &str) -> (DocumentKind, String, Option<String>) {
        let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
        let waiting =
            self.waiting.as_ref().map(|waiting| json!({"digest": waiting.digest.to_string(), "by": waiting.by}));
        let brought: serde_json::Map<String, Value> =
            self.brought.iter().map(|(digest, by)| (digest.to_string(), by.as_str().into())).collect();
        let value = json!({"active": digest(&self.active), "before": digest(&self.before), "waiting": waiting,
            "brought": brought});
        (DocumentKind::Connector, name.to_owned(), Some(value.to_string()))
    }

    /// Takes a version into use; the one in use becomes the one before.
    pub fn take_up(&mut self, digest: Digest) {
        if self.active != Some(digest) {
            self.before = self.active.replace(digest);
        }
        if let Some(waiting) = self.waiting.take_if(|waiting| waiting.digest == digest) {
            self.brought.insert(digest, waiting.by);
        }
        let (active, before) = (self.active, self.before);
        self.brought.retain(|digest, _| active == Some(*digest) || before == Some(*digest));
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
        let ann = BTreeMap::from([(one, "ann".to_owned())]);
        assert_eq!(standing, Standing { active: Some(one), brought: ann.clone(), ..Standing::default() });
        standing.take_up(two);
        standing.take_up(two);
        assert_eq!(kept(&standing), Standing { active: Some(two), before: Some(one), waiting: None, brought: ann });
        assert!(read("{").is_err() && read(r#"{"active":"12"}"#).is_err());
    }
}
