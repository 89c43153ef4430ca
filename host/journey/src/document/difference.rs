//! What changed between two texts of a canvas: in words, and line by line.
use super::{format_canvas, read_canvas};
use caravan_model::Canvas;
use similar::TextDiff;
use std::collections::BTreeSet;

/// How many lines stand around a change.
const AROUND: usize = 3;

/// Compares two named texts. Those that can be read are compared in their canonical form, others as they are; without a
/// common reading there are no words.
pub fn difference((from, before): (&str, &str), (to, after): (&str, &str)) -> (Vec<String>, String) {
    let read = |name: &str, text: &str| read_canvas(name, text).ok().map(|document| document.value);
    let (old, new) = (read(from, before), read(to, after));
    let canonical = |canvas: &Option<Canvas>, text: &str| {
        canvas.as_ref().and_then(|canvas| format_canvas(canvas).ok()).unwrap_or_else(|| text.to_owned())
    };
    let (before, after) = (canonical(&old, before), canonical(&new, after));
    let unified =
        TextDiff::from_lines(&before, &after).unified_diff().context_radius(AROUND).header(from, to).to_string();
    let words = match (&old, &new) {
        (Some(old), Some(new)) => changes(old, new),
        _ => Vec::new(),
    };
    (words, unified)
}

/// What a designer would say of the change.
fn changes(old: &Canvas, new: &Canvas) -> Vec<String> {
    let mut words = Vec::new();
    let ids = |canvas: &Canvas| -> BTreeSet<String> { canvas.steps.0.iter().map(|(id, _)| id.to_string()).collect() };
    let (was, is) = (ids(old), ids(new));
    words.extend(is.difference(&was).map(|id| format!("step {id} is new")));
    words.extend(was.difference(&is).map(|id| format!("step {id} is gone")));
    for id in was.intersection(&is) {
        match (old.steps.get(id), new.steps.get(id)) {
            (Some(a), Some(b)) if a.kinds() != b.kinds() => {
                words.push(format!("step {id} is {} now (before: {})", b.kinds().join(", "), a.kinds().join(", ")));
            }
            (Some(a), Some(b)) if a != b => words.push(format!("step {id} changes")),
            _ => {}
        }
    }
    for (name, spec) in &new.audiences {
        match old.audiences.get(name) {
            None => words.push(format!("audience {name} is new")),
            Some(before) if before != spec => words.push(format!("audience {name} changes")),
            Some(_) => {}
        }
    }
    let gone = old.audiences.keys().filter(|name| !new.audiences.contains_key(*name));
    words.extend(gone.map(|name| format!("audience {name} is gone")));
    for (what, differs) in [
        ("the trigger", old.entry.trigger != new.entry.trigger),
        ("who may enter", old.entry.who != new.entry.who),
        ("re-entry", old.entry.re_entry != new.entry.re_entry),
        ("the control group", old.entry.control != new.entry.control),
        ("the first step", old.entry.start != new.entry.start),
        ("what ends an entry", old.exit != new.exit),
        (
            "the order of steps",
            was == is && old.steps.0.iter().map(|(id, _)| id).ne(new.steps.0.iter().map(|(id, _)| id)),
        ),
        ("title, owner or note", (&old.title, &old.owner, &old.note) != (&new.title, &new.owner, &new.note)),
    ] {
        if differs {
            words.push(format!("{what} changes"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "format: 1\ncanvas: a\nentry: { trigger: { api: true }, start: one }\nsteps:\n  \
                       one: { delay: { for: 1d }, next: two }\n  two: { delay: { for: 2d }, next: exit }\n";

    #[test]
    fn a_change_is_said_in_words_and_line_by_line() {
        let new = OLD.replace("for: 1d", "for: 3d").replace("two: { delay: { for: 2d }", "end: { delay: { for: 2d }");
        let new = new.replace("next: two", "next: end");
        let (words, unified) = difference(("version 1", OLD), ("draft", &new));
        assert_eq!(words, ["step end is new", "step two is gone", "step one changes"]);
        assert!(unified.starts_with("--- version 1\n+++ draft\n") && unified.contains("3d"), "{unified}");
        assert_eq!(
            difference(("a", OLD), ("b", &OLD.replace("{ for: 1d }", "{   for: 1d }"))),
            (vec![], String::new())
        );
    }

    #[test]
    fn a_text_that_cannot_be_read_is_compared_as_it_is() {
        let (words, unified) = difference(("version 1", OLD), ("draft", "canvas: [\n"));
        assert!(words.is_empty() && unified.contains("+canvas: ["), "{unified}");
    }
}
