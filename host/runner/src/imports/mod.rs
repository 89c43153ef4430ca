//! Imports of external audiences into lists: everyone once, and whoever joins (or leaves) later by itself.
//!
//! An import is a document that also says how far it is; a page of members is taken in with the document's next state in
//! one transaction, so whoever is interrupted goes on behind the last page. At the begin of each pass those whom nobody
//! knew are looked for again.
mod pass;
mod rows;

pub(crate) use pass::run;

use crate::control::{Order, lists_of};
use crate::error::written;
use crate::runner::Runner;
use crate::shared::plug_of;
use caravan_model::manifest::World;
use caravan_model::port::{Answer, Ask, BrokenRow, CallContext, Finding, FindingState};
use caravan_model::{Code, Digest, Duration, Millis, Problem, Target};
use caravan_store::{DocumentKind, ImportStep, Store, WhyUnlinked};
use serde::{Deserialize, Serialize};

/// The shortest time between two passes.
const SHORTEST: Duration = Duration::SECOND;
/// What the name of a folder begins with, where a connection is named: files are handed over in it. No connection's name has
/// a colon.
pub const FOLDER: &str = "files:";
/// How many broken rows are named.
const NAMED: usize = 20;

/// How often everyone is read anew, unless it is said.
pub const FULL_EVERY: Duration = Duration::DAY;

fn full_every() -> Option<Duration> {
    Some(FULL_EVERY)
}

/// An import of one external audience into one list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListImport {
    /// The list.
    pub list: String,
    /// The connection of the source; `files:NAME` = a folder of this host in which files are handed over.
    pub connection: String,
    /// The source's id of the folder; empty where files are handed over.
    pub folder: String,
    /// The source's id of the audience; empty = whatever the files hold.
    pub audience: String,
    /// How often it is looked at anew.
    pub every: Duration,
    /// How often everyone is read anew in between, so that whatever increments did not tell comes right; none = never, as of
    /// files, which are read once.
    #[serde(default = "full_every")]
    pub full_every: Option<Duration>,
    /// Whether who leaves the audience is taken off the list.
    pub leavers: bool,
    /// How far it is.
    #[serde(default)]
    pub state: ImportState,
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportState {
    /// What the source said last.
    pub(crate) cursor: Option<String>,
    /// The number of the full export that is read, or was.
    pub(crate) round: u64,
    /// Whether pages of a pass were taken in, and more are to come.
    pub(crate) reading: bool,
    /// When the pass under way began; none between two.
    pub began: Option<Millis>,
    /// Members read in the pass under way, or in the last one.
    pub rows: u64,
    /// When everyone was read for the first time.
    pub filled: Option<Millis>,
    /// When the last pass began that read everyone.
    pub full: Option<Millis>,
    /// Files that were read to their end.
    pub files: u64,
    /// Rows of files that could not be read.
    pub broken: u64,
    /// The newest of them.
    pub wrong: Vec<BrokenRow>,
    /// What the pass under way began with: where what it reads is gone, it begins there anew.
    pub(crate) from: Option<String>,
    /// Since when the source has been preparing what is asked for.
    pub pending: Option<Millis>,
    /// When the last pass ended.
    pub done: Option<Millis>,
    /// When the source is asked next.
    pub due: Millis,
    /// What keeps it from going on.
    pub trouble: Option<ImportTrouble>,
}

/// What keeps an import from going on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportTrouble {
    /// Its code: ours, or the source's.
    pub code: String,
    /// In plain words, with the cure.
    pub words: String,
    /// Since when.
    pub since: Millis,
    /// How often it was tried since.
    pub tries: u32,
}

/// How an import stands, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportLine {
    /// Its id.
    pub import: String,
    /// What it does, and how far it is.
    #[serde(flatten)]
    pub what: ListImport,
    /// Members who are linked to somebody here.
    pub linked: u64,
    /// Members who are not, by reason.
    pub unlinked: Vec<(WhyUnlinked, u64)>,
}

impl ListImport {
    /// The id of the document: one import per list and audience.
    pub fn id(&self) -> String {
        let what = format!("{}\0{}\0{}", self.connection, self.folder, self.audience);
        format!("{}:{}", self.list, Digest::of(what.as_bytes()).short())
    }

    /// Whether files are read that are handed over in a folder of this host.
    pub fn is_of_files(&self) -> bool {
        self.connection.starts_with(FOLDER)
    }

    fn target(&self, settings: &serde_json::Map<String, serde_json::Value>) -> Target {
        Target {
            account: self.folder.clone(),
            audience: self.audience.clone(),
            audience_parts: Vec::new(),
            settings: serde_json::to_string(settings).unwrap_or_else(|_| "{}".to_owned()),
        }
    }
}

/// The imports of a store, by id.
///
/// # Errors
/// What the store says.
pub async fn imports_of<S: Store>(store: &S) -> crate::Result<Vec<(String, ListImport)>> {
    read(&store.documents(DocumentKind::ListImport).await?)
}

fn read(documents: &[(String, String)]) -> crate::Result<Vec<(String, ListImport)>> {
    let import = |(id, text): &(String, String)| {
        let read = serde_json::from_str(text);
        let read = read.map_err(|_| Problem::new(Code::StoreDamaged, format!("the import {id} cannot be read")))?;
        Ok((id.clone(), read))
    };
    documents.iter().map(import).collect()
}

