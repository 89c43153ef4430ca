//! `Checked against the lab`: what stands there, against what the store says was sent, hash by hash.
//!
//! The store's ended batches are applied in their order to a model of each audience; the lab is then asked, key by
//! key, for all that it holds. Only 64 bits of each identifier are kept, and one batch at a time is in memory. Where the
//! store no longer keeps the rows of all batches, its memberships say what should stand instead.
use crate::check::Checked;
use crate::host::lab::LabHome;
use caravan_identity::recorded;
use caravan_model::{Action, Canvas, Column, Manifest, Millis, Part, Problem, ProfileId, Status};
use caravan_runner::registered_name;
use caravan_store::{LaneKey, PartRecord, Sqlite, Standing, Store, Version};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The most rows of one person.
const ROWS_PER_PERSON: u64 = 10;

/// What the comparison of one audience gave.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LabCheck {
    /// The audience's name in the canvas.
    pub audience: String,
    /// The connection.
    pub connection: String,
    /// The partner's id.
    pub id: String,
    /// Identifiers that were sent and not removed again.
    pub expected: u64,
    /// Identifiers that the lab holds.
    pub there: u64,
    /// Of the expected ones, those that the lab does not hold.
    pub missing: u64,
    /// Those that the lab holds and nobody here sent.
    pub extra: u64,
    /// Whether that is as it should be.
    pub verdict: Verdict,
    /// The verdict in words, where it needs any.
    pub words: String,
}

/// Whether both sides agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They hold the same.
    Same,
    /// They differ by what the partner refused or what stood there before, and by nothing else.
    Explained,
    /// They differ.
    Differs,
    /// It cannot be said.
    Unknown,
}

/// One audience that is compared.
struct Compared {
    name: String,
    connection: String,
    partner: String,
    key: LaneKey,
    made_by_us: bool,
    /// People whose identifiers may be missing: refused, expired, or on their way.
    excused: u64,
    /// Batches whose rows the store no longer keeps: memberships are asked then.
    forgotten: u64,
    model: Model,
}

/// Compares all audiences of the canvas that are at the lab.
pub async fn check(
    store: &Sqlite,
    version: &Version,
    checked: &Checked,
    lab: &LabHome,
    started: Millis,
) -> anyhow::Result<Vec<LabCheck>> {
    let mut compared = audiences(store, version, checked).await?;
    let older = replay(store, &mut compared, started).await?;
    let mut checks = Vec::new();
    for mut audience in compared {
        let (name, connection, id) =
            (audience.name.clone(), audience.connection.clone(), audience.key.audience.clone());
        let blank = LabCheck {
            audience: name,
            connection,
            id,
            expected: 0,
            there: 0,
            missing: 0,
            extra: 0,
            verdict: Verdict::Unknown,
            words: String::new(),
        };
        checks.push(if lab.is_own() && older {
            LabCheck {
                words: "earlier runs went to a lab that is gone; keep one with `caravan lab`".to_owned(),
                ..blank
            }
        } else {
            if audience.forgotten > 0 {
                remember(store, &mut audience).await?;
            }
            match compare(lab, &audience, blank.clone()).await {
                Ok(check) => check,
                Err(problem) => LabCheck { words: problem.message, ..blank },
            }
        });
    }
    Ok(checks)
}

/// The audiences of the canvas whose connections are lab connections.
async fn audiences(store: &Sqlite, version: &Version, checked: &Checked) -> anyhow::Result<Vec<Compared>> {
    let canvas = &version.canvas;
    let counters = store.counters(version.id).await?;
    let mut compared = Vec::new();
    for (name, spec) in &canvas.audiences {
        let at_lab =
            checked.connections.value.connections.get(&spec.connection).is_some_and(|connection| connection.lab);
        let (Some(component), true) = (checked.components.get(&spec.connection), at_lab) else { continue };
        let Some(bound) = store.audience(&registered_name(&canvas.canvas, name)).await? else { continue };
        let Some(id) = bound.partner_id else { continue };
        let excused = counters.counts.iter().filter(|count| {
            let at_audience = asks(canvas, count.step, name);
            at_audience && matches!(count.status, Status::Rejected | Status::Expired | Status::Exited | Status::Waiting)
        });
        compared.push(Compared {
            name: name.clone(),
            connection: spec.connection.clone(),
            partner: component.manifest().name.clone(),
            key: LaneKey { connector: bound.connector, account: bound.account, audience: id },
            made_by_us: bound.made_by_us,
            excused: excused.map(|count| count.n).sum(),
            forgotten: 0,
            model: Model::new(component.manifest()),
        });
    }
    Ok(compared)
}

