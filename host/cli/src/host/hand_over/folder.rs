//! Which file of a folder comes next.
use super::wrong;
use crate::config::HandOverConfig;
use crate::users::handed::{Handed, Meaning};
use caravan_model::{Cause, Digest, Fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a file must have stood unchanged, unless it is said.
const SETTLED: Duration = Duration::from_secs(60);
/// A file of the future is one of a machine whose clock is wrong: it waits for nothing.
const AHEAD: Duration = Duration::from_secs(3_600);
/// Names that uploads have while they are under way, and markers that say nothing of people.
const UNFINISHED: [&str; 5] = [".part", ".partial", ".tmp", ".filepart", ".crdownload"];
const MARKERS: [&str; 3] = ["_success", "_started", "_committed"];
/// What holds people in a form that is not read.
const CLOSED: [&str; 5] = [".parquet", ".gz", ".zip", ".bz2", ".zst"];

/// A folder that the configuration allows.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) own: HandOverConfig,
    mapping: BTreeMap<String, Meaning>,
}

/// A file as it lies there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lying {
    pub(super) name: String,
    pub(super) size: u64,
    /// When it was written last, in milliseconds of UTC.
    pub(super) at: u64,
}

/// A file that was read to its end, or passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) digest: String,
    size: u64,
    at: u64,
}

/// The file that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    pub(super) file: Lying,
    pub(super) digest: String,
    pub(super) rows: u64,
    pub(super) broken: u64,
    /// Rows that named a member.
    pub(super) members: u64,
}

/// How far a folder is read: the cursor of its import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// By name; those that are no longer there are forgotten.
    pub(super) taken: BTreeMap<String, Taken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reading: Option<Reading>,
}

impl Place {
    pub(super) fn parse(cursor: Option<&str>) -> Result<Place, Fault> {
        let Some(text) = cursor else { return Ok(Place::default()) };
        serde_json::from_str(text).map_err(|_| wrong("cursor", "The cursor is none of a folder's.".to_owned()))
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A file needs no more looks.
    pub(super) fn take(&mut self, file: &Lying, digest: String) {
        self.taken.insert(file.name.clone(), Taken { digest, size: file.size, at: file.at });
    }

    fn knows(&self, file: &Lying) -> bool {
        self.taken.get(&file.name).is_some_and(|taken| (taken.size, taken.at) == (file.size, file.at))
    }
}

impl Folder {
    pub(super) fn new(name: &str, own: HandOverConfig) -> Folder {
        // Words that mean nothing were refused with the configuration.
        let meaning = |(name, word): (&String, &String)| Some((name.clone(), Meaning::of_word(word)?));
        let mapping = own.columns.iter().filter_map(meaning).collect();
        Folder { name: name.to_owned(), own, mapping }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.own.folder.join(file)
    }

    fn unreadable(&self, error: &std::io::Error) -> Fault {
        let words = format!("The hand-over folder {} cannot be read: {error}.", self.name);
        Fault::Unavailable { after_ms: None, cause: Cause::new("hand-over", words) }
    }

    /// Ordinary files that are whole and not taken yet, oldest first. What is still being written is not among them.
    pub(super) fn waiting(&self, place: &Place) -> Result<Vec<Lying>, Fault> {
        let mut files: Vec<Lying> =
            self.listed()?.into_iter().filter(|file| !place.knows(file) && self.is_settled(file)).collect();
        files.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
        Ok(files)
    }

    /// Forgets files that are no longer there: who hands one over again under the same name is heard.
    pub(super) fn forget_gone(&self, place: &mut Place) -> Result<(), Fault> {
        let listed = self.listed()?;
        place.taken.retain(|name, _| listed.iter().any(|file| file.name == *name));
        Ok(())
    }

