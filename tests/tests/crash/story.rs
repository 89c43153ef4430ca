//! The story: errand after errand on one store, each killed several times, then let through and compared.
use super::books::{AUDIENCES, Books, email};
use super::dice::Dice;
use super::errand::{Errand, Trouble};
use caravan_tests::{LAB_CONNECTIONS, Lab, Place, audience_named, keys_of, word};
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::Range;
use std::process::Stdio;
use std::time::{Duration, Instant};
use xtask::totals;

/// People in all.
const PEOPLE: usize = 30_000;
/// Kills of one errand, at most.
const KILLS: u64 = 10;
const STORE: &str = "story.caravan";

const CANVASES: [(&str, &str); 3] = [
    (
        "join",
        "  buyers: { audience_sync: { audience: buyers, action: add, match: [email] }, next: viewers }
  viewers: { audience_sync: { audience: viewers, action: add, match: [email] }, next: exit }
",
    ),
    ("leave", "  out: { audience_sync: { audience: buyers, action: remove, match: [email] }, next: exit }\n"),
    (
        "turn",
        "  in: { audience_sync: { audience: viewers, action: add, match: [email] }, next: out }
  out: { audience_sync: { audience: viewers, action: remove, match: [email] }, next: exit }
",
    ),
];

/// A story under way.
pub struct Story {
    seed: u64,
    dice: Dice,
    place: Place,
    lab: Lab,
    books: Books,
    /// Processes that were running when they were killed.
    pub killed: u64,
    chapters: u64,
    /// How long the last run took, once it was let through.
    pace: Duration,
}

impl Story {
    pub fn begin(seed: u64) -> Story {
        let place = Place::new();
        place.write("connections.yaml", LAB_CONNECTIONS);
        for (id, steps) in CANVASES {
            let start = steps.trim_start().split(':').next().expect("a first step");
            let audiences = [("buyers", "lab-meta", "Buyers"), ("viewers", "lab-tiktok", "Viewers")];
            let used = audiences.iter().filter(|(alias, ..)| steps.contains(&format!("audience: {alias}")));
            let used: String = used
                .map(|(alias, connection, name)| {
                    format!(
                        "  {alias}: {{ connection: {connection}, account: main, name: {name}, if_missing: create }}\n"
                    )
                })
                .collect();
            let text = format!(
                "format: 1\ncanvas: {id}\naudiences:\n{used}entry: {{ trigger: {{ event: x }}, re_entry: always, \
                 start: {start} }}\nsteps:\n{steps}"
            );
            place.write(&format!("{id}.yaml"), text);
        }
        let lab = place.lab();
        let (dice, books) = (Dice::new(seed), Books::of(PEOPLE));
        Story { seed, dice, place, lab, books, killed: 0, chapters: 0, pace: Duration::from_millis(300) }
    }

    /// One errand: killed several times under its trouble, then let through, then compared.
    pub fn chapter(&mut self) {
        self.chapters += 1;
        let (errand, range) = if self.chapters == 1 { (Errand::Enter("join"), 0..PEOPLE / 2) } else { self.draw() };
        let trouble = Trouble::draw(&mut self.dice, errand);
        let asked = self.asked(errand, &range);
        for dial in trouble.dials(&mut self.dice) {
            self.lab.post("/_lab/faults", &dial).expect("a dial");
        }
        let before = self.killed;
        self.kill_again_and_again(&asked);
        // In the middle of it, some of these people withdraw.
        let mut withdrawn = 0..0;
        if errand == Errand::Enter("join") && trouble.lasts() && self.dice.percent(70) {
            let middle = range.start + range.len() / 2;
            withdrawn = middle..range.end.min(middle + 400);
            let asked = self.asked(Errand::Withdraw, &withdrawn);
            self.kill_again_and_again(&asked);
            // Still down: what is owed waits.
            self.through(&asked, None);
        }
        if trouble.lasts() {
            self.lab.delete("/_lab/faults").expect("dials");
        }
        let began = Instant::now();
        self.through(&asked, Some(0));
        if let Errand::Enter(_) = errand {
            self.pace = began.elapsed();
        }
        if !withdrawn.is_empty() {
            // Owed removals are sent by whatever runs next; the errand's own command has run it already.
            let asked = self.asked(Errand::Withdraw, &withdrawn);
            self.through(&asked, Some(0));
        }
        self.lab.delete("/_lab/faults").expect("dials");
        errand.book(&mut self.books, range.clone(), &withdrawn);
        println!(
            "chapter {}: {errand:?} of {} with {trouble:?}, {} withdrew meanwhile, {} kills",
            self.chapters,
            range.len(),
            withdrawn.len(),
            self.killed - before
        );
        self.compare(errand, &asked);
    }

    /// The next errand; erased can only be whom the store has seen.
    fn draw(&mut self) -> (Errand, Range<usize>) {
        loop {
            let (errand, range) = Errand::draw(&mut self.dice, PEOPLE);
            if errand != Errand::Erase || self.books.people[range.clone()].iter().all(|person| person.known) {
                return (errand, range);
            }
        }
    }

