//! The canvas as a tree with counts.
use super::flow::{self, Way, Went};
use crate::out;
use caravan_journey::plan::{CompiledCanvas, StepKind, Target};
use caravan_model::canvas::{Advance, Delay};
use caravan_model::{Canvas, Status, StepIx};
use caravan_store::{Count, Counters};
use serde_json::Value;
use std::collections::BTreeSet;

/// The widest a label may grow before its number moves to the right of the others.
const WIDEST: usize = 78;
/// The longest condition that is shown in full.
const LONGEST_CONDITION: usize = 44;

/// A line: what it says, and its number.
struct Line {
    text: String,
    n: Option<u64>,
}

/// Draws the tree: each step once, under the first way that leads to it.
pub fn render(canvas: &Canvas, plan: &CompiledCanvas, counters: &Counters) -> String {
    let mut drawing = Drawing { canvas, plan, counters, lines: Vec::new(), drawn: BTreeSet::new() };
    drawing.lines.push(Line { text: "entered".to_owned(), n: Some(counters.entered) });
    drawing.way("start", plan.start, counters.entered, "", true);
    let longest = drawing.lines.iter().filter(|line| line.n.is_some()).map(|line| line.text.chars().count()).max();
    let width = longest.unwrap_or_default().min(WIDEST);
    let digits = drawing.lines.iter().filter_map(|line| line.n).map(|n| out::count(n).len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in &drawing.lines {
        match line.n {
            None => text.push_str(&line.text),
            Some(n) => {
                text.push_str(&line.text);
                let dots = (width + 2).saturating_sub(line.text.chars().count()).max(2);
                text.push(' ');
                text.extend(std::iter::repeat_n('.', dots));
                text.push_str(&format!(" {:>digits$}", out::count(n)));
            }
        }
        text.push('\n');
    }
    text
}

struct Drawing<'a> {
    canvas: &'a Canvas,
    plan: &'a CompiledCanvas,
    counters: &'a Counters,
    lines: Vec<Line>,
    drawn: BTreeSet<StepIx>,
}

impl Drawing<'_> {
    /// A way and, the first time, the step it leads to.
    fn way(&mut self, label: &str, target: Target, n: u64, indent: &str, last: bool) {
        let (corner, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let Target::Step(step) = target else {
            self.lines.push(Line { text: format!("{indent}{corner}{label} → exit"), n: Some(n) });
            return;
        };
        let id = self.plan.step(step).map(|step| step.id.to_string()).unwrap_or_default();
        if !self.drawn.insert(step) {
            self.lines.push(Line { text: format!("{indent}{corner}{label} → {id} (see above)"), n: Some(n) });
            return;
        }
        self.lines.push(Line { text: format!("{indent}{corner}{label} → {id}: {}", self.kind(step)), n: Some(n) });
        self.step(step, &format!("{indent}{below}"));
    }

    /// A step's statuses and its ways out.
    fn step(&mut self, step: StepIx, indent: &str) {
        let ways = flow::ways(self.plan, step);
        let counts: Vec<&Count> = self.counters.counts.iter().filter(|count| count.step == step && count.n > 0).collect();
        let is_branch = self.plan.step(step).is_some_and(|step| matches!(step.kind, StepKind::Branch { .. }));
        let mut statuses: Vec<(Status, &str, &str, u64)> = Vec::new();
        for count in counts.iter().filter(|count| !(is_branch && count.status == Status::Passed)) {
            let same = |(status, code, _, _): &&mut (Status, &str, &str, u64)| {
                *status == count.status && *code == count.reason.code.as_str()
            };
            match statuses.iter_mut().find(same) {
                Some((_, _, _, n)) => *n += count.n,
                None => statuses.push((count.status, &count.reason.code, &count.reason.words, count.n)),
            }
        }
        let order = |status: Status| Status::ALL.iter().position(|other| *other == status);
        statuses.sort_by_key(|(status, _, _, n)| (order(*status), std::cmp::Reverse(*n)));
        let bar = if ways.is_empty() { " " } else { "│" };
        for (status, code, words, n) in statuses {
            let text = format!("{indent}{bar}    {}{}", status.word(), because(code, words));
            self.lines.push(Line { text, n: Some(n) });
        }
        let through = |way: Way| -> u64 {
            let took = |count: &&&Count| matches!(flow::went(self.plan, count), Some(Went::By(by, _)) if by == way);
            counts.iter().filter(took).map(|count| count.n).sum()
        };
        let drawn: Vec<(String, Target, u64)> =
            ways.iter().map(|(way, target)| (self.label(step, *way), *target, through(*way))).collect();
        let end = drawn.len();
        for (at, (label, target, n)) in drawn.into_iter().enumerate() {
            self.way(&label, target, n, indent, at + 1 == end);
        }
    }

    fn label(&self, step: StepIx, way: Way) -> String {
        match way {
            Way::Arm(arm) => {
                let branch = self.canvas.steps.at(step).and_then(|(_, step)| step.branch.as_ref());
                let condition = branch.and_then(|arms| arms.get(arm)).and_then(|arm| serde_json::to_value(&arm.condition).ok());
                format!("if {}", condition.map_or_else(|| format!("arm {}", arm + 1), |value| shorten(&flow_style(&value))))
            }
            Way::Else => "else".to_owned(),
            Way::Next => "next".to_owned(),
            Way::Otherwise => "otherwise".to_owned(),
            Way::End => "ends".to_owned(),
        }
    }

    fn kind(&self, step: StepIx) -> String {
        let Some((_, written)) = self.canvas.steps.at(step) else { return String::new() };
        if let Some(sync) = &written.audience_sync {
            let audience = self.canvas.audiences.get(&sync.audience);
            let at = audience.map(|audience| format!(" at {}", audience.connection)).unwrap_or_default();
            let at_once = if sync.advance == Advance::AtOnce { ", going on at once" } else { "" };
            let verb = if sync.action == caravan_model::Action::Add { "add to" } else { "remove from" };
            return format!("{verb} {}{at}{at_once}", sync.audience);
        }
        match &written.delay {
            Some(Delay { span: Some(span), .. }) => format!("wait for {span}"),
            Some(Delay { until: Some(until), .. }) => format!("wait until {until}"),
            Some(Delay { local_time: Some(local), .. }) => format!("wait until {} local time", local.at),
            _ => written.kinds().first().copied().unwrap_or_default().to_owned(),
        }
    }
}

/// A reason as people read it, with a dash before it.
fn because(code: &str, words: &str) -> String {
    if code.is_empty() {
        return String::new();
    }
    let plain = match words {
        "" => code.strip_prefix("partner:").map_or_else(|| code.replace('-', " "), |code| format!("the partner's code {code}")),
        words => words.to_owned(),
    };
    format!(" – {plain}")
}

/// A value as YAML in one line, without quotes where none are needed.
fn flow_style(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let nested = |value: &Value| match value {
                Value::Object(_) => format!("{{ {} }}", flow_style(value)),
                other => flow_style(other),
            };
            let fields: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", nested(value))).collect();
            fields.join(", ")
        }
        Value::Array(values) => {
            let values: Vec<String> = values
                .iter()
                .map(|value| if value.is_object() { format!("{{ {} }}", flow_style(value)) } else { flow_style(value) })
                .collect();
            format!("[{}]", values.join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST_CONDITION {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST_CONDITION - 1).collect();
    short.push('…');
    short
}
