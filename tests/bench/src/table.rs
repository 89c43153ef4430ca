//! Figures against goals.
use serde::Serialize;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Goal {
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// For orientation only.
    None,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The case.
    pub case: &'static str,
    /// What was measured.
    pub what: String,
    /// The median.
    pub value: f64,
    /// Its unit; empty for a ratio.
    pub unit: &'static str,
    /// The goal.
    pub goal: Goal,
    /// What holds it back, said where the goal is missed.
    pub held_back_by: &'static str,
    /// All rounds.
    pub raw: Vec<f64>,
}

impl Figure {
    /// A figure from its rounds: the median counts.
    pub fn of(case: &'static str, what: impl Into<String>, unit: &'static str, goal: Goal, raw: Vec<f64>) -> Figure {
        Figure { case, what: what.into(), value: median(&raw), unit, goal, held_back_by: "", raw }
    }

    /// Says what holds it back.
    pub fn because(mut self, words: &'static str) -> Figure {
        self.held_back_by = words;
        self
    }

    fn verdict(&self) -> &'static str {
        match self.goal {
            Goal::AtMost(most) if self.value > most => "BELOW GOAL",
            Goal::AtLeast(least) if self.value < least => "BELOW GOAL",
            Goal::None => "",
            _ => "ok",
        }
    }
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the table.
pub fn print(figures: &[Figure]) {
    println!("{:<9} {:<58} {:>12} {:>12}  verdict", "case", "what", "figure", "goal");
    for figure in figures {
        let goal = match figure.goal {
            Goal::AtMost(most) => format!("≤ {most}"),
            Goal::AtLeast(least) => format!("≥ {least}"),
            Goal::None => String::new(),
        };
        let value =
            if figure.value.abs() < 10.0 { format!("{:.2}", figure.value) } else { format!("{:.1}", figure.value) };
        let value = format!("{value} {}", figure.unit);
        println!("{:<9} {:<58} {:>12} {:>12}  {}", figure.case, figure.what, value.trim_end(), goal, figure.verdict());
        if figure.verdict() == "BELOW GOAL" && !figure.held_back_by.is_empty() {
            println!("{:<9} ↳ held back by: {}", "", figure.held_back_by);
        }
    }
    println!(
        "\nThe peers, measured elsewhere on two loaded cores, CPU µs per person, Meta with 7 fields, nothing durable:\n  \
         rudder-transformer 58 to 75, its sandboxed path 200 to 245; Segment's action-destinations 50.",
    );
}
