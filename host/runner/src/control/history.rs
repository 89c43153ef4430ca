//! The versions of a canvas: all that were ever published, as texts, and what changed between two.
use super::{CanvasState, drafts, states, versions_of};
use caravan_journey::document::{difference, format_canvas};
use caravan_model::{Code, Digest, Millis, Problem};
use caravan_store::Store;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Records of the audit chain that are read at a time.
const PAGE: usize = 5_000;

/// A canvas in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanvasLine {
    /// Its id.
    pub canvas: String,
    /// For people.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How it stands: `draft` where nothing was published yet, else `live`, `paused`, `stopping`, `stopped`, `archived`.
    pub state: &'static str,
    /// Its newest version's number; none before the first.
    pub version: Option<u32>,
    /// Entries ever begun, over all versions.
    pub entered: u64,
    /// Entries that are open, over all versions.
    pub inside: u64,
    /// The same by the number of their version; versions that nobody is in are left out.
    pub inside_of: BTreeMap<u32, u64>,
    /// Whether a draft of it is kept.
    pub draft: bool,
}

/// A version in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionLine {
    /// Its number.
    pub version: u32,
    /// The digest of its text.
    pub digest: Digest,
    /// When it was published, as far as the audit chain says it.
    pub published: Option<Millis>,
    /// By whom.
    pub by: Option<String>,
    /// Entries that began in it.
    pub entered: u64,
    /// Entries that are open in it.
    pub inside: u64,
}

/// All canvases; archived ones only if they are asked for.
///
/// # Errors
/// What the store says.
pub async fn canvases<S: Store>(store: &S, archived: bool) -> crate::Result<Vec<CanvasLine>> {
    let (states, drafts) = (states(store).await?, drafts(store).await?);
    let drafts: BTreeSet<String> = drafts.into_iter().map(|(id, _)| id).collect();
    let mut lines: BTreeMap<String, CanvasLine> = BTreeMap::new();
    for version in store.versions().await? {
        let counters = store.counters(version.id).await?;
        let id = version.canvas.canvas.to_string();
        let line = lines.entry(id.clone()).or_insert_with(|| CanvasLine {
            state: states.of(&id).word(0),
            draft: drafts.contains(&id),
            canvas: id,
            title: None,
            owner: None,
            version: None,
            entered: 0,
            inside: 0,
            inside_of: BTreeMap::new(),
        });
        line.title.clone_from(&version.canvas.title);
        line.owner.clone_from(&version.canvas.owner);
        line.version = Some(version.number);
        line.entered += counters.entered;
        line.inside += counters.open;
        if counters.open > 0 {
            line.inside_of.insert(version.number, counters.open);
        }
    }
    for line in lines.values_mut() {
        line.state = states.of(&line.canvas).word(line.inside);
    }
    for id in drafts {
        lines.entry(id.clone()).or_insert_with(|| CanvasLine {
            canvas: id,
            title: None,
            owner: None,
            state: "draft",
            version: None,
            entered: 0,
            inside: 0,
            inside_of: BTreeMap::new(),
            draft: true,
        });
    }
    Ok(lines.into_values().filter(|line| archived || line.state != CanvasState::Archived.word(0)).collect())
}

/// All versions of a canvas, oldest first.
///
/// # Errors
/// The canvas is not there, or what the store says.
pub async fn history<S: Store>(store: &S, canvas: &str) -> crate::Result<Vec<VersionLine>> {
    let mut told: BTreeMap<u64, (Millis, String)> = BTreeMap::new();
    let (object, mut after) = (format!("canvas {canvas}"), 0);
    loop {
        let page = store.notes(after, PAGE).await?;
        for note in page.iter().filter(|note| note.verb == "canvas.publish" && note.object == object) {
            let details: serde_json::Value = serde_json::from_str(&note.details).unwrap_or_default();
            if let Some(number) = details["version"].as_u64() {
                told.entry(number).or_insert((note.at, note.who.clone()));
            }
        }
        match page.last().filter(|_| page.len() == PAGE) {
            Some(last) => after = last.n,
            None => break,
        }
    }
    let mut lines = Vec::new();
    for version in versions_of(store, canvas).await? {
        let counters = store.counters(version.id).await?;
        let (published, by) = told.remove(&version.number.into()).unzip();
        let (entered, inside) = (counters.entered, counters.open);
        lines.push(VersionLine { version: version.number, digest: version.digest, published, by, entered, inside });
    }
    Ok(lines)
}

