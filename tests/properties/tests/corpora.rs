//! Each property over its whole corpus, over mutations of it, and over fresh inputs. `PROPTEST_CASES=N` makes N of each
//! kind (`cargo xtask test --full`: 2,048). A counterexample is kept in the corpus by itself: commit it with its mend.
use caravan_properties::words::*;
use caravan_properties::{ALL, Property, columns, corpus, csv, url};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestError, TestRunner};

/// How many inputs of each kind.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(600)
}

fn property(name: &str) -> Property {
    ALL.iter().find(|(of, _)| *of == name).expect("a property").1
}

/// Runs a property over inputs of a strategy; keeps what it does not hold for.
fn over(name: &str, inputs: impl Strategy<Value = Vec<u8>>) {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config).run(&inputs, |bytes| {
        property(name)(&bytes);
        Ok(())
    });
    match found {
        Ok(()) => {}
        Err(TestError::Fail(why, bytes)) => {
            let file = corpus::keep(name, &bytes);
            panic!("{why}\nkept as {}:\n{}", file.display(), String::from_utf8_lossy(&bytes));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The whole corpus first, then mutations of its entries.
fn kept_and_mutated(name: &str, words: &'static [&'static str]) {
    let all = corpus::read(name);
    assert!(all.len() >= 8, "{} entries of {name}", all.len());
    for (file, bytes) in &all {
        let held = std::panic::catch_unwind(|| property(name)(bytes));
        assert!(held.is_ok(), "{name}/{file}: the property does not hold");
    }
    let entries: Vec<Vec<u8>> = all.into_iter().map(|(_, bytes)| bytes).collect();
    over(name, mutated(entries, words));
}

type Edit = (u8, Index, Index, u8, Index);

/// An entry with up to eight edits: bytes changed, put in, left out, doubled; words of the format put in; the end of
/// another entry put on.
fn mutated(entries: Vec<Vec<u8>>, words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec(any::<Edit>(), 1..8);
    (any::<Index>(), edits).prop_map(move |(entry, edits)| {
        let mut bytes = entry.get(&entries).clone();
        edits.iter().for_each(|edit| apply(&mut bytes, edit, &entries, words));
        bytes.truncate(256 << 10);
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, (kind, at, length, byte, other): &Edit, entries: &[Vec<u8>], words: &[&str]) {
    let from = at.index(bytes.len() + 1);
    let to = (from + length.index(24)).min(bytes.len());
    match kind % 7 {
        0 if from < bytes.len() => bytes[from] = *byte,
        1 => bytes.insert(from, *byte),
        2 => drop(bytes.drain(from..to)),
        3 => {
            let again = bytes[from..to].to_vec();
            drop(bytes.splice(from..from, again));
        }
        4 => {
            let another = other.get(entries);
            bytes.truncate(from);
            bytes.extend_from_slice(&another[length.index(another.len() + 1)..]);
        }
        _ => drop(bytes.splice(from..from.max(to.min(from + usize::from(byte % 4))), other.get(words).bytes())),
    }
}

/// Texts of a format's own words in any order: nearer to what is taken than any bytes.
fn of_words(words: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => proptest::sample::select(words).prop_map(str::to_owned),
        1 => "[a-z0-9 ]{0,6}",
        1 => "\\PC{0,3}",
    ];
    proptest::collection::vec(word, 0..most).prop_map(|words| words.concat().into_bytes())
}

#[test]
fn manifests_are_read_printed_and_read_the_same_or_refused() {
    kept_and_mutated("manifest", JSON);
    over("manifest", of_words(JSON, 40));
}

#[test]
fn canvases_are_read_printed_and_read_the_same_or_refused_at_a_line() {
    kept_and_mutated("canvas", YAML);
    over("canvas", of_words(YAML, 40));
}

#[test]
fn packed_columns_hold_the_rows_and_columns_that_cannot_be_unpacked_are_refused() {
    kept_and_mutated("columns", ROWS);
    over("columns", of_words(ROWS, 120));
    over("columns", proptest::collection::vec(any::<u8>(), 0..300));
}

#[test]
fn urls_that_leave_are_inside_the_grant() {
    kept_and_mutated("url", URLS);
    over("url", of_words(URLS, 16));
    // Near misses: proper requests with a few edits.
    let proper: Vec<Vec<u8>> =
        url::proper().iter().map(|(method, url)| format!("{method} {url}").into_bytes()).collect();
    assert!(proper.len() > 60, "{}", proper.len());
    over("url", mutated(proper, URLS));
}

#[test]
fn users_files_are_read_as_a_naive_reader_reads_them() {
    kept_and_mutated("csv", CELLS);
    over("csv", of_words(CELLS, 60).prop_map(|rest| [&b"external_id,email,n\n"[..], &rest].concat()));
    over("csv", of_words(CELLS, 30));
}

#[test]
fn files_that_are_handed_over_have_the_members_that_a_naive_reader_reads_or_are_refused() {
    kept_and_mutated("handed", HANDED);
    over("handed", of_words(HANDED, 60).prop_map(|rest| [&b"ECID,Email,status,of,tier\n"[..], &rest].concat()));
    over("handed", of_words(HANDED, 30));
}

#[test]
fn bodies_that_pass_the_locks_are_json_with_the_steps_own_ids_wherever_they_are_cut() {
    kept_and_mutated("lock", BODIES);
    over("lock", of_words(BODIES, 24));
}

#[test]
fn schedules_come_again_and_again_or_are_refused() {
    kept_and_mutated("schedule", CLOCKS);
    over("schedule", of_words(CLOCKS, 8));
}

#[test]
fn templates_make_bounded_json_or_a_reason_without_anything_of_the_person() {
    kept_and_mutated("template", TEMPLATES);
    over("template", of_words(TEMPLATES, 16));
}

#[test]
fn messages_are_unpacked_within_a_bound_and_survive_the_inbox() {
    kept_and_mutated("tracking", MESSAGES);
    over("tracking", of_words(MESSAGES, 40));
}

#[test]
fn references_and_keys_name_one_thing_alone() {
    kept_and_mutated("reference", NAMES);
    over("reference", of_words(NAMES, 12));
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn rows_that_were_written_as_csv_come_back(rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,8}|[a\",;\n\r ]{0,8}", 3), 0..12)) {
        let rows: Vec<Vec<String>> = rows.into_iter().enumerate().map(|(at, mut row)| { row[0] = format!("u{at}"); row }).collect();
        let text = csv::written(&["external_id", "first_name", "city"], &rows);
        csv::holds(text.as_bytes());
        let read = csv::read(text.as_bytes(), ".csv").expect("a file");
        prop_assert_eq!(read.len(), rows.len());
        for ((_, person), row) in read.into_iter().zip(&rows) {
            let person = person.expect("a person");
            let filled = |cell: &String| (!cell.trim().is_empty()).then(|| cell.clone());
            prop_assert_eq!((person.external_id, person.first_name, person.city), (row[0].clone(), filled(&row[1]), filled(&row[2])));
        }
    }

    #[test]
    fn rows_that_were_packed_come_back(rows in proptest::collection::vec(proptest::collection::vec("[^\t\n]{0,6}", 3), 0..40)) {
        let rows = columns::Rows { keys: ["A", "B", "C"].map(str::to_owned).to_vec(), rows };
        columns::same(&rows.part(), &rows.rows);
    }
}