/// Whether a step asks for an audience.
fn asks(canvas: &Canvas, step: caravan_model::StepIx, audience: &str) -> bool {
    let sync = canvas.steps.at(step).and_then(|(_, step)| step.audience_sync.as_ref());
    sync.is_some_and(|sync| sync.audience == audience)
}

/// Applies all ended batches in their order. True where some of them are older than this run.
async fn replay(store: &Sqlite, compared: &mut [Compared], started: Millis) -> anyhow::Result<bool> {
    // A lane's newest batch is of its newest slice. Of all lanes together it need not be: a batch that is sent in pieces gets
    // new ones long after another lane sealed its next slice.
    let mut newest = 0;
    for lane in store.lanes().await? {
        let part = store.parts(Some(lane.id), 1).await?.into_iter().next();
        let slice = part.and_then(|part| part.name.split_once('-').and_then(|(slice, _)| slice.parse::<i64>().ok()));
        newest = newest.max(slice.unwrap_or_default());
    }
    let mut older = false;
    for slice in 1..=newest {
        for number in 1.. {
            let Some(part) = store.part(&format!("{slice}-{number}")).await? else { break };
            let Some(audience) = compared.iter_mut().find(|audience| audience.key == part.lane) else { continue };
            older |= part.at < started;
            audience.excused += u64::from(part.doubtful) + later(&part);
            if part.ended.is_some() {
                audience.forgotten += u64::from(part.part.rows == 0);
                audience.model.apply(&part.part);
            }
        }
    }
    Ok(older)
}

/// Rows that the partner refused when it judged them later, or may yet refuse.
fn later(part: &PartRecord) -> u64 {
    match part.pending {
        true => part.part.rows.into(),
        false => part.judged.iter().map(|(_, n)| u64::from(*n)).sum(),
    }
}

/// How many members are read at a time.
const MEMBERS: usize = 10_000;

/// Makes the model from what membership holds of an audience.
async fn remember(store: &Sqlite, audience: &mut Compared) -> anyhow::Result<()> {
    let mut model = audience.model.emptied();
    let lanes = store.lanes().await?;
    for lane in lanes.iter().filter(|lane| lane.key == audience.key) {
        let mut after = ProfileId::default();
        loop {
            let members = store.members(lane.id, after, MEMBERS).await?;
            let Some((last, _)) = members.last() else { break };
            after = *last;
            for (_, member) in &members {
                audience.excused += u64::from(member.standing == Standing::Maybe);
                for set in &member.recorded {
                    model.change(&recorded::decode(set)?, Action::Add);
                }
            }
        }
    }
    audience.model = model;
    Ok(())
}

