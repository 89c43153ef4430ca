//! Adding and removing people (contract, section 3): look up, then one `POST` or `DELETE /lists/ID/leads.json`, whose answer
//! has a status for each lead.
use crate::classify::{About, classify};
use crate::leads::{self, Lead};
use crate::{api, classify};
use caravan_sdk::http::{self, Method, Path, Request};
use caravan_sdk::{Action, Fault, Part, Refusal, Report, Rows, Settings, Target, fault, log, report};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Leads that one call takes.
const LEADS: usize = 300;
/// The longest address.
const EMAIL_MAX: usize = 255;

/// Sends one part.
pub fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    match Sync::of(settings, target, part).and_then(|mut sync| sync.run().map(|fault| (sync.outcomes, fault))) {
        Ok((outcomes, fault)) => told(&outcomes, fault),
        Err(fault) => report::fault(fault),
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// Not known yet: its leads are to be sent.
    Open,
    /// Done.
    Settled,
    /// Not taken: the partner's code or a word of ours, and words.
    Refused(String, String),
}

struct Sync<'a> {
    settings: &'a Settings,
    target: &'a Target,
    adds: bool,
    /// The field that people are looked up by; none where rows are lead ids.
    field: Option<&'a str>,
    values: Vec<&'a str>,
    outcomes: Vec<Outcome>,
    /// The leads of each row.
    leads: Vec<Vec<u32>>,
}

impl<'a> Sync<'a> {
    fn of(settings: &'a Settings, target: &'a Target, part: &'a Part) -> Result<Sync<'a>, Fault> {
        api::workspace(settings, &target.account)?;
        let rows = Rows::of(part)?;
        let column = match rows.columns() {
            _ if rows.count() == 0 => None,
            [one] => Some(*one),
            _ => return Err(fault::bug("columns", "A part for Marketo has one match key.")),
        };
        let field = match column.map(|column| column.key()) {
            Some("EXTERNAL_ID") => Some(settings.text("external_id_field")).filter(|field| *field != "id"),
            _ => Some("email"),
        };
        if field == Some("") {
            let message = "Fill in the setting `external_id_field`: `id`, or the API name of a searchable field.";
            return Err(fault::misconfigured("external-id-field", message));
        }
        let values =
            column.iter().flat_map(|column| column.iter()).map(|value| std::str::from_utf8(value).unwrap_or_default());
        Ok(Sync {
            settings,
            target,
            adds: part.action == Action::Add,
            field,
            values: values.collect(),
            outcomes: vec![Outcome::Open; rows.count()],
            leads: vec![Vec::new(); rows.count()],
        })
    }

    /// Looks up, writes, reads; gives the fault that leaves some rows open.
    fn run(&mut self) -> Result<Option<Fault>, Fault> {
        match self.field {
            None => self.read_ids(),
            Some(field) => self.look_up(field)?,
        }
        let mut seen = HashSet::new();
        let ids: Vec<u32> = self.leads.iter().flatten().copied().filter(|id| seen.insert(*id)).collect();
        if ids.is_empty() {
            return Ok(None);
        }
        if ids.len() > LEADS {
            let open = self.outcomes.iter().filter(|outcome| **outcome == Outcome::Open).count();
            if open > 1 {
                // Nothing was written: in halves each call has room for all leads of its people.
                return Err(Fault::TooLarge);
            }
            self.close(&|| {
                Outcome::refused("too-many-leads", "More leads have this value than one call takes: merge them.")
            });
            return Ok(None);
        }
        let host = api::host(self.settings)?;
        let answer = classify(&http::send(self.request(&host, &ids))?, About::List)?;
        self.read(&answer)
    }

    /// Rows that are lead ids need no lookup.
    fn read_ids(&mut self) {
        for (row, value) in self.values.iter().enumerate() {
            match lead_id(value) {
                Some(id) => self.leads[row] = vec![id],
                None => self.outcomes[row] = Outcome::refused("not-an-id", "This is no lead id of Marketo's."),
            }
        }
    }

    fn look_up(&mut self, field: &str) -> Result<(), Fault> {
        for (row, value) in self.values.iter().enumerate() {
            if let Some(outcome) = unfit(field, value) {
                self.outcomes[row] = outcome;
            }
        }
        let mut seen = HashSet::new();
        let open = |(value, outcome): (&&'a str, &Outcome)| (*outcome == Outcome::Open).then_some(*value);
        let wanted: Vec<&str> =
            self.values.iter().zip(&self.outcomes).filter_map(open).filter(|value| seen.insert(*value)).collect();
        let found = leads::find(self.settings, field, &wanted)?;
        for (row, value) in self.values.iter().enumerate() {
            if self.outcomes[row] != Outcome::Open {
                continue;
            }
            let value = value.to_lowercase();
            if found.crowded.contains(&value) {
                self.outcomes[row] =
                    Outcome::refused("1003", "More leads have this value than Marketo tells: merge them.");
                continue;
            }
            match found.leads.get(&value).map(Vec::as_slice) {
                Some(leads @ [_, ..]) => self.leads[row] = self.chosen(leads),
                // Whom Marketo does not know stands in no list.
                _ if !self.adds => self.outcomes[row] = Outcome::Settled,
                _ => {
                    self.outcomes[row] = Outcome::refused(
                        "1004",
                        "Marketo knows nobody with this value, and this connector makes no leads.",
                    )
                }
            }
        }
        Ok(())
    }

    /// Of several leads all, or the newest where the setting says so. A removal takes all: which was the newest may have
    /// changed since.
    fn chosen(&self, leads: &[Lead]) -> Vec<u32> {
        let newest = self.adds && self.settings.text("duplicates") == "newest";
        match leads.iter().max_by(|a, b| (&a.updated, a.id).cmp(&(&b.updated, b.id))) {
            Some(lead) if newest => vec![lead.id],
            _ => leads.iter().map(|lead| lead.id).collect(),
        }
    }

    fn request<'h>(&self, host: &'h str, ids: &[u32]) -> Request<'h> {
        let method = if self.adds { Method::Post } else { Method::Delete };
        let path = Path::new(["rest", "v1", "lists", &self.target.audience, "leads.json"]);
        match self.settings.text("ids_in") {
            "body" => {
                let input: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
                Request::new(method, host, path).json(json!({ "input": input }).to_string())
            }
            _ => {
                let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
                Request::new(method, host, path.query("id", &ids.join(",")))
            }
        }
    }

