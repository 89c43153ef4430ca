//! The body of a batch's request, made anew: the same part, settings and component give the same bytes (design, 11.7).
//! Nothing leaves this machine: the in-process lab answers.
use crate::check::{self, Secrets};
use crate::files;
use crate::host::lab::DryTransport;
use crate::registry::Shelf;
use caravan_connectors::{Binding, BoundConnector, Grant, LocalVault, Reach};
use caravan_model::port::{Ask, CallContext, Connector};
use caravan_model::{Code, Problem, Target};
use caravan_store::{PartRecord, Store};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Writes the body into a file that only its owner can read; gives its size.
pub async fn write(
    store: &impl Store,
    connections: Option<&Path>,
    part: &PartRecord,
    to: &Path,
) -> anyhow::Result<u64> {
    let body = render(store, connections, part).await?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(to).and_then(|mut file| file.write_all(&body));
    written.map_err(|error| files::unwritable(to, &error))?;
    Ok(body.len() as u64)
}

async fn render(store: &impl Store, connections: Option<&Path>, part: &PartRecord) -> anyhow::Result<Vec<u8>> {
    if part.part.rows == 0 {
        let words = format!("the rows of batch {} are no longer kept", part.name);
        return Err(Problem::new(Code::NotFound, words).cure("only the newest batches of a queue keep theirs").into());
    }
    let file = connections.unwrap_or(Path::new(files::CONNECTIONS));
    let used = BTreeSet::from([part.connection.clone()]);
    let checked = check::connections(file, &used, Secrets::Overlook, &Shelf::of(store).await?)?;
    let Some(component) = checked.components.get(&part.connection) else {
        return Err(Problem::new(Code::Internal, "a checked connection has no component").into());
    };
    let settings = serde_json::from_str(&part.settings)
        .map_err(|_| Problem::new(Code::StoreDamaged, format!("the settings of batch {} cannot be read", part.name)))?;
    let binding = Binding {
        connection: part.connection.clone(),
        grant: Grant::as_asked(component.manifest()),
        settings,
        accounts: Some(vec![part.lane.account.clone()]),
        vault: Arc::new(LocalVault::default()),
        reach: Reach::InProcess(Arc::new(DryTransport::new(component.manifest()))),
    };
    let connector = BoundConnector::new(component.clone(), binding)?;
    if connector.digest() != part.digest {
        let words =
            format!("batch {} was sealed for another version of the connector {}", part.name, part.lane.connector);
        let cure = format!("name that version in the connections: `connector: PATH` with sha256:{}", part.digest);
        return Err(Problem::new(Code::UnknownConnector, words).cure(cure).into());
    }
    let lanes = store.lanes().await?;
    let lane = lanes.into_iter().find(|lane| lane.key == part.lane);
    let target = Target {
        account: part.lane.account.clone(),
        audience: part.lane.audience.clone(),
        audience_parts: lane.map(|lane| lane.audience_parts).unwrap_or_default(),
        settings: part.settings.clone(),
    };
    let context =
        CallContext { at: part.at, seed: part.part.id.clone(), deadline: Duration::from_secs(60), record_bodies: true };
    let outcome = connector.call(context, Ask::Sync { target, part: Arc::new(part.part.clone()) }).await;
    // The request that changes members is the last one that carries anything.
    let body = outcome.requests.into_iter().rev().find_map(|request| request.body.filter(|body| !body.is_empty()));
    body.ok_or_else(|| Problem::new(Code::NotFound, format!("batch {} makes no request with a body", part.name)).into())
}
