//! What must be true, calculated without the host: where everyone stands, and which statuses the steps must show.
use caravan_tests::oracle;
use std::collections::{BTreeMap, BTreeSet};

/// One person.
#[derive(Clone, Default)]
pub struct Person {
    /// How often the address has changed.
    pub address: u32,
    pub denied: bool,
    /// Whether any file had this person.
    pub known: bool,
    pub erased: bool,
    /// The address that stands in each audience.
    stands: [Option<u32>; 2],
}

/// The audiences, in the order of [`Person::stands`].
pub const AUDIENCES: [&str; 2] = ["Buyers", "Viewers"];
const BUYERS: usize = 0;
const VIEWERS: usize = 1;

/// All that must be true.
#[derive(Default)]
pub struct Books {
    pub people: Vec<Person>,
    /// Who came into each canvas, ever.
    pub entered: BTreeMap<&'static str, u64>,
    /// `canvas/step: status (reason)` → visits whose status is sure.
    sure: BTreeMap<String, u64>,
    /// `canvas/step` → visits whose status depends on the moment.
    loose: BTreeMap<String, u64>,
}

impl Books {
    pub fn of(people: usize) -> Books {
        Books { people: vec![Person::default(); people], ..Books::default() }
    }

    fn sure(&mut self, step: &str, status: &str, reason: &str) {
        *self.sure.entry(format!("{step}: {status} ({reason})")).or_default() += 1;
    }

    fn loose(&mut self, step: &str) {
        *self.loose.entry(step.to_owned()).or_default() += 1;
    }

    /// An add, whose status is sure.
    fn add(&mut self, n: usize, audience: usize, step: &str) {
        let Person { address, denied, ref mut stands, .. } = self.people[n];
        let before = stands[audience];
        if denied {
            return self.sure(step, "skipped", "consent-denied");
        }
        stands[audience] = Some(address);
        self.sure(step, if before == Some(address) { "unchanged" } else { "synced" }, "");
    }

    /// `join`: into both audiences. `withdrawn`: the person withdraws while this is under way.
    pub fn join(&mut self, n: usize, withdrawn: bool) {
        *self.entered.entry("join").or_default() += 1;
        if withdrawn {
            self.loose("join/buyers");
            self.loose("join/viewers");
            return self.withdraw(n);
        }
        self.add(n, BUYERS, "join/buyers");
        self.add(n, VIEWERS, "join/viewers");
    }

    /// `leave`: out of the buyers.
    pub fn leave(&mut self, n: usize) {
        *self.entered.entry("leave").or_default() += 1;
        let stood = self.people[n].stands[BUYERS].take().is_some();
        self.sure("leave/out", if stood { "synced" } else { "unchanged" }, "");
    }

    /// `turn`: into the viewers and out again, in one window or in two.
    pub fn turn(&mut self, n: usize) {
        *self.entered.entry("turn").or_default() += 1;
        self.loose("turn/in");
        self.loose("turn/out");
        self.people[n].stands[VIEWERS] = None;
    }

    pub fn withdraw(&mut self, n: usize) {
        self.people[n].denied = true;
        self.people[n].stands = [None; 2];
    }

    pub fn erase(&mut self, n: usize) {
        self.people[n].erased = true;
        self.people[n].stands = [None; 2];
    }

    /// The digests that must stand in an audience.
    pub fn digests(&self, audience: usize) -> BTreeSet<String> {
        let stand = self.people.iter().enumerate().filter_map(|(n, person)| Some((n, person.stands[audience]?)));
        stand.map(|(n, address)| oracle::sha256(&email(n, address))).collect()
    }

    /// Compares visits of a canvas, as `xtask::totals::by_step` gives them; says what differs.
    pub fn differs(&self, canvas: &str, found: &BTreeMap<String, u64>) -> Option<String> {
        let own = format!("{canvas}/");
        let mut left: BTreeMap<String, u64> = found.iter().map(|(name, n)| (format!("{own}{name}"), *n)).collect();
        for (name, n) in self.sure.range(own.clone()..).take_while(|(name, _)| name.starts_with(&own)) {
            let found = left.entry(name.clone()).or_default();
            if *found < *n {
                return Some(format!("{name}: {found} instead of {n}"));
            }
            *found -= n;
        }
        let mut rest: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, n) in left.iter().filter(|(_, n)| **n > 0) {
            *rest.entry(name.split_once(": ").map_or(name.as_str(), |(step, _)| step)).or_default() += n;
        }
        let loose = self.loose.iter().filter(|(step, _)| step.starts_with(&own));
        let loose: BTreeMap<&str, u64> = loose.map(|(step, n)| (step.as_str(), *n)).collect();
        (rest != loose).then(|| format!("beyond what is sure: {rest:?} instead of {loose:?}, of {left:?}"))
    }
}

/// A person's address at a time.
pub fn email(n: usize, address: u32) -> String {
    format!("p{n}.{address}@example.com")
}
