//! `caravan audience show`: who stands in one, who asked for them, and what is owed.
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_model::{Millis, ProfileId, StepIx, VersionId};
use caravan_runner::control::{Labs, receipts};
use caravan_store::{Audience, Lane, Receipt, Store, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Members read at a time.
const PAGE: usize = 20_000;
/// The most open receipts that are counted.
const RECEIPTS: usize = 100_000;

/// What is known of everyone in an audience.
#[derive(Debug, Default)]
struct Census {
    standings: BTreeMap<&'static str, u64>,
    /// By step: how many it claims, and when the first of these claims ends by itself.
    claims: BTreeMap<(VersionId, StepIx), (u64, Option<Millis>)>,
}

/// Prints an audience.
pub async fn show(global: &Global, store: &impl Store, name: &str) -> anyhow::Result<End> {
    let audiences = store.audiences().await?;
    let audience = names::find_audience(&audiences, name)?;
    let lanes = store.lanes().await?;
    let lanes: Vec<&Lane> = lanes.iter().filter(|lane| names::leads_to(audience, &lane.key)).collect();
    let mut census = Census::default();
    for lane in &lanes {
        let mut after = ProfileId(0);
        loop {
            let page = store.members(lane.id, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, member) in &page {
                *census.standings.entry(names::of_standing(member.standing)).or_default() += 1;
                for claim in &member.claims {
                    let (n, first) = census.claims.entry(claim.of()).or_default();
                    *n += 1;
                    *first = [*first, claim.until].into_iter().flatten().min();
                }
            }
        }
    }
    let open = store.receipts(None, RECEIPTS).await?;
    let open: Vec<Receipt> = open.into_iter().filter(|receipt| names::leads_to(audience, &receipt.lane)).collect();
    let versions = store.versions().await?;
    let also: Vec<&str> = audiences
        .iter()
        .filter(|other| {
            let same = audience.partner_id.is_some()
                && (&other.connector, &other.account, &other.partner_id)
                    == (&audience.connector, &audience.account, &audience.partner_id);
            same && other.name != audience.name
        })
        .map(|other| other.name.as_str())
        .collect();
    let labs = Labs::of(store).await?;
    if global.json {
        let claims: Vec<Value> = census
            .claims
            .iter()
            .map(|(step, (n, until))| {
                let (canvas, id) = names::of_step(&versions, *step);
                json!({"canvas": canvas, "step": id, "n": n, "first_ends": until})
            })
            .collect();
        out::print_json(&json!({"audience": audience.name, "connection": audience.connection,
            "lab": labs.has(&audience.connection),
            "connector": audience.connector, "account": audience.account, "id": audience.partner_id,
            "made_by_us": audience.made_by_us, "also": also, "members": census.standings, "claims": claims,
            "waiting": lanes.iter().map(|lane| lane.waiting).sum::<u64>(), "receipts": receipts(&open, &audiences)}))?;
    } else {
        out::print(&in_words((audience, &labs), &lanes, &census, &open, &versions, &also))?;
    }
    Ok(End::Done)
}

fn in_words(
    (audience, labs): (&Audience, &Labs),
    lanes: &[&Lane],
    census: &Census,
    open: &[Receipt],
    versions: &[Version],
    also: &[&str],
) -> String {
    let id = audience.partner_id.clone().unwrap_or_else(|| "being made".to_owned());
    let mut members: Vec<String> =
        census.standings.iter().map(|(word, n)| format!("{} {word}", out::count(*n))).collect();
    if members.is_empty() {
        members.push("nobody yet".to_owned());
    }
    let mut lines = vec![
        ("audience", format!("{id} of account {} at {}", audience.account, audience.connector)),
        ("connection", labs.badged(&audience.connection)),
        ("made by", if audience.made_by_us { "us" } else { "others, before us" }.to_owned()),
        ("members", members.join(", ")),
        ("waiting", out::count(lanes.iter().map(|lane| lane.waiting).sum())),
    ];
    if !also.is_empty() {
        lines.push(("also called", also.join(", ")));
    }
    if !open.is_empty() {
        lines.push(("owed", format!("{} that wait", out::plural(open.len() as u64, "removal", "removals"))));
    }
    let mut text = format!("{}\n", audience.name);
    lines.into_iter().for_each(|(label, words)| text.push_str(&format!("  {label:<12}{words}\n")));
    if !census.claims.is_empty() {
        let rows: Vec<Vec<String>> = census
            .claims
            .iter()
            .map(|(step, (n, until))| {
                let (canvas, id) = names::of_step(versions, *step);
                vec![canvas, id, out::count(*n), until.map(out::instant).unwrap_or_default()]
            })
            .collect();
        let table = out::table(&["CANVAS", "STEP", "CLAIMS", "FIRST ENDS"], &rows);
        text.push_str("\nsteps that claim them\n");
        table.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}
