//! What a chapter of the story is about, and what makes it hard.
use super::books::Books;
use super::dice::Dice;
use serde_json::{Value, json};
use std::ops::Range;

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// People enter `join`, `leave` or `turn`.
    Enter(&'static str),
    /// Consent is withdrawn, in a file.
    Withdraw,
    /// Consent is given again, in a file.
    Grant,
    /// Addresses change, in a file.
    Move,
    /// A few are erased.
    Erase,
}

/// What is wrong at the partners meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// A few calls fail, with or without effect.
    Hiccups,
    /// No call succeeds until the dial is lifted.
    Outage,
    /// The token is dead until the dial is lifted.
    DeadToken,
    /// Calls do their work, then the connection breaks before an answer.
    Silence,
    /// Answers come late.
    Slow,
}

impl Errand {
    /// An errand, and for whom.
    pub fn draw(dice: &mut Dice, people: usize) -> (Errand, Range<usize>) {
        let errand = match dice.of(0..100) {
            0..45 => Errand::Enter("join"),
            45..60 => Errand::Enter("leave"),
            60..72 => Errand::Enter("turn"),
            72..82 => Errand::Withdraw,
            82..87 => Errand::Grant,
            87..95 => Errand::Move,
            _ => Errand::Erase,
        };
        let many = match errand {
            Errand::Erase => 3,
            Errand::Enter(_) if dice.percent(30) => dice.of(10_000..people as u64),
            _ => dice.of(50..3_000),
        };
        let from = dice.of(0..people as u64 - many);
        (errand, from as usize..(from + many) as usize)
    }

    /// Writes it into the books; who of `withdrawn` is in the middle of it withdraws.
    pub fn book(self, books: &mut Books, range: Range<usize>, withdrawn: &Range<usize>) {
        for n in range {
            if books.people[n].erased {
                continue;
            }
            books.people[n].known = true;
            match self {
                Errand::Enter("join") => books.join(n, withdrawn.contains(&n)),
                Errand::Enter("leave") => books.leave(n),
                Errand::Enter(_) => books.turn(n),
                Errand::Withdraw => books.withdraw(n),
                Errand::Grant => books.people[n].denied = false,
                Errand::Move => books.people[n].address += 1,
                Errand::Erase => books.erase(n),
            }
        }
    }

    /// Whether it calls partners by itself.
    fn calls(self) -> bool {
        !matches!(self, Errand::Grant | Errand::Move)
    }
}

impl Trouble {
    pub fn draw(dice: &mut Dice, errand: Errand) -> Trouble {
        match dice.of(0..100) {
            _ if !errand.calls() => Trouble::None,
            0..25 => Trouble::None,
            25..45 => Trouble::Slow,
            45..65 => Trouble::Silence,
            65..80 => Trouble::Hiccups,
            80..92 => Trouble::Outage,
            _ => Trouble::DeadToken,
        }
    }

    /// Whether it lasts until it is lifted.
    pub fn lasts(self) -> bool {
        matches!(self, Trouble::Outage | Trouble::DeadToken)
    }

    /// The dials at the lab.
    pub fn dials(self, dice: &mut Dice) -> Vec<Value> {
        let members = ["users-add", "users-remove"];
        let on_members = |fault: Value| {
            members.map(|route| {
                let mut dial = fault.clone();
                dial["route"] = json!(route);
                dial
            })
        };
        match self {
            Trouble::None => vec![],
            Trouble::Slow => on_members(json!({"fault": "slow", "ms": dice.of(20..250)})).into(),
            Trouble::Silence => {
                let fault = dice.one(&["cut", "drop", "malformed", "hang"]);
                on_members(json!({"fault": fault, "after_effect": true, "ms": 150, "count": dice.of(1..3)})).into()
            }
            Trouble::Hiccups => {
                let fault = dice.one(&["server-error", "drop", "html", "cut"]);
                on_members(json!({"fault": fault, "count": dice.of(1..3)})).into()
            }
            Trouble::Outage => vec![json!({"fault": dice.one(&["server-error", "drop", "html"])})],
            Trouble::DeadToken => vec![json!({"fault": "dead-token"})],
        }
    }
}
