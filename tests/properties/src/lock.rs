//! Body locks: the JSON that a guest sends, in which the step's own ids must stand.
use caravan_connectors::LockReader;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Locks as manifests have them, for the account `1` and the audience `77`.
const LOCKS: [(&str, &str); 4] =
    [("/id", "77"), ("/data/*/account", "1"), ("/data/attributes/ids/*", "1"), ("/~1a~0/0", "77")];

/// What a body is held to: one lock alone, two, or all of them.
const SETS: [&[usize]; 6] = [&[], &[0], &[1], &[2], &[0, 3], &[0, 1, 2, 3]];

/// Whatever the body is, and wherever it is cut: what passes is JSON, and every value in it that a lock reaches is the
/// step's own; how it is cut changes nothing.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    for set in SETS {
        let locks: Vec<(&str, &str)> = set.iter().map(|at| LOCKS[*at]).collect();
        let whole = passes(&locks, bytes, bytes.len().max(1));
        for cut in [1, 2, 3, 7] {
            assert_eq!(passes(&locks, bytes, cut), whole, "cut by {cut}: {}", String::from_utf8_lossy(bytes));
        }
        if !whole {
            continue;
        }
        let text = str::from_utf8(bytes).expect("what passes is text");
        serde_json::from_str::<IgnoredAny>(text).expect("what passes is JSON");
        // Numbers too large to be kept and half surrogates are JSON, but no values here.
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        for (pointer, own) in &locks {
            let mut reached = Vec::new();
            reach(&value, &steps(pointer), &mut reached);
            assert!(!reached.is_empty(), "{pointer} is there");
            assert!(reached.iter().all(|value| is(value, own)), "{pointer} is the step's own in {value}");
        }
    }
}

fn passes(locks: &[(&str, &str)], bytes: &[u8], cut: usize) -> bool {
    let owned = locks.iter().map(|(pointer, own)| ((*pointer).to_owned(), (*own).to_owned()));
    let mut reader = LockReader::new(owned).expect("few locks");
    bytes.chunks(cut).try_for_each(|piece| reader.read(piece)).and_then(|()| reader.finish()).is_ok()
}

fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// All values that a pointer with `*` leads to.
fn reach<'a>(value: &'a Value, steps: &[String], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else { return found.push(value) };
    match value {
        Value::Array(all) if step == "*" => all.iter().for_each(|value| reach(value, rest, found)),
        Value::Object(all) if step == "*" => all.values().for_each(|value| reach(value, rest, found)),
        Value::Array(all) => {
            let at = step.parse::<usize>().ok().filter(|at| at.to_string() == *step);
            at.and_then(|at| all.get(at)).iter().for_each(|value| reach(value, rest, found));
        }
        Value::Object(all) => all.get(step).iter().for_each(|value| reach(value, rest, found)),
        _ => {}
    }
}

fn is(value: &Value, own: &str) -> bool {
    match value {
        Value::String(text) => text == own,
        Value::Number(number) => number.to_string() == own,
        _ => false,
    }
}