    /// Reads the status of each lead (traps, rows 35 and 37): by its id, not by its place.
    fn read(&mut self, answer: &Value) -> Result<Option<Fault>, Fault> {
        let results: HashMap<u64, Outcome> = api::items(answer)
            .iter()
            .filter_map(|item| Some((item["id"].as_u64()?, outcome(item, self.adds))))
            .collect();
        let partition = |outcome: &Outcome| matches!(outcome, Outcome::Refused(code, _) if code == "1008");
        if !results.is_empty() && results.values().all(partition) {
            let message = "The API user's role does not reach the partition of these people: grant it at Marketo.";
            return Err(Fault::Forbidden(fault::cause("1008", message)));
        }
        for row in 0..self.outcomes.len() {
            if self.outcomes[row] != Outcome::Open {
                continue;
            }
            let mut of_row =
                self.leads[row].iter().map(|id| results.get(&u64::from(*id)).cloned().unwrap_or(Outcome::Open));
            let first = of_row.next().unwrap_or(Outcome::Open);
            self.outcomes[row] = of_row.fold(first, if self.adds { any } else { every });
        }
        let open = self.outcomes.iter().filter(|outcome| **outcome == Outcome::Open).count();
        Ok((open > 0).then(|| {
            log::warn(format!("Marketo says nothing of {open} of {} rows.", self.outcomes.len()));
            fault::unavailable(None, fault::cause("no-status", "Marketo left people out of its answer."))
        }))
    }

