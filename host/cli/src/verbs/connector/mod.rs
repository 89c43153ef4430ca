//! `caravan connector inspect | list | install | grant | upgrade | rollback | pin | uninstall`.
mod approval;
mod inspect;
mod install;
mod remove;
mod show;

use crate::args::{ConnectorVerb, Global};
use crate::fail::End;
use crate::host::hands::actor;
use crate::registry::standing::{self, Standing};
use crate::stores;
use caravan_connectors::Outline;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Digest, Problem};
use caravan_store::{DocumentKind, Lease, Note, Slots, Sqlite, Store as _};

/// Does a verb of connectors.
pub async fn connector(global: &Global, verb: ConnectorVerb) -> anyhow::Result<End> {
    match verb {
        ConnectorVerb::Inspect { connector } => show::inspect(global, &connector).await,
        ConnectorVerb::List => show::list(global).await,
        ConnectorVerb::Install { from, watch: false } => install::install(global, &from).await,
        ConnectorVerb::Install { from, watch: true } => install::watch(global, &from).await,
        ConnectorVerb::Grant { name, as_asked, file } => {
            Desk::with(global, async |desk| approval::grant(global, desk, &name, as_asked, file.as_deref()).await).await
        }
        ConnectorVerb::Upgrade { name, only } => {
            Desk::with(global, async |desk| approval::upgrade(global, desk, &name, only.as_deref()).await).await
        }
        ConnectorVerb::Rollback { name } => {
            Desk::with(global, async |desk| approval::roll_back(global, desk, &name).await).await
        }
        ConnectorVerb::Pin { connection, version } => {
            Desk::with(global, async |desk| remove::pin(global, desk, &connection, version.as_deref()).await).await
        }
        ConnectorVerb::Uninstall { name } => {
            Desk::with(global, async |desk| remove::uninstall(global, desk, &name).await).await
        }
    }
}

/// The store, owned while a verb changes what is installed.
struct Desk {
    store: Sqlite,
    lease: Lease,
}

impl Desk {
    async fn with(global: &Global, work: impl AsyncFnOnce(&Desk) -> anyhow::Result<End>) -> anyhow::Result<End> {
        let path = match stores::named(global)? {
            Some(path) => path,
            None => stores::existing(global)?,
        };
        let store = Sqlite::open(&path, stores::options(global))?;
        let lease = store.lease("caravan connector", Slots::ALL, SystemClock.now()).await?;
        let desk = Desk { store, lease };
        let done = work(&desk).await;
        let released = desk.store.release(lease).await;
        let done = done?;
        released?;
        Ok(done)
    }

    /// Writes documents with a note of what was done, in one transaction.
    async fn keep(
        &self,
        documents: Vec<(DocumentKind, String, Option<String>)>,
        verb: &str,
        object: &str,
        details: serde_json::Value,
    ) -> anyhow::Result<()> {
        let mut note = Note::new(SystemClock.now(), actor(), verb, format!("connector {object}"));
        if let serde_json::Value::Object(details) = details {
            note.details = details;
        }
        Ok(self.store.note(self.lease, documents, vec![note]).await?)
    }

    /// How an installed connector stands.
    async fn standing(&self, name: &str) -> anyhow::Result<Standing> {
        let mut all = standing::all(&self.store).await?;
        let known: Vec<String> = all.keys().cloned().collect();
        all.remove(name).ok_or_else(|| {
            let known = if known.is_empty() { "none is".to_owned() } else { known.join(", ") };
            Problem::new(Code::UnknownConnector, format!("no connector `{name}` is installed in this store"))
                .cure(format!("installed: {known}; `caravan connector install FILE` adds one"))
                .into()
        })
    }

    /// What an installed version is.
    async fn outline(&self, digest: Digest) -> anyhow::Result<Outline> {
        let bytes = self.store.component(digest).await?.ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("the bytes of the connector sha256:{digest} are not in the store"))
                .cure("install its file again")
        })?;
        Ok(Outline::read(&bytes)?)
    }
}
