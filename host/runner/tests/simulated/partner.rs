//! A partner on simulated time: its audiences, its weather by the hour, its moods by the call, and what it saw.
use crate::common::row_of;
use crate::time::{BEGIN, day_of};
use caravan_model::manifest::QuotaCredential;
use caravan_model::port::{
    Answer, Ask, AudienceInfo, BoxFuture, CallContext, CallOutcome, Clock, Connector, Connectors, Finding, FindingState,
};
use caravan_model::{
    Action, AudienceState, Cause, Code, Digest, Duration, Effect, Fault, Manifest, Millis, Part, Problem, Refusal,
    Report,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// What the partner does with one call.
#[derive(Clone, Debug)]
pub enum Mood {
    /// Takes all rows.
    Take,
    /// Takes all rows but those with these values, which it names.
    Refuse(Vec<String>),
    /// Does nothing because of rows with these values, which it names.
    BadRows(Vec<String>),
    /// Takes all rows but so many, which it does not name.
    Unnamed(u32),
    /// Takes all rows and judges later: those with these values are then refused.
    Later(Vec<String>),
    /// Takes all rows, has processed none of them, and says so later.
    Lost,
    /// Takes all rows, and whenever it is asked it is still at them.
    Undecided,
    /// Does nothing: over a quota, for so many milliseconds if it says so.
    Throttled(Option<u64>),
    /// Does nothing, and proves it.
    Down,
    /// Takes all rows, but the answer is lost.
    LostAnswer,
    /// Does nothing, and nobody can tell.
    LostRequest,
    /// The call is too large.
    TooLarge,
    /// The connector breaks; the rows may have been taken.
    Break { landed: bool },
    /// Takes the first people, then goes down.
    TakeSome(usize),
    /// The credentials are dead.
    DeadToken,
    /// The terms are not signed.
    Unsigned,
    /// The audience is gone.
    Gone,
}

/// What lasts for a while.
pub type Weather = (Range<Millis>, Mood);

/// How the partner decides while the weather is fair.
pub type Moods = Box<dyn FnMut(&Part, Millis) -> Mood + Send>;

/// An audience.
#[derive(Default)]
pub struct Held {
    pub name: String,
    pub marker: String,
    /// Rows, and when each was last added.
    pub members: BTreeMap<String, Millis>,
}

/// A membership call as the partner saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub at: Millis,
    pub audience: String,
    pub part: String,
    pub action: Action,
    pub rows: Vec<String>,
    /// What the partner did with it.
    pub mood: String,
}

/// The partner's memory.
#[derive(Default)]
pub struct Inside {
    pub audiences: BTreeMap<String, Held>,
    pub log: Vec<Seen>,
    pub weather: Vec<Weather>,
    /// Values whose rows break the connector.
    pub poison: BTreeSet<String>,
    /// Values whose rows it never takes, whatever it answers.
    pub never: BTreeSet<String>,
    /// How long members stay that are not added anew.
    pub life: Option<Duration>,
    /// By which kind of credential its connections call, where that is known.
    pub called_by: Option<QuotaCredential>,
    /// What later judgements say, by their reference.
    judgements: BTreeMap<String, Vec<Refusal>>,
    pub checks: u64,
    made: u32,
}

/// The partner and its connector.
pub struct SimPartner {
    manifest: Manifest,
    settings: serde_json::Map<String, serde_json::Value>,
    clock: Arc<dyn Clock>,
    pub inside: Mutex<Inside>,
    moods: Mutex<Moods>,
    chance: Mutex<fastrand::Rng>,
}

impl SimPartner {
    pub fn new(manifest: serde_json::Value, clock: Arc<dyn Clock>, seed: u64) -> Arc<SimPartner> {
        Arc::new(SimPartner {
            manifest: serde_json::from_value(manifest).unwrap(),
            settings: Default::default(),
            clock,
            inside: Mutex::default(),
            moods: Mutex::new(Box::new(|_, _| Mood::Take)),
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
        })
    }