/// Asks the lab for one audience, key by key.
async fn compare(lab: &LabHome, audience: &Compared, blank: LabCheck) -> Result<LabCheck, Problem> {
    let mut check = blank;
    let expected = audience.model.standing();
    for (key, values) in &expected {
        let text = lab.members(&audience.partner, &audience.key.audience, key).await?;
        let mut matched = 0;
        for value in text.lines().filter(|line| !line.is_empty()) {
            check.there += 1;
            if values.contains(&hash(value)) { matched += 1 } else { check.extra += 1 }
        }
        check.expected += values.len() as u64;
        check.missing += (values.len() as u64).saturating_sub(matched);
    }
    let keys = expected.len().max(1) as u64;
    let excused = check.missing <= audience.excused * ROWS_PER_PERSON * keys;
    let stranger = check.extra > 0 && audience.made_by_us;
    (check.verdict, check.words) = match (check.missing, check.extra) {
        (0, 0) => (Verdict::Same, String::new()),
        (missing, extra) if excused && !stranger => {
            let mut words = Vec::new();
            if missing > 0 {
                words.push(format!(
                    "{} of them belong to people whom the partner did not take, or has yet to judge",
                    crate::out::count(missing)
                ));
            }
            if extra > 0 {
                words.push(format!("{} more stood there before", crate::out::count(extra)));
            }
            (Verdict::Explained, words.join(", "))
        }
        (missing, extra) => (
            Verdict::Differs,
            format!(
                "{} are missing at the lab, {} are there that nobody sent",
                crate::out::count(missing),
                crate::out::count(extra)
            ),
        ),
    };
    Ok(check)
}