/// How the imports of a list stand.
///
/// # Errors
/// What the store says.
pub async fn import_lines<S: Store>(store: &S, list: &str) -> crate::Result<Vec<ImportLine>> {
    let mut lines = Vec::new();
    for (import, what) in imports_of(store).await?.into_iter().filter(|(_, what)| what.list == list) {
        let view = store.imported(import.clone(), None, 0).await?;
        lines.push(ImportLine { import, what, linked: view.linked, unlinked: view.unlinked });
    }
    Ok(lines)
}

/// Why a regulated workspace imports nothing.
fn regulated() -> Problem {
    Problem::new(Code::RegulatedImport, "this workspace holds regulated health data, and imports no external audience")
        .cure("take `regulated_health` out of the workspace's policy only if its law allows it")
}

impl<S: Store> Runner<S> {
    /// Has an external audience imported into a list, from now on by whichever host serves. The same audience into the same
    /// list again changes how often, and whether leavers are followed; how far it is stays.
    ///
    /// # Errors
    /// CV036 where the policy forbids it, CV028 where there is no such list and none is to be made, CV037 where the source
    /// cannot be read: its checklist says why.
    pub async fn set_import(&self, import: ListImport, create: bool) -> crate::Result<String> {
        self.set_import_under(&mut self.unordered().await?, import, create).await
    }

    /// The same by somebody's order.
    ///
    /// # Errors
    /// As [`Runner::set_import`].
    pub async fn set_import_under(
        &self,
        order: &mut Order,
        mut import: ListImport,
        create: bool,
    ) -> crate::Result<String> {
        if crate::policy_of(&self.store).await?.regulated_health {
            return Err(regulated().into());
        }
        if import.every < SHORTEST {
            return Err(Problem::new(Code::BadValue, "an import looks at its source every second at most")
                .at_path("every")
                .into());
        }
        if import.is_of_files() {
            import.full_every = None;
        }
        if import.full_every.is_some_and(|every| every < import.every) {
            return Err(Problem::new(
                Code::BadValue,
                "everyone is read anew no more often than the source is looked at",
            )
            .at_path("full_every")
            .into());
        }
        let connector = plug_of(&*self.connectors, &import.connection)?.connector;
        if connector.manifest().world != World::Source {
            let words =
                format!("connection `{}` writes into audiences; nothing is imported from it", import.connection);
            let cure = "name a connection whose connector reads, such as experience-platform";
            return Err(Problem::new(Code::BadImport, words).cure(cure).into());
        }
        let context = CallContext {
            at: self.clock.now(),
            seed: format!("import-{}", import.id()),
            deadline: self.options.call_deadline,
            record_bodies: false,
        };
        let target = import.target(connector.settings());
        match connector.call(context, Ask::Check { target }).await.answer {
            Ok(Answer::Findings(findings)) => {
                if let Some(failed) = findings.iter().find(|finding| finding.state == FindingState::Failed) {
                    return Err(unreadable(failed).into());
                }
            }
            Ok(_) => {}
            Err(fault) => {
                let words = fault.cause().map_or_else(|| "the source does not answer".to_owned(), ToString::to_string);
                return Err(Problem::new(Code::BadImport, words).cure("mend it, and ask again").into());
            }
        }
        let new_list = match create {
            true => self.new_list(&import.list).await?,
            false => None,
        };
        if new_list.is_none() && !lists_of(&self.store).await?.contains(&import.list) {
            return Err(Problem::new(Code::UnknownGroup, format!("there is no list `{}`", import.list))
                .cure("`--create` makes it")
                .into());
        }
        let (lease, id) = (order.lease(), import.id());
        if let Some((_, known)) = imports_of(&self.store).await?.into_iter().find(|(known, _)| *known == id) {
            // It is asked at once.
            import.state = ImportState { due: Millis(0), ..known.state };
        }
        self.note_labs(lease, [import.connection.as_str()]).await?;
        let text = written(&import)?;
        let kept = (DocumentKind::ListImport, id.clone(), Some(text));
        self.store.put_documents(order.warrant(), new_list.into_iter().chain([kept]).collect()).await?;
        Ok(id)
    }

    /// Ends an import of a list; who is on the list stays there. False where there is none of this id.
    ///
    /// # Errors
    /// What the store says.
    pub async fn end_import(&self, list: &str, import: &str) -> crate::Result<bool> {
        self.end_import_under(&mut self.unordered().await?, list, import).await
    }

    /// The same by somebody's order.
    ///
    /// # Errors
    /// As [`Runner::end_import`].
    pub async fn end_import_under(&self, order: &mut Order, list: &str, import: &str) -> crate::Result<bool> {
        let known = imports_of(&self.store).await?;
        let there = known.iter().any(|(id, what)| id == import && what.list == list);
        if there {
            let now = self.clock.now();
            self.store.import(order.warrant(), ImportStep::Forget { import: import.to_owned() }, now).await?;
        }
        Ok(there)
    }
}

fn unreadable(failed: &Finding) -> Problem {
    let problem =
        Problem::new(Code::BadImport, format!("the source cannot be read: {}: {}", failed.subject, failed.message));
    match &failed.cure {
        Some(cure) => problem.cure(cure),
        None => problem.cure(
            "`caravan connection check` shows the whole checklist, `caravan connection audiences NAME --folder F` what there is",
        ),
    }
}