    /// How it decides from now on.
    pub fn moods(&self, moods: impl FnMut(&Part, Millis) -> Mood + Send + 'static) {
        *self.moods.lock().unwrap() = Box::new(moods);
    }

    /// Moods in a row; afterwards everything is taken.
    pub fn script(&self, moods: Vec<Mood>) {
        let mut moods = moods.into_iter();
        self.moods(move |_, _| moods.next().unwrap_or(Mood::Take));
    }

    /// Something lasts from one instant to another.
    pub fn weather(&self, from: Millis, to: Millis, mood: Mood) {
        self.inside.lock().unwrap().weather.push((from..to, mood));
    }

    /// An audience that others made, with members.
    pub fn foreign(&self, id: &str, name: &str, members: impl IntoIterator<Item = String>) {
        let members = members.into_iter().map(|row| (row, BEGIN)).collect();
        let held = Held { name: name.into(), marker: String::new(), members };
        self.inside.lock().unwrap().audiences.insert(id.into(), held);
    }

    /// Who is a member now.
    pub fn members(&self, audience: &str) -> BTreeSet<String> {
        let now = self.clock.now();
        let inside = self.inside.lock().unwrap();
        let Some(held) = inside.audiences.get(audience) else { return BTreeSet::new() };
        let stays = |added: &Millis| inside.life.is_none_or(|life| now.since(*added) < life);
        held.members.iter().filter(|(_, added)| stays(added)).map(|(row, _)| row.clone()).collect()
    }

    /// All calls.
    pub fn log(&self) -> Vec<Seen> {
        self.inside.lock().unwrap().log.clone()
    }

    /// How many membership calls came on each simulated day.
    pub fn calls_by_day(&self) -> BTreeMap<i64, u64> {
        let mut days = BTreeMap::new();
        for seen in &self.inside.lock().unwrap().log {
            *days.entry(day_of(seen.at)).or_default() += 1;
        }
        days
    }

    fn lasting(&self) -> Option<Mood> {
        let now = self.clock.now();
        let inside = self.inside.lock().unwrap();
        inside.weather.iter().find(|(when, _)| when.contains(&now)).map(|(_, mood)| mood.clone())
    }

    fn mood_for(&self, audience: &str, part: &Part) -> Mood {
        let rows: Vec<String> = (0..part.rows as usize).map(|row| row_of(part, row)).collect();
        let poisoned = {
            let inside = self.inside.lock().unwrap();
            rows.iter().any(|row| inside.poison.iter().any(|poison| row.contains(poison.as_str())))
        };
        let now = self.clock.now();
        let mood = match self.lasting() {
            Some(lasting) => lasting,
            None if poisoned => Mood::Break { landed: false },
            None => (self.moods.lock().unwrap())(part, now),
        };
        let (audience, part_id, action) = (audience.to_owned(), part.id.clone(), part.action);
        let words = format!("{mood:?}");
        let seen = Seen { at: now, audience, part: part_id, action, rows, mood: words };
        self.inside.lock().unwrap().log.push(seen);
        mood
    }

    fn apply(&self, audience: &str, part: &Part, rows: impl Iterator<Item = usize>) {
        let now = self.clock.now();
        let mut inside = self.inside.lock().unwrap();
        let Inside { audiences, never, .. } = &mut *inside;
        let members = &mut audiences.get_mut(audience).unwrap().members;
        for row in rows.map(|row| row_of(part, row)) {
            if never.iter().any(|value| row.contains(value.as_str())) {
                continue;
            }
            match part.action {
                Action::Add => members.insert(row, now),
                Action::Remove => members.remove(&row),
            };
        }
    }

    async fn latency(&self) {
        let ms = self.chance.lock().unwrap().u64(5..150);
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    }

