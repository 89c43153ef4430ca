//! `caravan audience list`.
use crate::args::Global;
use crate::fail::End;
use crate::out;
use caravan_api::nouns::audiences::{AudienceView, audiences_of};
use caravan_runner::control::badged;
use caravan_store::Store;

/// All audiences: those that steps lead to, then former ones that may still owe removals.
pub async fn list(global: &Global, store: &impl Store) -> anyhow::Result<End> {
    tell(global, &audiences_of(store).await?)
}

/// Prints audiences.
///
/// # Errors
/// The output is closed.
pub fn tell(global: &Global, audiences: &[AudienceView]) -> anyhow::Result<End> {
    if global.json {
        out::print_json(&audiences)?;
    } else if audiences.is_empty() {
        out::print("no audiences yet: a canvas's first run registers them")?;
    } else {
        let row = |audience: &AudienceView| {
            vec![
                audience.audience.clone(),
                badged(&audience.connection, audience.lab),
                audience.account.clone(),
                audience.id.clone().unwrap_or_else(|| "being made".to_owned()),
                if audience.made_by_us { "us" } else { "others" }.to_owned(),
                out::count(audience.waiting),
                out::count(audience.owed),
            ]
        };
        let rows: Vec<Vec<String>> = audiences.iter().map(row).collect();
        out::print(&out::table(&["AUDIENCE", "CONNECTION", "ACCOUNT", "ID", "MADE BY", "WAITING", "OWED"], &rows))?;
    }
    Ok(End::Done)
}
