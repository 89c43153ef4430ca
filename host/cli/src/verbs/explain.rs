//! `caravan explain [CODE]`.
use crate::args::Global;
use crate::fail::{End, usage};
use crate::out;
use caravan_model::Code;

/// Prints the page of a code, or the list of all.
pub fn explain(global: &Global, code: Option<&str>) -> anyhow::Result<End> {
    let Some(text) = code else {
        if global.json {
            let all: Vec<_> =
                Code::ALL.iter().map(|code| serde_json::json!({"code": code, "title": code.title()})).collect();
            out::print_json(&all)?;
        } else {
            let lines: Vec<String> = Code::ALL.iter().map(|code| format!("{code}  {}", code.title())).collect();
            out::print(&lines.join("\n"))?;
        }
        return Ok(End::Done);
    };
    let code: Code = text.parse().map_err(|words: String| usage(words, "run `caravan explain` for the list"))?;
    if global.json {
        out::print_json(&serde_json::json!({"code": code, "title": code.title(), "page": code.page()}))?;
    } else {
        out::print(code.page())?;
    }
    Ok(End::Done)
}