/// The canonical text of a version; of the newest one where none is named.
///
/// # Errors
/// There is none, or what the store says.
pub async fn version_text<S: Store>(store: &S, canvas: &str, number: Option<u32>) -> crate::Result<String> {
    let versions = versions_of(store, canvas).await?;
    let found = match number {
        None => versions.last(),
        Some(number) => versions.iter().find(|version| version.number == number),
    };
    let found = found.ok_or_else(|| {
        let newest = versions.last().map_or(0, |version| version.number);
        let number = number.unwrap_or_default();
        Problem::new(Code::NotFound, format!("{canvas} has no version {number}")).cure(format!("it has 1 to {newest}"))
    })?;
    Ok(format_canvas(&found.canvas)?)
}

/// What a comparison is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// A version.
    Version(u32),
    /// The draft.
    Draft,
    /// A text of somebody's, and what it is called.
    Text {
        /// What people read.
        name: String,
        /// The text.
        text: String,
    },
}

impl std::str::FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Side, String> {
        match text {
            "draft" => Ok(Side::Draft),
            number => number.parse().map(Side::Version).map_err(|_| "write a version's number, or `draft`".to_owned()),
        }
    }
}

/// What is different between two texts of a canvas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanvasDiff {
    /// What the first one is called.
    pub from: String,
    /// What the second one is called.
    pub to: String,
    /// In words, what a designer would say; empty where a text cannot be read.
    pub changes: Vec<String>,
    /// Line by line, as `diff -u` writes it; empty where nothing differs.
    pub unified: String,
}

/// Compares two texts of a canvas: without a name, the draft (else the newest version) with the version before it.
///
/// # Errors
/// One of them is not there, or what the store says.
pub async fn diff<S: Store>(
    store: &S,
    canvas: &str,
    from: Option<Side>,
    to: Option<Side>,
) -> crate::Result<CanvasDiff> {
    let draft = super::draft(store, canvas).await?;
    let versions = match versions_of(store, canvas).await {
        Ok(versions) => versions,
        // A draft alone has nothing before it.
        Err(_) if draft.is_some() => Vec::new(),
        Err(error) => return Err(error),
    };
    let newest = versions.last().map(|version| version.number);
    let to = match (to, &draft, newest) {
        (Some(to), ..) => to,
        (None, Some(_), _) => Side::Draft,
        (None, None, newest) => Side::Version(newest.unwrap_or_default()),
    };
    let from = match (from, &to, newest) {
        (Some(from), ..) => Some(from),
        (None, Side::Draft | Side::Text { .. }, newest) => newest.map(Side::Version),
        (None, Side::Version(number), _) => number.checked_sub(1).filter(|before| *before > 0).map(Side::Version),
    };
    let text = async |side: &Side| -> crate::Result<(String, String)> {
        match side {
            Side::Version(number) => {
                Ok((format!("version {number}"), version_text(store, canvas, Some(*number)).await?))
            }
            Side::Text { name, text } => Ok((name.clone(), text.clone())),
            Side::Draft => match &draft {
                Some(draft) => Ok(("draft".to_owned(), draft.text.clone())),
                None => Err(Problem::new(Code::NotFound, format!("{canvas} has no draft")).into()),
            },
        }
    };
    let (from, before) = match from {
        Some(side) => text(&side).await?,
        None => ("nothing".to_owned(), String::new()),
    };
    let (to, after) = text(&to).await?;
    let (changes, unified) = difference((&from, &before), (&to, &after));
    Ok(CanvasDiff { from, to, changes, unified })
}
