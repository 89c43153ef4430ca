//! The table of hostile cases in `docs/HOSTILE.md` names what the tests do, all of it, and nothing else.
use caravan_hostile::{Row, file, rows};
use std::collections::BTreeSet;

/// What the suite owes at least one case each.
const OWED: [&str; 20] = [
    "spin",
    "recursion",
    "memory growth",
    "table growth",
    "handle flood",
    "slow-drip body",
    "header flood",
    "log flood",
    "body flood",
    "SSRF",
    "rebinding",
    "smuggling",
    "other account",
    "other audience",
    "token echo",
    "state carried between calls",
    "huge manifest",
    "lying counts",
    "malformed component",
    "deep types",
];

#[test]
fn every_case_of_the_table_is_tried_and_the_list_is_covered() {
    let rows = rows();
    for Row { tried, cases, path } in &rows {
        let text = file(path);
        for case in cases {
            let found = text.contains(&format!("\"{case}\"")) || text.contains(&format!("fn {case}("));
            assert!(found, "{tried}: `{case}` is not in {path}");
        }
    }
    let words: BTreeSet<&str> = rows.iter().map(|row| row.tried.as_str()).collect();
    for owed in OWED {
        assert!(words.contains(owed), "nothing tries `{owed}`");
    }
    let all: Vec<&String> = rows.iter().flat_map(|row| &row.cases).collect();
    let once: BTreeSet<&String> = all.iter().copied().collect();
    assert!(all.len() >= 40 && once.len() == all.len(), "{} cases, {} names", all.len(), once.len());
}

#[test]
fn every_deed_that_a_guest_can_do_is_in_the_table() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.cases).collect();
    let mut missing = Vec::new();
    for part in ["asks", "burdens", "drips", "lib"] {
        let text = file(&format!("guest-steps/hostile/deeds/src/{part}.rs"));
        // `("deed", …)` in its lists, `"deed" =>` in its matches.
        for line in text.lines().map(str::trim) {
            let deed = line.strip_prefix("(\"").or(line.strip_prefix('"').filter(|_| line.contains("\" =>")));
            let Some((deed, _)) = deed.and_then(|rest| rest.split_once('"')) else { continue };
            // Not misdeeds: what the others are measured by, and the dump, which has tests of its own.
            if !named.contains(deed) && !["proper", "dump"].contains(&deed) {
                missing.push(deed.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
