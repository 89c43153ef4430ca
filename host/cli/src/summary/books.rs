//! The books: everybody who entered is at exactly one place, and every step's statuses sum to who came to it.
use super::flow::{self, Went};
use caravan_journey::plan::{CompiledCanvas, Target};
use caravan_model::Status;
use caravan_store::{Count, Counters};
use std::collections::BTreeMap;

/// Where some of those who entered are now, or ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Term {
    /// How many.
    pub n: u64,
    /// The step that they left last, or are at.
    pub step: String,
    /// Their status there.
    pub status: Status,
}

/// The accounts of a version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Books {
    /// Entries ever begun.
    pub entered: u64,
    /// Where each of them is or ended, the largest first; the numbers sum to `entered` less `between`.
    pub terms: Vec<Term>,
    /// Those who are on their way from one step to the next at this moment.
    pub between: u64,
    /// What does not add up, in plain words; empty = everybody is accounted for.
    pub faults: Vec<String>,
}

impl Books {
    /// Adds up the numbers of one snapshot.
    pub fn close(plan: &CompiledCanvas, counters: &Counters) -> Books {
        let name = |count: &Count| plan.step(count.step).map_or_else(|| "?".to_owned(), |step| step.id.to_string());
        let mut faults = Vec::new();
        let mut arrived = vec![0u64; plan.steps.len()];
        let mut counted = vec![0u64; plan.steps.len()];
        let mut last: BTreeMap<(u16, Status), Term> = BTreeMap::new();
        let (mut rest, mut ended) = (0, 0);
        match plan.start {
            Target::Step(start) => arrived[usize::from(start.0)] += counters.entered,
            Target::Exit => ended += counters.entered,
        }
        for count in counters.counts.iter().filter(|count| count.n > 0) {
            if let Some(sum) = counted.get_mut(usize::from(count.step.0)) {
                *sum += count.n;
            }
            let went = flow::went(plan, count);
            match went {
                Some(Went::By(_, Target::Step(next))) => {
                    arrived[usize::from(next.0)] += count.n;
                    continue;
                }
                Some(Went::By(_, Target::Exit) | Went::Ended) => ended += count.n,
                Some(Went::Rests) => rest += count.n,
                None => {
                    faults.push(format!("{} at `{}` have a status that the step does not give", count.n, name(count)));
                    continue;
                }
            }
            let term = Term { n: 0, step: name(count), status: count.status };
            last.entry((count.step.0, count.status)).or_insert(term).n += count.n;
        }
        let mut between = 0u64;
        for ((arrived, counted), step) in arrived.iter().zip(&counted).zip(&plan.steps) {
            match arrived.checked_sub(*counted) {
                Some(on_the_way) => between += on_the_way,
                None => faults.push(format!("{arrived} came to `{}`, but it has counted {counted}", step.id)),
            }
        }
        // An exit rule may take someone who is between two steps: then no visit tells of it.
        let left_between = (rest + between).saturating_sub(counters.open);
        if plan.exits.is_empty() || left_between > between {
            if rest + between != counters.open {
                faults.push(format!(
                    "{} entries are open, but {} are at a step or between two",
                    counters.open,
                    rest + between
                ));
            }
            if ended + counters.open != counters.entered {
                faults.push(format!(
                    "{} entries have ended, but {} visits were somebody's last",
                    counters.entered.saturating_sub(counters.open),
                    ended
                ));
            }
        }
        let mut terms: Vec<Term> = last.into_values().collect();
        terms.sort_by_key(|term| std::cmp::Reverse(term.n));
        Books { entered: counters.entered, terms, between, faults }
    }

    /// `Every person accounted for: 59,800 synced at meta + … = 100,000 entered`, or what does not add up.
    pub fn sentence(&self) -> String {
        if !self.faults.is_empty() {
            return format!("The numbers do NOT add up: {}", self.faults.join("; "));
        }
        let mut parts: Vec<String> = self
            .terms
            .iter()
            .map(|term| format!("{} {} at {}", crate::out::count(term.n), term.status.word(), term.step))
            .collect();
        if self.between > 0 {
            parts.push(format!("{} between two steps", crate::out::count(self.between)));
        }
        if parts.is_empty() {
            parts.push("0".to_owned());
        }
        format!("Every person accounted for: {} = {} entered", parts.join(" + "), crate::out::count(self.entered))
    }
}
