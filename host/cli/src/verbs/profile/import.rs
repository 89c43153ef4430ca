//! `caravan profile import`: people of files into the store; nobody enters a canvas by it.
use crate::args::{DeliveryArgs, Global};
use crate::fail::End;
use crate::host::hands::{Hands, Sent};
use crate::out;
use crate::rows::Rows;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Merges the people of files in; withdrawals among them are sent at once.
pub async fn import(global: &Global, files: &[PathBuf], delivery: &DeliveryArgs) -> anyhow::Result<End> {
    let open = Rows::open_all(files)?;
    Hands::making(global, Some(delivery), async |hands| {
        let (mut people, mut bad, mut owing, mut told) = (0, 0, 0, Vec::new());
        let mut order = hands.acting().order("profile.import", "profiles", json!({"files": files.len()})).await?;
        for mut rows in open {
            let imported = hands.runner().import_profiles_under(&mut order, &mut rows).await?;
            people += imported.people;
            owing = imported.owing;
            told.push(json!({"file": rows.users.path, "people": imported.people, "bad": rows.bad}));
            bad += rows.finish()?;
        }
        // What an import before this one owed and did not send goes too.
        let sent = if hands.runner().owes().await? { Some(hands.deliver(global).await?) } else { None };
        if global.json {
            out::print_json(&json!({"people": people, "bad": bad, "owing": owing, "files": Value::Array(told),
                "delivery": sent.as_ref().map(Sent::as_json)}))?;
        } else {
            let mut text = format!("{} merged in", out::people(people));
            if bad > 0 {
                text.push_str(&format!("; {} cannot be read", out::plural(bad, "row", "rows")));
            }
            text.push('\n');
            if owing > 0 {
                text.push_str(&format!(
                    "{} owed removals from audiences\n",
                    out::plural(owing, "person is", "people are")
                ));
            }
            text.push_str(&sent.as_ref().map(Sent::in_words).unwrap_or_default());
            out::print(&text)?;
        }
        let end = sent.map_or(End::Done, |sent| sent.end());
        Ok(if end == End::Done && bad > 0 { End::NeedsYou } else { end })
    })
    .await
}