    async fn sync(&self, audience: &str, part: &Part) -> (Report, Effect) {
        self.latency().await;
        let mood = self.mood_for(audience, part);
        let has =
            |row: &usize, values: &[String]| values.iter().any(|value| row_of(part, *row).contains(value.as_str()));
        let all = 0..part.rows as usize;
        let settled = vec![(0, part.rows)];
        let refusals = |values: &[String]| -> Vec<Refusal> {
            let refused = all.clone().filter(|row| has(row, values));
            refused
                .map(|row| Refusal { row: row as u32, code: "bad".into(), message: "the partner says no".into() })
                .collect()
        };
        let landed = Effect::MayHaveLanded;
        let answer = match mood {
            Mood::Take => {
                self.apply(audience, part, all.clone());
                (Report { settled, ..Report::default() }, landed)
            }
            Mood::Refuse(values) => {
                self.apply(audience, part, all.clone().filter(|row| !has(row, &values)));
                let taken = all.clone().filter(|row| !has(row, &values)).map(|row| (row as u32, row as u32 + 1));
                (Report { settled: taken.collect(), refused: refusals(&values), ..Report::default() }, landed)
            }
            Mood::BadRows(values) if refusals(&values).is_empty() => {
                self.apply(audience, part, all.clone());
                (Report { settled, ..Report::default() }, landed)
            }
            Mood::BadRows(values) => (Report::fault(Fault::Rows { refused: refusals(&values) }), Effect::None),
            Mood::Unnamed(many) => {
                self.apply(audience, part, all.clone().skip(many as usize));
                (Report { settled, unnamed_refused: many, ..Report::default() }, landed)
            }
            Mood::Later(values) => {
                self.apply(audience, part, all.clone().filter(|row| !has(row, &values)));
                let mut inside = self.inside.lock().unwrap();
                let reference = format!("job-{}", inside.judgements.len() + 1);
                inside.judgements.insert(reference.clone(), refusals(&values));
                (Report { settled, pending: Some(reference), ..Report::default() }, landed)
            }
            Mood::Lost => {
                let mut inside = self.inside.lock().unwrap();
                let reference = format!("lost-{}", inside.judgements.len() + 1);
                let all = (0..part.rows).map(|row| Refusal { row, code: "INTERNAL".into(), message: "lost".into() });
                inside.judgements.insert(reference.clone(), all.collect());
                (Report { settled, pending: Some(reference), ..Report::default() }, landed)
            }
            Mood::Undecided => {
                self.apply(audience, part, all.clone());
                (Report { settled, pending: Some("undecided".into()), ..Report::default() }, landed)
            }
            Mood::LostAnswer => {
                self.apply(audience, part, all.clone());
                (Report::fault(down(None)), landed)
            }
            Mood::Break { landed: takes } => {
                if takes {
                    self.apply(audience, part, all.clone());
                }
                (Report::fault(Fault::Bug { cause: Cause::new("trap", "it trapped") }), landed)
            }
            Mood::TakeSome(people) => {
                let end = part.rows_of(people.min(part.people()).saturating_sub(1)).end;
                self.apply(audience, part, 0..end as usize);
                let fault = (end < part.rows).then(|| down(None));
                (Report { settled: vec![(0, end)], fault, ..Report::default() }, Effect::None)
            }
            Mood::LostRequest => (Report::fault(down(None)), landed),
            mood => (Report::fault(fault_of(&mood)), Effect::None),
        };
        self.latency().await;
        answer
    }

