//! `caravan catalogue show`.
use crate::args::{CatalogueVerb, Global};
use crate::fail::End;
use crate::out;
use caravan_store::{Catalogue, Looked, SeenName, Store};

/// Does a verb of the catalogue.
pub async fn catalogue(global: &Global, verb: CatalogueVerb, store: &impl Store) -> anyhow::Result<End> {
    let CatalogueVerb::Show { events, attributes, sample } = verb;
    tell(global, store.catalogue(sample).await?, events, attributes)
}

/// Prints a catalogue, or only its events or its attributes.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, mut catalogue: Catalogue, events: bool, attributes: bool) -> anyhow::Result<End> {
    if events {
        catalogue.attributes.clear();
    }
    if attributes {
        catalogue.events.clear();
    }
    if global.json {
        out::print_json(&catalogue)?;
    } else {
        let mut text = String::new();
        if !events {
            text.push_str(&people(&catalogue));
        }
        if !attributes {
            text.push_str(&happened(&catalogue));
        }
        out::print(&text)?;
    }
    Ok(End::Done)
}

fn looked(what: &str, looked: Looked) -> String {
    match looked.is_all {
        true => format!("{what}: all {} were looked at", out::count(looked.at)),
        false => format!("{what}: {} were looked at, sampled evenly", out::count(looked.at)),
    }
}

fn types(name: &SeenName) -> String {
    let all: Vec<String> = name
        .types
        .iter()
        .map(|(kind, n)| if *n == name.count { kind.clone() } else { format!("{kind} {}", out::count(*n)) })
        .collect();
    all.join(", ")
}

fn share(n: u64, of: u64) -> String {
    if of == 0 { String::new() } else { format!("{:.1}%", n as f64 * 100.0 / of as f64) }
}

fn people(catalogue: &Catalogue) -> String {
    let rows: Vec<Vec<String>> = catalogue
        .attributes
        .iter()
        .map(|name| {
            vec![name.name.clone(), types(name), out::count(name.count), share(name.count, catalogue.people.at)]
        })
        .collect();
    let more = if catalogue.more_attributes { "…and more\n" } else { "" };
    let table = out::table(&["ATTRIBUTE", "TYPE", "PEOPLE", "FILLED"], &rows);
    format!("{}\n{table}{more}", looked("People", catalogue.people))
}

fn happened(catalogue: &Catalogue) -> String {
    let mut rows = Vec::new();
    for event in &catalogue.events {
        rows.push(vec![
            event.name.clone(),
            String::new(),
            out::count(event.count),
            String::new(),
            out::count(event.people),
            out::instant(event.first),
            out::instant(event.last),
        ]);
        for name in &event.properties {
            let filled = share(name.count, event.count);
            rows.push(vec![format!("  {}", name.name), types(name), out::count(name.count), filled]);
        }
    }
    let more = if catalogue.more_events { "…and more\n" } else { "" };
    let table = out::table(&["EVENT", "TYPE", "SEEN", "FILLED", "PEOPLE", "FIRST", "LAST"], &rows);
    format!("{}\n{table}{more}", looked("Events", catalogue.kept_events))
}