    /// Ends all rows that are open.
    fn close(&mut self, with: &dyn Fn() -> Outcome) {
        self.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Open).for_each(|outcome| *outcome = with());
    }
}

impl Outcome {
    fn refused(code: &str, words: &str) -> Outcome {
        Outcome::Refused(code.to_owned(), words.to_owned())
    }
}

/// To add somebody, one lead of several is enough; a refusal tells why there is none.
fn any(best: Outcome, next: Outcome) -> Outcome {
    match (best, next) {
        (Outcome::Settled, _) | (_, Outcome::Settled) => Outcome::Settled,
        (Outcome::Open, next) => next,
        (best, _) => best,
    }
}

/// Whoever is removed stands there under none of their leads: what is not known of one is asked again, and a refusal stays.
fn every(worst: Outcome, next: Outcome) -> Outcome {
    match (worst, next) {
        (Outcome::Settled, next) => next,
        (Outcome::Open, _) | (_, Outcome::Open) => Outcome::Open,
        (worst, _) => worst,
    }
}

/// What Marketo says of one lead.
fn outcome(item: &Value, adds: bool) -> Outcome {
    let reason = item["reasons"].as_array().and_then(|reasons| reasons.first());
    let code = reason.map(classify::code_of).unwrap_or_default();
    match (item["status"].as_str().unwrap_or_default(), code.as_str()) {
        ("added" | "removed" | "memberof", _) => Outcome::Settled,
        // Already a member; whether that is `added` again or `skipped` is not documented.
        ("skipped", "") => Outcome::Settled,
        // Nobody who is not there can be taken out.
        ("skipped", "1004" | "1015") if !adds => Outcome::Settled,
        ("skipped", "1015") => Outcome::Settled,
        ("skipped", code) => Outcome::refused(code, words(code)),
        _ => Outcome::Open,
    }
}

fn words(code: &str) -> &'static str {
    match code {
        "1003" => "Marketo does not take this person's data.",
        "1004" => "Marketo has no such lead any more.",
        "1005" => "The lead exists already.",
        "1007" => "Several leads match.",
        "1008" => "The API user's role does not reach this person's partition.",
        "1009" | "1010" => "The person's partition cannot be written.",
        _ => "Marketo skipped this person.",
    }
}

/// Why a value cannot be looked up at all.
fn unfit(field: &str, value: &str) -> Option<Outcome> {
    if value.is_empty() {
        return Some(Outcome::refused("empty", "There is no value."));
    }
    if value.contains(',') {
        return Some(Outcome::refused("comma", "Marketo cannot be asked for a value with a comma."));
    }
    if field != "email" {
        return None;
    }
    let digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest || !value.contains('@') {
        return Some(Outcome::refused("not-an-email", "Marketo compares plain addresses only, and this is none."));
    }
    if !value.is_ascii() {
        return Some(Outcome::refused("not-ascii", "Marketo takes e-mail addresses in ASCII only."));
    }
    (value.len() > EMAIL_MAX).then(|| Outcome::refused("too-long", "The e-mail address is longer than 255 characters."))
}

/// A lead id: a positive number of 31 bits, with or without zeros before it.
fn lead_id(value: &str) -> Option<u32> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse::<u32>().ok().filter(|id| digits && *id > 0 && *id <= i32::MAX as u32)
}

/// The report of all rows.
fn told(outcomes: &[Outcome], fault: Option<Fault>) -> Report {
    let mut settled: Vec<(u32, u32)> = Vec::new();
    let mut refused = Vec::new();
    for (row, outcome) in (0..).zip(outcomes) {
        match outcome {
            Outcome::Settled => match settled.last_mut() {
                Some((_, end)) if *end == row => *end += 1,
                _ => settled.push((row, row + 1)),
            },
            Outcome::Refused(code, message) => {
                refused.push(Refusal { row, code: code.clone(), message: message.clone() });
            }
            Outcome::Open => {}
        }
    }
    Report { settled, refused, unnamed_refused: 0, pending: None, fault }
}

#[cfg(test)]
mod tests;