    async fn answer(&self, ask: Ask) -> (Result<Answer, Fault>, Effect) {
        let nothing = Effect::None;
        match ask {
            Ask::Sync { target, part } => {
                let (report, effect) = self.sync(&target.audience, &part).await;
                (Ok(Answer::Report(report)), effect)
            }
            Ask::Audiences { query, .. } => {
                let inside = self.inside.lock().unwrap();
                let info = |(id, held): (&String, &Held)| AudienceInfo {
                    id: id.clone(),
                    name: held.name.clone(),
                    kind: String::new(),
                    unusable: None,
                    size: None,
                };
                let named = inside.audiences.iter().filter(|(_, held)| held.name.contains(&query));
                (Ok(Answer::Audiences(named.map(info).collect(), None)), nothing)
            }
            Ask::CreateAudience { name, marker, .. } => {
                let mut inside = self.inside.lock().unwrap();
                let known = inside.audiences.iter().find(|(_, held)| held.marker == marker).map(|(id, _)| id.clone());
                let adopted = known.is_some();
                let audience = known.unwrap_or_else(|| {
                    inside.made += 1;
                    format!("new-{}", inside.made)
                });
                let fresh = Held { name, marker, ..Held::default() };
                inside.audiences.entry(audience.clone()).or_insert(fresh);
                (Ok(Answer::Created { audience, audience_parts: Vec::new(), adopted }), nothing)
            }
            Ask::Check { .. } => {
                self.latency().await;
                self.inside.lock().unwrap().checks += 1;
                match self.lasting() {
                    Some(Mood::Down) => (Err(down(None)), nothing),
                    lasting => (Ok(Answer::Findings(vec![finding(lasting.is_some())])), nothing),
                }
            }
            Ask::FollowUp { reference, .. } => {
                self.latency().await;
                if reference == "undecided" {
                    return (Ok(Answer::Later(6 * 3_600_000)), nothing);
                }
                let refused = self.inside.lock().unwrap().judgements.get(&reference).cloned().unwrap_or_default();
                let lost = reference.starts_with("lost").then(|| ("send-again".to_owned(), refused.len() as u32));
                (Ok(Answer::Judged(refused, lost.into_iter().collect())), nothing)
            }
            Ask::Members { .. } => (Err(down(None)), nothing),
            Ask::Accounts { .. } => (Ok(Answer::Accounts(Vec::new(), None)), nothing),
        }
    }
}

fn down(after_ms: Option<u64>) -> Fault {
    Fault::Unavailable { after_ms, cause: Cause::new("503", "down") }
}

fn fault_of(mood: &Mood) -> Fault {
    let cause = |code: &str, words: &str| Cause::new(code, words);
    match mood {
        Mood::Throttled(after_ms) => Fault::Throttled { after_ms: *after_ms, cause: cause("429", "slow down") },
        Mood::TooLarge => Fault::TooLarge,
        Mood::DeadToken => Fault::Unauthorized { cause: cause("401", "expired") },
        Mood::Unsigned => Fault::Terms { cause: cause("terms", "sign the terms") },
        Mood::Gone => Fault::Audience { state: AudienceState::Missing, cause: cause("404", "gone") },
        _ => down(None),
    }
}

fn finding(fails: bool) -> Finding {
    let state = if fails { FindingState::Failed } else { FindingState::Good };
    Finding { subject: "partner".into(), state, message: "looked at".into(), cure: None, link: None }
}

impl Connector for SimPartner {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        Digest::of(self.manifest.name.as_bytes())
    }

    fn settings(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.settings
    }

    fn call<'a>(&'a self, _: CallContext, ask: Ask) -> BoxFuture<'a, CallOutcome> {
        Box::pin(async move {
            let (answer, effect) = self.answer(ask).await;
            CallOutcome { answer, effect, requests: Vec::new(), usage: Vec::new(), log: Vec::new() }
        })
    }
}

/// The connections `c` and `d` lead to the one partner.
pub struct Wires(pub Arc<SimPartner>);

impl Connectors for Wires {
    fn connector(&self, connection: &str) -> Result<Arc<dyn Connector>, Problem> {
        match connection {
            "c" | "d" => Ok(self.0.clone()),
            other => Err(Problem::new(Code::UnknownConnection, format!("no `{other}`"))),
        }
    }

    fn default_country(&self, _: &str) -> Option<String> {
        Some("FR".into())
    }

    fn called_by<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<QuotaCredential>> {
        let by = self.0.inside.lock().unwrap().called_by;
        Box::pin(async move { by })
    }
}
