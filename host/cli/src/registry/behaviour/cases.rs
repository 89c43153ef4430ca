//! What both versions are asked: every question of the contract, each key alone and all of a group, each action. Ids, values and
//! times are made up anew for each comparison, so that no version can know that it is looked at.
use caravan_model::manifest::{Hash, MatchKey, World};
use caravan_model::port::{Ask, Clock as _, SystemClock};
use caravan_model::{Action, Column, Digest, Manifest, Millis, Part, Target};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// People of each batch: so many, or a few more.
const PEOPLE: u32 = 3;

/// What one comparison makes up. Nobody real is in it.
pub struct MadeUp {
    /// When it is said to be.
    pub at: Millis,
    account: String,
    audience: String,
    salt: u64,
    rows: u32,
}

impl MadeUp {
    /// Something that was never said before.
    pub fn anew() -> MadeUp {
        let salt = RandomState::new().hash_one("a comparison");
        let id =
            |of: u64| (1_000_000_000 + (salt ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 9_000_000_000).to_string();
        MadeUp { at: SystemClock.now(), account: id(1), audience: id(2), salt, rows: PEOPLE + (salt % 5) as u32 }
    }

    /// 64 hexadecimal digits that are nobody's.
    fn digest(&self, of: &str, row: u32) -> String {
        Digest::of(format!("{} {of} {row}", self.salt).as_bytes()).to_string()
    }

    /// What a call's random numbers come from.
    pub fn seed(&self, words: &str) -> String {
        self.digest(words, 0)
    }

    fn value(&self, key: &MatchKey, row: u32) -> String {
        let digits = self.digest(&key.key, row);
        match key.hash {
            Hash::None => u32::from_str_radix(&digits[..8], 16).unwrap_or(row).to_string(),
            Hash::Sha256Hex | Hash::Sha256OfMd5 => digits,
            // Of 43 digits of base64 the last one has two bits that are 0, as `0` has.
            Hash::Sha256Base64 => format!("{}0=", &digits[..42]),
            Hash::Md5Hex => digits[..32].to_owned(),
        }
    }

    fn part(&self, action: Action, group: &str, keys: &[&MatchKey]) -> Part {
        let column = |key: &&MatchKey| {
            let mut column = Column::with_capacity(&key.key, self.rows as usize, 64);
            (0..self.rows).for_each(|row| column.push(&self.value(key, row)));
            column
        };
        Part {
            id: format!("{}-1", self.salt % 100_000),
            action,
            group: group.to_owned(),
            rows: self.rows,
            person_ends: (1..=self.rows).collect(),
            columns: keys.iter().map(column).collect(),
            flags: Vec::new(),
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// The ad accounts.
    Accounts,
    /// The audiences of an account.
    Audiences,
    /// To make an audience, with its first people where the partner needs some.
    Create(String, Option<Part>),
    /// The checklist.
    Check,
    /// The members of a source's audience.
    Members,
    /// To add or remove people.
    Sync(Arc<Part>),
    /// What became of a batch.
    FollowUp(String),
}

/// A question, in words, and whether the partner refuses whatever it is asked.
#[derive(Clone, Debug)]
pub struct Case {
    /// In words: `add EMAIL`.
    pub words: String,
    /// The question.
    pub question: Question,
    /// Whether the partner refuses.
    pub refused: bool,
}

impl Case {
    /// One that the lab answers.
    pub fn new(words: impl Into<String>, question: Question) -> Case {
        Case { words: words.into(), question, refused: false }
    }

    /// What a connector is asked under its settings.
    pub fn ask(&self, of: &MadeUp, settings: String) -> Ask {
        let (account, audience) = (of.account.clone(), of.audience.clone());
        let target = Target { account: account.clone(), audience, audience_parts: Vec::new(), settings };
        match &self.question {
            Question::Accounts => Ask::Accounts { cursor: None },
            Question::Audiences => Ask::Audiences { account, query: String::new(), cursor: None },
            Question::Create(group, seed) => Ask::CreateAudience {
                account,
                name: format!("Buyers {}", of.salt % 1_000),
                marker: of.digest("marker", 0)[..16].to_owned(),
                group: group.clone(),
                seed: seed.clone(),
            },
            Question::Check => Ask::Check { target },
            Question::Members => Ask::Members { target, cursor: None },
            Question::Sync(part) => Ask::Sync { target, part: part.clone() },
            Question::FollowUp(reference) => Ask::FollowUp { target, reference: reference.clone() },
        }
    }
}

/// The questions that both versions take.
pub fn cases(old: &Manifest, new: &Manifest, of: &MadeUp) -> Vec<Case> {
    let mut all = vec![
        Case::new("accounts", Question::Accounts),
        Case::new("audiences", Question::Audiences),
        Case::new("check", Question::Check),
    ];
    if old.world == World::Source {
        all.push(Case::new("members", Question::Members));
        return all;
    }
    let batches = batches(old, new, of);
    let group = old.groups.iter().find(|group| new.groups.iter().any(|other| other.name == group.name));
    if let Some(group) = group.filter(|_| old.audience.create && new.audience.create) {
        let needs_rows = old.audience.create_needs_rows || new.audience.create_needs_rows;
        let seed = batches.iter().find(|(_, part)| part.action == Action::Add && part.group == group.name);
        let seed = seed.filter(|_| needs_rows).map(|(_, part)| Part::clone(part));
        all.push(Case::new("create", Question::Create(group.name.clone(), seed)));
    }
    let sync = |(words, part): &(String, Arc<Part>)| Case::new(words.clone(), Question::Sync(part.clone()));
    all.extend(batches.iter().map(sync));
    all.extend(batches.first().map(|first| {
        let case = sync(first);
        Case { words: format!("{}, refused", case.words), refused: true, ..case }
    }));
    all
}

/// Each key alone and all of a group, for each action.
fn batches(old: &Manifest, new: &Manifest, of: &MadeUp) -> Vec<(String, Arc<Part>)> {
    let mut all = Vec::new();
    let both = |key: &&MatchKey| new.keys.iter().any(|other| other.key == key.key && other.hash == key.hash);
    for action in old.actions.iter().filter(|action| new.actions.contains(action)) {
        for group in old.groups.iter().filter(|group| new.groups.iter().any(|other| other.name == group.name)) {
            let keys: Vec<&MatchKey> =
                old.keys.iter().filter(both).filter(|key| group.keys.contains(&key.key)).collect();
            let mut sets: Vec<Vec<&MatchKey>> = keys.iter().map(|key| alone(key, &keys)).collect();
            sets.push(keys);
            sets.retain(|keys| !keys.is_empty());
            sets.dedup_by(|a, b| a.iter().map(|key| &key.key).eq(b.iter().map(|key| &key.key)));
            for keys in sets {
                let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
                let words = format!("{} {}", action.word(), names.join(", "));
                all.push((words, Arc::new(of.part(*action, &group.name, &keys))));
            }
        }
    }
    all
}

/// A key with those that it must not be without, in the manifest's order.
fn alone<'a>(key: &'a MatchKey, all: &[&'a MatchKey]) -> Vec<&'a MatchKey> {
    let identifying = all.iter().find(|other| other.identifies).filter(|_| !key.identifies);
    let wanted = |other: &&MatchKey| {
        other.key == key.key
            || key.with.contains(&other.key)
            || identifying.is_some_and(|identifying| identifying.key == other.key)
    };
    all.iter().copied().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Manifest {
        let text = include_str!("../../../../../guest-steps/template/manifest.json");
        serde_json::from_str(text).expect("a manifest")
    }

    #[test]
    fn every_question_every_key_each_action_and_a_refusal_are_asked() {
        let manifest = template();
        let set = cases(&manifest, &manifest, &MadeUp::anew());
        let parts: Vec<&Part> = set
            .iter()
            .filter_map(|case| match &case.question {
                Question::Sync(part) => Some(&**part),
                _ => None,
            })
            .collect();
        for key in &manifest.keys {
            for action in &manifest.actions {
                let has =
                    |part: &&&Part| part.action == *action && part.columns.iter().any(|column| column.key == key.key);
                assert!(parts.iter().any(|part| has(&part)), "{} {}", action.word(), key.key);
            }
        }
        assert_eq!(set.iter().filter(|case| case.refused).count(), 1);
        let words: Vec<&str> = set.iter().map(|case| case.words.as_str()).collect();
        assert!(["accounts", "audiences", "check"].iter().all(|asked| words.contains(asked)), "{words:?}");
        assert_eq!(words.contains(&"create"), manifest.audience.create, "{words:?}");
        let mut less = manifest.clone();
        less.keys.clear();
        assert!(
            cases(&manifest, &less, &MadeUp::anew()).iter().all(|case| !matches!(case.question, Question::Sync(_)))
        );
    }

    #[test]
    fn no_comparison_asks_with_the_ids_of_another() {
        let asked = |of: &MadeUp| format!("{:?}", cases(&template(), &template(), of));
        let (one, two) = (MadeUp::anew(), MadeUp::anew());
        assert!(one.account != two.account && one.audience != two.audience && asked(&one) != asked(&two));
        assert_eq!(asked(&one), asked(&one), "within one, both versions are asked the same");
        assert!(one.account.len() == 10 && one.audience.len() == 10 && one.account != one.audience);
    }
}
