//! The error tables of all partners, as `docs/partners/errors.md` has them: each row is raised by the lab's fault dial, and
//! the queue's state and the words that a designer reads stand in a table (`--nocapture` prints it).
mod dials;
mod imports;
mod page;
mod queues;

use page::{Line, lines};
use std::collections::BTreeSet;

/// How many rows the contract of each partner has.
const ROWS: [(&str, usize); 8] = [
    ("criteo", 11),
    ("experience-platform", 10),
    ("google", 19),
    ("marketo", 15),
    ("meta", 12),
    ("pinterest", 12),
    ("snapchat", 11),
    ("tiktok", 14),
];

#[test]
fn every_row_of_every_contract_is_on_the_page_and_has_what_raises_it() {
    for (partner, count) in ROWS {
        let lines = lines(partner);
        let rows: BTreeSet<usize> = lines.iter().map(|line| line.row).collect();
        assert_eq!(rows, (1..=count).collect(), "{partner}");
        for Line { row, raised_by, becomes, .. } in &lines {
            assert_eq!(raised_by.is_empty(), becomes == "not used", "{partner}, row {row}");
        }
        let mut names = BTreeSet::new();
        assert!(
            lines.iter().flat_map(|line| &line.raised_by).all(|name| names.insert(name)),
            "{partner}: a name twice"
        );
    }
}

#[test]
fn every_trap_has_its_test() {
    let page = std::fs::read_to_string(xtask::stage::root().join("docs/partners/traps.md")).expect("the page");
    let lines: Vec<Vec<&str>> = page.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let numbered = lines.iter().filter(|cells| cells.len() > 5 && cells[1].parse::<usize>().is_ok());
    let mut rows = BTreeSet::new();
    for cells in numbered {
        assert!(cells[4].contains(".rs::"), "row {} names no test", cells[1]);
        rows.extend(cells[1].parse::<usize>());
    }
    assert_eq!(rows, (1..=39).collect());
}

#[test]
fn criteos_error_table_has_its_states_and_words() {
    queues::play("criteo");
}

#[test]
fn googles_error_table_has_its_states_and_words() {
    queues::play("google");
}

#[test]
fn marketos_error_table_has_its_states_and_words() {
    queues::play("marketo");
}

#[test]
fn metas_error_table_has_its_states_and_words() {
    queues::play("meta");
}

#[test]
fn pinterests_error_table_has_its_states_and_words() {
    queues::play("pinterest");
}

#[test]
fn snapchats_error_table_has_its_states_and_words() {
    queues::play("snapchat");
}

#[test]
fn tiktoks_error_table_has_its_states_and_words() {
    queues::play("tiktok");
}

#[test]
fn experience_platforms_error_table_has_its_states_and_words() {
    imports::play();
}
