//! Folders of this host in which a platform hands audiences over as files: to an import they are a source like any other.
//!
//! The configuration names the folders of a workspace, so nobody who may only call the API chooses what is read. Files are
//! taken in the order of their age, each once, by name and digest; one that is still being written waits.
mod folder;
mod page;

use crate::config::{self, HandOverConfig};
use caravan_model::manifest::Manifest;
use caravan_model::port::{
    Answer, Ask, BoxFuture, CallContext, CallOutcome, Connector, Finding, FindingState, MemberPage,
};
use caravan_model::{Cause, Code, Digest, Effect, Fault, Problem};
use caravan_runner::FOLDER;
use folder::{Folder, Place};
use page::{OpenFiles, read};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A folder of a workspace, as a source.
pub struct HandOver {
    folder: Arc<Folder>,
    open: Arc<OpenFiles>,
    manifest: Manifest,
    settings: Map<String, Value>,
}

/// The folder that `files:NAME` means in a workspace.
///
/// # Errors
/// CV037 where the configuration names none of this name, with those that it names.
pub fn named(workspace: &str, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
    let name = connection.strip_prefix(FOLDER).unwrap_or(connection);
    let folders = config::current().workspaces.get(workspace).map(|own| &own.hand_overs);
    match folders.and_then(|folders| folders.get(name)) {
        Some(own) => Ok(Arc::new(HandOver::new(name, own)?)),
        None => {
            let known: Vec<&str> = folders.into_iter().flat_map(|folders| folders.keys()).map(String::as_str).collect();
            let cure = match known.is_empty() {
                true => format!(
                    "write `[workspaces.{workspace}.hand_overs.{name}]` with `folder = \"…\"` into caravan.toml on the host's \
                     machine"
                ),
                false => format!("the configuration allows {}", known.join(", ")),
            };
            let words = format!("the configuration allows the workspace {workspace} no hand-over folder `{name}`");
            Err(Problem::new(Code::BadImport, words).cure(cure))
        }
    }
}

impl HandOver {
    fn new(name: &str, own: &HandOverConfig) -> Result<HandOver, Problem> {
        let manifest = json!({
            "manifest": 1, "name": "files", "title": "Files handed over in a folder", "version": env!("CARGO_PKG_VERSION"),
            "wit": "0.1.0", "world": "source", "publisher": {"name": "Caravan"}, "hosts": [], "routes": [],
            "auth": {"headers": {}}, "actions": [],
        });
        let manifest = serde_json::from_value(manifest)
            .map_err(|error| Problem::new(Code::Internal, format!("the folder's manifest is wrong: {error}")))?;
        let folder = Arc::new(Folder::new(name, own.clone()));
        Ok(HandOver { folder, open: Arc::default(), manifest, settings: Map::new() })
    }
}

impl Connector for HandOver {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        Digest::of(b"files")
    }

    fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    fn call<'a>(&'a self, _: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            let (folder, open) = (self.folder.clone(), self.open.clone());
            // Files are read beside the tasks that talk.
            let answer = tokio::task::spawn_blocking(move || match ask {
                Ask::Members { target, cursor } => {
                    let place = Place::parse(cursor.as_deref())?;
                    read(&folder, &open, &target.audience, place).map(|page| Answer::Members(MemberPage::Page(page)))
                }
                Ask::Check { target } => Ok(Answer::Findings(vec![check(&folder, &target.audience)])),
                _ => Err(wrong("hand-over", "A folder of files has members alone.".to_owned())),
            });
            let answer = answer.await.unwrap_or_else(|_| {
                let cause = Cause::new("hand-over", "Reading the folder was broken off.");
                Err(Fault::Unavailable { after_ms: None, cause })
            });
            CallOutcome { answer, effect: Effect::None, requests: Vec::new(), usage: Vec::new(), log: Vec::new() }
        })
    }
}

/// What only a person mends.
fn wrong(code: &str, words: String) -> Fault {
    Fault::Misconfigured { cause: Cause::new(code, words) }
}

/// Whether the folder can be read, and the next file in it.
fn check(folder: &Folder, audience: &str) -> Finding {
    let subject = format!("hand-over folder {}", folder.name);
    let found = folder.waiting(&Place::default()).and_then(|files| match files.first() {
        Some(first) => folder.head(first, audience).map(|_| files.len()),
        None => Ok(0),
    });
    let (state, message, cure) = match found {
        Ok(files) => (FindingState::Good, format!("It can be read; {files} files wait in it."), None),
        Err(fault) => {
            let words = fault.cause().map_or_else(|| "It cannot be read.".to_owned(), |cause| cause.message.clone());
            (FindingState::Failed, words, Some("mend it, and ask again".to_owned()))
        }
    };
    Finding { subject, state, message, cure, link: None }
}
