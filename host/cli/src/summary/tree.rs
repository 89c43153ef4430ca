//! The canvas as a tree with counts.
use super::condition;
use super::flow::{self, Way, Went};
use crate::out;
use caravan_journey::plan::{CompiledCanvas, StepKind, Target};
use caravan_model::canvas::Delay;
use caravan_model::status::reason;
use caravan_model::{Canvas, Status, StepIx, reasons};
use caravan_store::{Count, Counters};
use std::collections::BTreeSet;

/// The widest a label may grow before its number moves to the right of the others.
const WIDEST: usize = 78;
/// The longest reason that is shown in full.
const LONGEST_REASON: usize = 60;

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
        let counts: Vec<&Count> =
            self.counters.counts.iter().filter(|count| count.step == step && count.n > 0).collect();
        let splits = |kind: &StepKind| matches!(kind, StepKind::Branch { .. } | StepKind::Experiment(_));
        let is_branch = self.plan.step(step).is_some_and(|step| splits(&step.kind));
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
                let condition = branch.and_then(|arms| arms.get(arm)).map(|arm| condition::in_words(&arm.condition));
                format!("if {}", condition.unwrap_or_else(|| format!("arm {}", arm + 1)))
            }
            Way::Else => "else".to_owned(),
            Way::Variant(at) => {
                let written = self.canvas.steps.at(step).and_then(|(_, step)| step.experiment.as_ref());
                let variants = written.map(Vec::as_slice).unwrap_or_default();
                let total: u64 = variants.iter().map(|variant| u64::from(variant.weight)).sum();
                variants.get(at).map_or_else(String::new, |variant| {
                    format!("{} ({} of {total})", variant.label(at), variant.weight)
                })
            }
            Way::Next => "next".to_owned(),
            Way::Otherwise => "otherwise".to_owned(),
            Way::End => "ends".to_owned(),
        }
    }

    fn kind(&self, step: StepIx) -> String {
        let Some((_, written)) = self.canvas.steps.at(step) else { return String::new() };
        if let Some(sync) = &written.audience_sync {
            let verb = if sync.action == caravan_model::Action::Add { "add to" } else { "remove from" };
            return format!("{verb} {}", sync.audience);
        }
        if let Some(webhook) = &written.webhook {
            return format!("webhook {}", webhook.endpoint);
        }
        match &written.delay {
            Some(Delay { span: Some(span), .. }) => format!("wait for {span}"),
            Some(Delay { until: Some(until), .. }) => format!("wait until {until}"),
            Some(Delay { local_time: Some(local), .. }) => format!("wait until {} local time", local.at),
            _ => written.kinds().first().copied().unwrap_or_default().to_owned(),
        }
    }
}

/// A reason as people read it, with a dash before it. A code stands for all its people: where the words speak of one
/// of them, the code's own words are shown.
fn because(code: &str, words: &str) -> String {
    let plain = match code {
        "" => return String::new(),
        reason::NO_IDENTIFIER => reasons::words_of_code(code).into_owned(),
        code if words.is_empty() => reasons::words_of_code(code).into_owned(),
        _ => words.to_owned(),
    };
    let mut short: String = plain.chars().take(LONGEST_REASON).collect();
    if short.len() < plain.len() {
        short.push('…');
    }
    format!(" – {short}")
}