fn hash(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Key and value of each filled cell.
type Row = Box<[(u8, u64)]>;

/// An audience as a partner keeps it: Meta and Google keep rows, and find them by any identifying value; others keep
/// values.
struct Model {
    keeps_rows: bool,
    identifying: HashSet<String>,
    keys: Vec<String>,
    /// Rows that stand: (key, value) each; `None` = removed.
    rows: Vec<Option<Row>>,
    /// Rows by their whole content.
    known: HashMap<u64, usize>,
    /// Rows by identifying value.
    found_by: HashMap<(u8, u64), Vec<usize>>,
    /// Values, where no rows are kept.
    values: Vec<HashSet<u64>>,
}

impl Model {
    fn new(manifest: &Manifest) -> Model {
        let identifying = manifest.keys.iter().filter(|key| key.identifies).map(|key| key.key.clone()).collect();
        Model {
            keeps_rows: matches!(manifest.name.as_str(), "google" | "meta"),
            identifying,
            keys: Vec::new(),
            rows: Vec::new(),
            known: HashMap::new(),
            found_by: HashMap::new(),
            values: Vec::new(),
        }
    }

    /// The same audience without anybody.
    fn emptied(&self) -> Model {
        Model {
            keeps_rows: self.keeps_rows,
            identifying: self.identifying.clone(),
            // Also keys under which nobody stands any more are asked for.
            keys: self.keys.clone(),
            rows: Vec::new(),
            known: HashMap::new(),
            found_by: HashMap::new(),
            values: vec![HashSet::new(); self.keys.len()],
        }
    }

    fn key(&mut self, name: &str) -> u8 {
        let place = self.keys.iter().position(|key| key == name).unwrap_or_else(|| {
            self.keys.push(name.to_owned());
            self.values.push(HashSet::new());
            self.keys.len() - 1
        });
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    fn apply(&mut self, part: &Part) {
        self.change(&part.columns, part.action);
    }

    fn change(&mut self, columns: &[Column], action: Action) {
        let keys: Vec<u8> = columns.iter().map(|column| self.key(&column.key)).collect();
        for row in 0..columns.first().map_or(0, Column::rows) {
            let values = columns.iter().zip(&keys).map(|(column, key)| (*key, column.value(row)));
            let values: Row =
                values.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, hash(value))).collect();
            match (self.keeps_rows, action) {
                (true, Action::Add) => self.add_row(values),
                (true, Action::Remove) => self.remove_row(&values),
                (false, Action::Add) => values.iter().for_each(|(key, value)| {
                    self.values[usize::from(*key)].insert(*value);
                }),
                (false, Action::Remove) => values.iter().for_each(|(key, value)| {
                    self.values[usize::from(*key)].remove(value);
                }),
            }
        }
    }

    fn add_row(&mut self, mut values: Row) {
        values.sort_unstable();
        let mut whole = DefaultHasher::new();
        values.hash(&mut whole);
        let place = self.rows.len();
        let known = *self.known.entry(whole.finish()).or_insert(place);
        if known < place {
            if self.rows[known].is_some() {
                return;
            }
            self.index(&values, known);
            self.rows[known] = Some(values);
            return;
        }
        self.index(&values, place);
        self.rows.push(Some(values));
    }

    fn index(&mut self, values: &[(u8, u64)], place: usize) {
        for value in values.iter().filter(|(key, _)| self.identifying.contains(&self.keys[usize::from(*key)])) {
            self.found_by.entry(*value).or_default().push(place);
        }
    }

    fn remove_row(&mut self, values: &[(u8, u64)]) {
        for value in values {
            for place in self.found_by.remove(value).unwrap_or_default() {
                self.rows[place] = None;
            }
        }
    }

    /// What should stand, by key.
    fn standing(&self) -> BTreeMap<&str, HashSet<u64>> {
        let mut standing: BTreeMap<&str, HashSet<u64>> = BTreeMap::new();
        for (key, values) in self.keys.iter().zip(&self.values) {
            standing.insert(key, values.clone());
        }
        for (key, value) in self.rows.iter().flatten().flat_map(|row| row.iter()) {
            if let Some(values) = self.keys.get(usize::from(*key)).and_then(|key| standing.get_mut(key.as_str())) {
                values.insert(*value);
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(action: Action, rows: &[[&str; 2]]) -> Part {
        let column = |key: &str, place: usize| {
            let mut column = Column::with_capacity(key, rows.len(), 4);
            rows.iter().for_each(|row| column.push(row[place]));
            column
        };
        Part {
            id: "1-1".into(),
            action,
            group: String::new(),
            rows: rows.len() as u32,
            person_ends: (1..=rows.len() as u32).collect(),
            columns: vec![column("EMAIL", 0), column("CT", 1)],
            flags: Vec::new(),
        }
    }

    fn model(keeps_rows: bool) -> Model {
        Model {
            keeps_rows,
            identifying: HashSet::from(["EMAIL".to_owned()]),
            keys: Vec::new(),
            rows: Vec::new(),
            known: HashMap::new(),
            found_by: HashMap::new(),
            values: Vec::new(),
        }
    }

    fn counts(model: &Model) -> Vec<(&str, usize)> {
        model.standing().into_iter().map(|(key, values)| (key, values.len())).collect()
    }

    #[test]
    fn rows_go_whole_and_come_back() {
        let mut audience = model(true);
        audience.apply(&part(Action::Add, &[["a", "paris"], ["b", "paris"], ["a", "paris"]]));
        assert_eq!(counts(&audience), [("CT", 1), ("EMAIL", 2)]);
        audience.apply(&part(Action::Remove, &[["a", "elsewhere"]]));
        assert_eq!(counts(&audience), [("CT", 1), ("EMAIL", 1)]);
        audience.apply(&part(Action::Remove, &[["b", ""]]));
        assert_eq!(counts(&audience), [("CT", 0), ("EMAIL", 0)]);
        audience.apply(&part(Action::Add, &[["a", "paris"]]));
        assert_eq!(counts(&audience), [("CT", 1), ("EMAIL", 1)]);
    }

    #[test]
    fn an_emptied_model_asks_for_the_same_keys_and_takes_members() {
        let mut audience = model(true);
        let sent = part(Action::Add, &[["a", "paris"], ["b", "rome"]]);
        audience.apply(&sent);
        let mut members = audience.emptied();
        assert_eq!(counts(&members), [("CT", 0), ("EMAIL", 0)]);
        members.change(&sent.columns, Action::Add);
        assert_eq!(members.standing(), audience.standing());
    }

    #[test]
    fn values_stand_alone_elsewhere() {
        let mut audience = model(false);
        audience.apply(&part(Action::Add, &[["a", "x"], ["b", "x"]]));
        audience.apply(&part(Action::Remove, &[["a", "x"]]));
        assert_eq!(counts(&audience), [("CT", 0), ("EMAIL", 1)]);
    }
}