    /// The command of an errand. The same errand for the same people is the same command.
    fn asked(&self, errand: Errand, range: &Range<usize>) -> Vec<String> {
        let there = range.clone().filter(|n| !self.books.people[*n].erased);
        let mark = self.chapters;
        let rows = |cells: &dyn Fn(usize) -> String| there.clone().map(cells).collect::<String>();
        let address = |n: usize| email(n, self.books.people[n].address);
        let (name, text) = match errand {
            // The mark makes another file of it: the same people enter anew.
            Errand::Enter(_) => {
                ("users", "external_id,email,mark\n".to_owned() + &rows(&|n| format!("p{n},{},{mark}\n", address(n))))
            }
            Errand::Withdraw => {
                ("no", "external_id,consents\n".to_owned() + &rows(&|n| format!("p{n},advertising=denied\n")))
            }
            Errand::Grant => {
                ("yes", "external_id,consents\n".to_owned() + &rows(&|n| format!("p{n},advertising=granted\n")))
            }
            Errand::Move => (
                "moved",
                "external_id,email\n".to_owned()
                    + &rows(&|n| format!("p{n},{}\n", email(n, self.books.people[n].address + 1))),
            ),
            Errand::Erase => ("", String::new()),
        };
        let mut words: Vec<String> = match errand {
            Errand::Enter(canvas) => {
                let file = word(&self.place.write(&format!("{name}.csv"), text));
                vec!["run".into(), format!("{canvas}.yaml"), "--users".into(), file]
            }
            Errand::Erase => {
                ["profile", "erase"].map(str::to_owned).into_iter().chain(there.map(|n| format!("p{n}"))).collect()
            }
            _ => vec!["profile".into(), "import".into(), word(&self.place.write(&format!("{name}.csv"), text))],
        };
        words.extend(["--store", STORE, "--lab", &self.lab.url, "--yes", "--json", "--wait", "2m"].map(str::to_owned));
        words
    }

    fn kill_again_and_again(&mut self, asked: &[String]) {
        for _ in 0..self.dice.of(1..KILLS + 1) {
            let began = Instant::now();
            let child = self.place.caravan(asked).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let mut child = child.expect("it starts");
            // Short lives, so that the moments of all of them cover the whole errand.
            let is_run = asked.first().is_some_and(|verb| verb == "run");
            let longest = if is_run { self.pace.as_micros() as u64 / 2 + 60_000 } else { 45_000 };
            let life = Duration::from_micros(self.dice.of(3_000..longest));
            std::thread::sleep(life);
            let was_running = child.try_wait().expect("a child").is_none();
            child.kill().expect("a child to kill");
            child.wait().expect("its end");
            self.killed += u64::from(was_running);
            if !was_running {
                assert!(began.elapsed() >= life);
                break;
            }
        }
    }

    /// Runs a command to its end.
    fn through(&self, asked: &[String], code: Option<i32>) {
        // Under trouble that lasts nobody waits for the partner.
        let asked: Vec<&str> =
            asked.iter().map(|word| if code.is_none() && word == "2m" { "0s" } else { word }).collect();
        let ran = self.place.run(&asked);
        let ended = code.map_or(matches!(ran.code, Some(0 | 1)), |code| ran.code == Some(code));
        let (code, words, data) = (ran.code, &ran.stderr, ran.stdout.replace("\n ", ""));
        let at = format!("seed {}, chapter {}", self.seed, self.chapters);
        assert!(ended, "{at}: {asked:?} ended with {code:?}: {words}\n{data}");
    }

    /// Compares everything with the books.
    fn compare(&self, errand: Errand, asked: &[String]) {
        let at = format!("seed {}, chapter {}", self.seed, self.chapters);
        if let Errand::Enter(canvas) = errand {
            let ran = self.place.run(asked).expect(0).json();
            assert_eq!(totals::accounted(&ran), self.books.entered.get(canvas).copied(), "{at}: entered {canvas}");
            assert_eq!(ran["open"], json!(0), "{at}");
            if let Some(wrong) = self.books.differs(canvas, &totals::by_step(&ran)) {
                panic!("{at}: {wrong}");
            }
            for check in ran["lab_check"].as_array().expect("checks") {
                assert_eq!(check["verdict"], "same", "{at}: membership and lab: {check}");
            }
        }
        for (place, name) in AUDIENCES.into_iter().enumerate() {
            let expected = self.books.digests(place);
            let found = self.there(name);
            let (missing, extra) = (expected.difference(&found).count(), found.difference(&expected).count());
            assert_eq!((missing, extra), (0, 0), "{at}: {missing} missing, {extra} too many in {name}");
        }
    }

    /// What stands in an audience at the lab.
    fn there(&self, name: &str) -> BTreeSet<String> {
        let Ok(id) = audience_named(&self.lab, name) else {
            let all = self.lab.get("/_lab/audiences").expect("audiences").to_string();
            assert!(!all.contains(name), "seed {}: more than one {name}: {all}", self.seed);
            return BTreeSet::new();
        };
        let mut keys = keys_of(&self.lab, &id).expect("members");
        let first = keys.pop_first().map(|(_, values)| values).unwrap_or_default();
        assert!(keys.is_empty(), "only e-mails are sent: {:?}", keys.keys());
        first
    }

    /// All canvases once more, for the statuses of people who came earlier.
    pub fn end(&self) {
        for canvas in self.books.entered.keys() {
            let users = word(&self.place.write("nobody.csv", "external_id,email\n"));
            let asked = [
                "run",
                &format!("{canvas}.yaml"),
                "--users",
                &users,
                "--store",
                STORE,
                "--lab",
                &self.lab.url,
                "--json",
            ];
            let asked: Vec<String> = asked.map(str::to_owned).into();
            self.compare(Errand::Enter(canvas), &asked);
        }
        println!("{} chapters, {} kills", self.chapters, self.killed);
    }
}
