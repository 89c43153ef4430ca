//! What a check looked at, line by line.
use crate::args::Global;
use crate::fail::End;
use crate::out;
use serde_json::json;

/// One thing that was looked at.
pub struct Looked {
    /// What.
    pub what: String,
    /// What is there, or what is wrong.
    pub found: Result<String, String>,
}

impl Looked {
    /// A line.
    pub fn of(what: impl Into<String>, found: Result<String, String>) -> Looked {
        Looked { what: what.into(), found }
    }
}

/// Shows what was looked at; ends with 1 where something is wrong.
///
/// # Errors
/// Standard output is closed.
pub fn tell(global: &Global, looked: &[Looked]) -> anyhow::Result<End> {
    let good = looked.iter().all(|one| one.found.is_ok());
    if global.json {
        let value = |one: &Looked| match &one.found {
            Ok(found) => json!({"what": one.what, "good": true, "found": found}),
            Err(wrong) => json!({"what": one.what, "good": false, "wrong": wrong}),
        };
        out::print_json(&json!({"good": good, "looked": looked.iter().map(value).collect::<Vec<_>>()}))?;
    } else {
        for one in looked {
            let (mark, words) = match &one.found {
                Ok(found) => ("ok  ", found),
                Err(wrong) => ("FAIL", wrong),
            };
            out::print(&format!("{mark}  {}: {}", one.what, words.replace('\n', "\n        ")))?;
        }
    }
    Ok(if good { End::Done } else { End::NeedsYou })
}