    fn listed(&self) -> Result<Vec<Lying>, Fault> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.own.folder).map_err(|error| self.unreadable(&error))? {
            let entry = entry.map_err(|error| self.unreadable(&error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let lower = name.to_lowercase();
            let is_passed = lower.starts_with('.')
                || UNFINISHED.iter().any(|end| lower.ends_with(end))
                || MARKERS.iter().any(|start| lower.starts_with(start));
            // Whoever puts files here leads the host to no other place: links are not followed.
            match entry.metadata() {
                Ok(about) if about.is_file() && !is_passed => files.push(Lying {
                    name,
                    size: about.len(),
                    at: about.modified().ok().and_then(millis).unwrap_or_default(),
                }),
                _ => {}
            }
        }
        Ok(files)
    }

    fn is_settled(&self, file: &Lying) -> bool {
        let settle = self.own.settle.map_or(SETTLED, Duration::from);
        let now = millis(SystemTime::now()).unwrap_or_default();
        let (settle, ahead) = (settle.as_millis() as u64, AHEAD.as_millis() as u64);
        file.at.saturating_add(settle) <= now || file.at > now + ahead
    }

    /// Whether a file is still as it was.
    pub(super) fn is_same(&self, file: &Lying) -> bool {
        std::fs::symlink_metadata(self.path(&file.name)).is_ok_and(|about| {
            let at = about.modified().ok().and_then(millis).unwrap_or_default();
            about.is_file() && (about.len(), at) == (file.size, file.at)
        })
    }

    /// Opens a file behind its head. None where it is not for this audience.
    ///
    /// # Errors
    /// Why it cannot be read; it waits until that is mended.
    pub(super) fn head(&self, file: &Lying, audience: &str) -> Result<Option<Handed>, Fault> {
        let refuse = |why: &str| {
            let words = format!(
                "The file {} of the hand-over {} is not taken in: {why}. It is looked at again once that is mended, or passed \
                 over once it is moved away.",
                file.name, self.name
            );
            wrong("hand-over-file", words)
        };
        let lower = file.name.to_lowercase();
        if CLOSED.iter().any(|end| lower.ends_with(end)) {
            return Err(refuse(
                "it is Parquet or compressed: have the file destination write CSV or tab-delimited text, not compressed",
            ));
        }
        if !self.ends_with_a_line(file).map_err(|error| self.unreadable(&error))? {
            return Err(refuse("its last line has no end, so it is only half there"));
        }
        let handed = Handed::open(&self.path(&file.name), &self.mapping).map_err(|why| refuse(&why))?;
        if !self.own.everyone && !handed.has(&Meaning::Status) {
            return Err(refuse(
                "it has no column segmentMembershipStatus: have it exported, say under `columns` which one is `status`, or say \
                 `everyone = true` where each file holds the whole audience",
            ));
        }
        match (handed.has(&Meaning::Audience), audience.is_empty()) {
            (true, true) => Err(refuse("its rows name audiences: say at the import which one is meant (--audience)")),
            (false, false) if !lower.contains(&audience.to_lowercase()) => Ok(None),
            _ => Ok(Some(handed)),
        }
    }

    fn ends_with_a_line(&self, file: &Lying) -> std::io::Result<bool> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut open = std::fs::File::open(self.path(&file.name))?;
        if file.size == 0 {
            return Ok(true);
        }
        open.seek(SeekFrom::Start(file.size - 1))?;
        let mut last = [0];
        open.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }

    /// The next file for an audience, open, with its digest. What is not for it is passed over.
    pub(super) fn next(&self, place: &mut Place, audience: &str) -> Result<Option<(Reading, Handed)>, Fault> {
        let mut waiting = self.waiting(place)?;
        if self.own.everyone {
            waiting.reverse();
        }
        let mut found = None;
        for file in waiting {
            if !holds_people(&file.name) || found.is_some() {
                // Of files that each hold everyone the newest counts.
                place.take(&file, String::new());
                continue;
            }
            let Some(handed) = self.head(&file, audience)? else {
                place.take(&file, String::new());
                continue;
            };
            let digest = self.digest(&file).map_err(|error| self.unreadable(&error))?.to_string();
            if place.taken.get(&file.name).is_some_and(|taken| taken.digest == digest) {
                place.take(&file, digest);
                continue;
            }
            found = Some((Reading { file, digest, rows: 0, broken: 0, members: 0 }, handed));
            if !self.own.everyone {
                break;
            }
        }
        Ok(found)
    }

    fn digest(&self, file: &Lying) -> std::io::Result<Digest> {
        Ok(crate::users::hash(&mut std::fs::File::open(self.path(&file.name))?)?.0)
    }
}

/// Whether a name is of a kind that holds people.
pub(super) fn holds_people(name: &str) -> bool {
    let lower = name.to_lowercase();
    [".csv", ".txt", ".tsv"].iter().chain(&CLOSED).any(|end| lower.ends_with(end))
}

fn millis(at: SystemTime) -> Option<u64> {
    u64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
