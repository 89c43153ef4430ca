//! `caravan connector inspect | list`.
use super::inspect;
use crate::args::{ConnectorVerb, Global};
use crate::bundle::{self, BUNDLED};
use crate::fail::End;
use crate::host::workshop::Workshop;
use crate::out;
use caravan_model::Digest;
use serde_json::json;
use std::path::Path;

/// Does a verb of connectors.
pub fn connector(global: &Global, verb: ConnectorVerb) -> anyhow::Result<End> {
    match verb {
        ConnectorVerb::Inspect { connector } => show(global, &connector),
        ConnectorVerb::List => list(global),
    }
}

fn show(global: &Global, named: &str) -> anyhow::Result<End> {
    let bytes = bundle::find(named, Path::new("")).map_err(|problem| in_file(problem, named))?;
    let component = Workshop::open()?.load(&bytes).map_err(|problem| in_file(problem, named))?;
    if global.json {
        out::print_json(&json!({"digest": component.digest().to_string(), "manifest": component.manifest()}))?;
    } else {
        out::print(&inspect::in_words(component.manifest(), &component.digest()))?;
    }
    Ok(End::Done)
}

/// A component's problem says which file it is in.
fn in_file(problem: caravan_model::Problem, named: &str) -> caravan_model::Problem {
    if problem.file.is_none() && bundle::is_path(named) { problem.in_file(named) } else { problem }
}

fn list(global: &Global) -> anyhow::Result<End> {
    if global.json {
        let values: Vec<_> = BUNDLED
            .iter()
            .map(|bundled| json!({"name": bundled.name, "digest": bundled.bytes.map(|bytes| Digest::of(bytes).to_string())}))
            .collect();
        out::print_json(&values)?;
        return Ok(End::Done);
    }
    let rows: Vec<Vec<String>> = BUNDLED
        .iter()
        .map(|bundled| {
            let digest = match bundled.bytes {
                Some(bytes) => format!("sha256:{}", Digest::of(bytes)),
                None => "not built into this program; run `cargo xtask build-guests` and build it again".to_owned(),
            };
            vec![bundled.name.to_owned(), digest]
        })
        .collect();
    out::print(&out::table(&["NAME", "DIGEST"], &rows))?;
    Ok(End::Done)
}
