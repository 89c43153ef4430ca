//! `caravan canvas numbers`: how many are where and why, as a tree of the canvas.
use crate::args::Global;
use crate::fail::End;
use crate::summary::{Books, render};
use crate::{out, verbs};
use caravan_api::nouns::canvases::{StatusNumber, VersionNumbers, numbers_of};
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Canvas, Code, Problem, Reason, Status, VersionId, reasons};
use caravan_runner::control::versions_of;
use caravan_store::{Count, Counters};
use std::sync::Arc;

/// Prints the numbers of one version, or of the newest and of older ones that people are in. Exit 1 where somebody is not
/// accounted for.
pub async fn numbers(global: &Global, id: &str, version: Option<u32>) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let shown = shown(id, numbers_of(&store, id).await?, version)?;
    if global.json {
        out::print_json(&shown)?;
        return Ok(End::Done);
    }
    let versions = versions_of(&store, id).await?;
    let mut told = Vec::with_capacity(shown.len());
    for numbers in shown {
        if let Some(version) = versions.iter().find(|version| version.number == numbers.version) {
            told.push((version.canvas.clone(), numbers));
        }
    }
    tell(&told)
}

/// The versions whose numbers are wanted, the newest first.
///
/// # Errors
/// There is no version of this number.
pub fn shown(id: &str, all: Vec<VersionNumbers>, version: Option<u32>) -> Result<Vec<VersionNumbers>, Problem> {
    let newest = all.iter().map(|numbers| numbers.version).max().unwrap_or_default();
    let is_wanted = |numbers: &VersionNumbers| match version {
        Some(version) => numbers.version == version,
        None => numbers.version == newest || numbers.inside > 0,
    };
    let mut shown: Vec<VersionNumbers> = all.into_iter().filter(is_wanted).collect();
    shown.sort_by_key(|numbers| std::cmp::Reverse(numbers.version));
    match (version, shown.is_empty()) {
        (Some(version), true) => Err(Problem::new(Code::NotFound, format!("{id} has no version {version}"))
            .cure(format!("it has 1 to {newest}"))),
        _ => Ok(shown),
    }
}

/// Prints trees, one below the other.
///
/// # Errors
/// A canvas cannot be understood by this version of the program, or the output is closed.
pub fn tell(versions: &[(Arc<Canvas>, VersionNumbers)]) -> anyhow::Result<End> {
    let (mut text, mut adds_up) = (Vec::with_capacity(versions.len()), true);
    for (canvas, numbers) in versions {
        let plan = CompiledCanvas::new(canvas)?;
        let counters = counters(&plan, numbers);
        let books = Books::close(&plan, &counters);
        adds_up &= books.faults.is_empty();
        text.push(in_words(canvas, numbers, &render(canvas, &plan, &counters), &books));
    }
    out::print(&text.join("\n"))?;
    Ok(if adds_up { End::Done } else { End::NeedsYou })
}

/// The same numbers as the store has them.
fn counters(plan: &CompiledCanvas, numbers: &VersionNumbers) -> Counters {
    let counts = numbers.steps.iter().flat_map(|step| {
        let at = plan.steps.iter().position(|own| own.id.as_str() == step.step).and_then(|at| u16::try_from(at).ok());
        let count = |at: u16, status: &StatusNumber| Count {
            version: VersionId(0),
            step: caravan_model::StepIx(at),
            status: status.status,
            reason: Reason::new(&status.reason, &status.words),
            n: status.n,
        };
        at.into_iter().flat_map(move |at| step.statuses.iter().map(move |status| count(at, status)))
    });
    Counters {
        entered: numbers.entered,
        open: numbers.inside,
        counts: counts.collect(),
        refused: numbers.refused.iter().map(|(reason, n)| (reason.clone(), *n)).collect(),
    }
}

fn in_words(canvas: &Canvas, numbers: &VersionNumbers, tree: &str, books: &Books) -> String {
    let title = canvas.title.as_deref().map(|title| format!("{title} · ")).unwrap_or_default();
    let mut text = format!("{title}{}, version {}\n\n{tree}\n{}\n", canvas.canvas, numbers.version, books.sentence());
    if numbers.inside > 0 {
        text.push_str(&format!("{} inside\n", out::people(numbers.inside)));
    }
    for (reason, n) in &numbers.refused {
        text.push_str(&format!("did not enter: {} – {}\n", out::count(*n), reasons::words_of_code(reason)));
    }
    let mut cures: Vec<(&str, &str)> = Vec::new();
    let failed = |status: &&StatusNumber| {
        !status.status.is_success() && status.status != Status::Waiting && status.status != Status::Exited
    };
    for status in numbers.steps.iter().flat_map(|step| &step.statuses).filter(failed) {
        let cure = status.cure.as_deref().map(|cure| (status.reason.as_str(), cure));
        cures.extend(cure.filter(|cure| !cures.contains(cure)));
    }
    if !cures.is_empty() {
        text.push_str("\nwhat to do\n");
        cures.into_iter().for_each(|(reason, cure)| text.push_str(&format!("  {reason}: {cure}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: u32, inside: u64) -> VersionNumbers {
        VersionNumbers { version, entered: 9, inside, refused: Default::default(), steps: Vec::new() }
    }

    #[test]
    fn the_newest_version_is_shown_and_older_ones_that_people_are_in() {
        let all = || vec![version(1, 0), version(2, 5), version(3, 0)];
        let numbers =
            |wanted| shown("c", all(), wanted).map(|all| all.iter().map(|one| one.version).collect::<Vec<_>>());
        assert_eq!(numbers(None).ok(), Some(vec![3, 2]));
        assert_eq!(numbers(Some(1)).ok(), Some(vec![1]));
        assert!(numbers(Some(4)).is_err_and(|problem| problem.cure.as_deref() == Some("it has 1 to 3")));
    }
}
