//! The store's connectors in somebody's hands: who brings, allows, takes up and removes versions. Everything is noted.
use super::signatures;
use super::standing::{self, Standing};
use caravan_connectors::Outline;
use caravan_model::{Code, Digest, Problem};
use caravan_runner::control::Acting;
use caravan_runner::{Runner, policy_of};
use caravan_store::{DocumentKind, Sqlite, Store as _};
use serde_json::Value;

/// A document that is written, or (no text) removed.
pub type Document = (DocumentKind, String, Option<String>);

/// The desk.
pub struct Desk<'a> {
    runner: &'a Runner<Sqlite>,
    /// Who sits at it, as the audit chain names them.
    pub who: String,
}

impl<'a> Desk<'a> {
    /// Somebody at the desk of a store.
    pub fn new(runner: &'a Runner<Sqlite>, who: String) -> Desk<'a> {
        Desk { runner, who }
    }

    /// The store.
    pub fn store(&self) -> &Sqlite {
        self.runner.store()
    }

    /// The runner in their hands.
    pub fn acting(&self) -> Acting<'_, Sqlite> {
        self.runner.acting(self.who.clone())
    }

    /// Writes documents with a note of what was done, in one transaction.
    ///
    /// # Errors
    /// What the store says.
    pub async fn keep(&self, documents: Vec<Document>, verb: &str, object: &str, details: Value) -> anyhow::Result<()> {
        Ok(self.acting().put(documents, verb, &format!("connector {object}"), details).await?)
    }

    /// How an installed connector stands.
    ///
    /// # Errors
    /// CV053 where none of this name is installed.
    pub async fn standing(&self, name: &str) -> anyhow::Result<Standing> {
        let mut all = standing::all(self.store()).await?;
        let known: Vec<String> = all.keys().cloned().collect();
        all.remove(name).ok_or_else(|| {
            let known = if known.is_empty() { "none is".to_owned() } else { known.join(", ") };
            Problem::new(Code::UnknownConnector, format!("no connector `{name}` is installed in this store"))
                .cure(format!("installed: {known}; `caravan connector install FILE` adds one"))
                .into()
        })
    }

    /// Holds an installed version to what the policy says of signatures; gives who signed it.
    ///
    /// # Errors
    /// CV055 where the policy requires a signature and none holds; its bytes are not there.
    pub async fn signed(&self, name: &str, digest: Digest) -> anyhow::Result<Vec<String>> {
        let policy = policy_of(self.store()).await?;
        Ok(signatures::check(&policy.connectors, name, &self.bytes(digest).await?)?)
    }

    /// What an installed version is.
    ///
    /// # Errors
    /// Its bytes are not there.
    pub async fn outline(&self, digest: Digest) -> anyhow::Result<Outline> {
        let bytes = self.bytes(digest).await?;
        Ok(tokio::task::spawn_blocking(move || Outline::read(&bytes)).await??)
    }

    /// The bytes of an installed version.
    ///
    /// # Errors
    /// They are not there.
    pub async fn bytes(&self, digest: Digest) -> anyhow::Result<Vec<u8>> {
        Ok(self.store().component(digest).await?.ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("the bytes of the connector sha256:{digest} are not in the store"))
                .cure("install its file again")
        })?)
    }
}
