//! Answers of a host as people read them: a list is a table, an object is a line for each of its fields.
use crate::out;
use caravan_model::Millis;
use serde_json::{Map, Value};

/// Fields that hold instants.
const INSTANTS: [&str; 14] = [
    "at",
    "since",
    "until",
    "oldest",
    "sealed_at",
    "ended_at",
    "asked",
    "done",
    "opened",
    "first_ends",
    "due",
    "filled",
    "pending",
    "published",
];

/// What a row is known by, in the order in which people look for it; all else follows by name.
const FIRST: [&str; 17] = [
    "n",
    "at",
    "who",
    "verb",
    "object",
    "name",
    "canvas",
    "segment",
    "list",
    "audience",
    "queue",
    "connection",
    "connector",
    "partner",
    "id",
    "title",
    "state",
];

/// Columns that chain records to each other: programs check them, and nobody reads them in a table.
const CHAIN: [&str; 2] = ["before", "hash"];

/// How many letters of a value with parts stand in a table; `--json` has all.
const WIDEST: usize = 80;

/// An answer in words.
pub fn words(value: &Value) -> String {
    match value {
        Value::Null => "done\n".to_owned(),
        Value::Array(rows) if rows.is_empty() => "nothing yet\n".to_owned(),
        Value::Array(rows) => table(rows),
        Value::Object(fields) => lines(fields),
        Value::String(text) => text.clone(),
        other => format!("{other}\n"),
    }
}

fn table(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else {
        return rows.iter().map(|row| format!("{}\n", cell("", row))).collect();
    };
    // Columns that say nothing in any row are left out.
    let says = |name: &&String| rows.iter().any(|row| !cell(name, &row[name.as_str()]).is_empty());
    let mut columns: Vec<&String> = first.keys().filter(|name| !CHAIN.contains(&name.as_str())).filter(says).collect();
    columns.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let head: Vec<String> = columns.iter().map(|name| name.replace('_', " ").to_uppercase()).collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let body: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|name| narrow(name, &row[name.as_str()])).collect()).collect();
    out::table(&head, &body)
}

/// One value as it stands in a table: what has parts is cut, so that a row stays a line.
fn narrow(name: &str, value: &Value) -> String {
    let shown = cell(name, value);
    match value {
        Value::Object(_) | Value::Array(_) if shown.chars().count() > WIDEST => {
            shown.chars().take(WIDEST).chain(['…']).collect()
        }
        _ => shown,
    }
}

fn lines(fields: &Map<String, Value>) -> String {
    let is_table = |value: &Value| matches!(value, Value::Array(rows) if rows.first().is_some_and(Value::is_object));
    let width = fields.iter().filter(|(_, value)| !is_table(value)).map(|(name, _)| name.len()).max().unwrap_or(0);
    let (mut text, mut tables) = (String::new(), String::new());
    for (name, value) in fields {
        let label = name.replace('_', " ");
        if is_table(value) {
            let rows = words(value);
            tables.push_str(&format!("\n{label}\n"));
            rows.lines().for_each(|line| tables.push_str(&format!("  {line}\n")));
            continue;
        }
        let shown = cell(name, value);
        if name == "text" {
            tables.push_str(&format!("\n{shown}"));
        } else if !shown.is_empty() {
            text.push_str(&format!("{label:<width$}  {shown}\n"));
        }
    }
    text + &tables
}

/// One value.
fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => match number.as_i64() {
            Some(at) if INSTANTS.contains(&name) => out::instant(Millis(at)),
            Some(n) if n >= 0 => out::count(n.unsigned_abs()),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let all = values.iter().map(|value| cell(name, value)).collect::<Vec<_>>();
            all.join(if values.iter().any(Value::is_object) { "; " } else { ", " })
        }
        // A status with its reason, a state with its particulars: the values in their order say it.
        Value::Object(fields) => {
            let said =
                fields.iter().map(|(name, value)| (name, cell(name, value))).filter(|(_, cell)| !cell.is_empty());
            said.map(|(name, cell)| format!("{} {cell}", name.replace('_', " "))).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_a_table_without_empty_columns() {
        let rows = json!([{"canvas": "a", "title": null, "inside": 1200, "since": 0}, {"canvas": "b", "inside": 1}]);
        let text = words(&rows);
        assert!(text.starts_with("CANVAS") && !text.contains("TITLE") && text.contains("1,200"), "{text}");
        assert!(text.contains("1970-01-01"), "{text}");
        assert_eq!(words(&json!([])), "nothing yet\n");
    }

    #[test]
    fn a_table_begins_with_what_its_rows_are_known_by_and_keeps_a_row_in_a_line() {
        let rows =
            json!([{"accounts": ["act_1"], "name": "shop", "hash": "ab", "details": {"rights": "r".repeat(200)}}]);
        let text = words(&rows);
        assert!(text.starts_with("NAME") && text.contains("ACCOUNTS") && !text.contains("HASH"), "{text}");
        assert!(text.contains("…") && text.lines().all(|line| line.chars().count() < 130), "{text}");
    }

    #[test]
    fn an_object_is_a_line_for_each_field_with_its_lists_below() {
        let text = words(&json!({"was": "live", "held_by": [], "steps": [{"step": "sync", "n": 2}], "left_out": null}));
        assert!(text.contains("was") && text.contains("steps\n  ") && !text.contains("left out"), "{text}");
        assert_eq!(words(&Value::Null), "done\n");
    }
}
