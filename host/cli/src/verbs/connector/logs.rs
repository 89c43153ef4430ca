//! `caravan connector logs`: what a connector logged on a serving host.
use crate::args::Global;
use crate::fail::{End, usage};
use crate::out;
use crate::out::text_of;
use caravan_model::Millis;
use serde_json::Value;

/// Without a serving host there are none: they are in a host's memory.
pub fn elsewhere() -> anyhow::Result<End> {
    let words = "a serving host keeps the lines of its connectors, and none is named";
    Err(usage(words, "name it: --server URL; `CARAVAN_LOG=info` shows them on stderr while a command runs").into())
}

/// Prints lines as a host gave them.
pub fn tell(global: &Global, answer: &Value) -> anyhow::Result<End> {
    if global.json {
        out::print_json(answer)?;
        return Ok(End::Done);
    }
    let rows = answer["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |row: &Value| {
        let at = out::instant(Millis(row["at"].as_i64().unwrap_or_default()));
        format!("{at} {} sha256:{} {}\n", text_of(&row["connection"]), text_of(&row["version"]), text_of(&row["line"]))
    };
    out::print(&rows.iter().map(line).collect::<String>())?;
    Ok(End::Done)
}
