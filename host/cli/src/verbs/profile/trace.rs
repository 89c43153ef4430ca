//! `caravan profile trace`: everything about one person.
use super::receipts;
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_model::{Code, Problem, Reason, Status, reasons};
use caravan_runner::control::{self, Dossier};
use caravan_store::{Audience, LaneKey, Membership, Store, Trace, Version};
use serde_json::json;

/// Finds people by any identifier and prints what is known of each.
pub async fn trace(global: &Global, store: &impl Store, identifier: &str, reveal: bool) -> anyhow::Result<End> {
    let found = store.find(identifier).await?;
    let versions = store.versions().await?;
    let audiences = store.audiences().await?;
    if found.is_empty() {
        return erased(global, store, identifier, &audiences).await;
    }
    let names = Names { versions: &versions, audiences: &audiences };
    let mut values = Vec::new();
    for (place, id) in found.iter().enumerate() {
        let Some(trace) = store.trace(*id).await? else { continue };
        if global.json {
            let mut dossier = json!(Dossier::of(&trace, &versions, &audiences, reveal));
            // Whoever types this has the store.
            dossier["external_id"] = trace.profile.external_id.into();
            values.push(dossier);
        } else {
            let gap = if place > 0 { "\n" } else { "" };
            out::print(&format!("{gap}{}", in_words(&trace, &names, reveal)))?;
        }
    }
    if global.json {
        out::print_json(&values)?;
    }
    Ok(End::Done)
}

/// Someone who is not known (any more): whoever knows the external id finds what proves the removals.
async fn erased(global: &Global, store: &impl Store, identifier: &str, audiences: &[Audience]) -> anyhow::Result<End> {
    let proofs = store.receipts_of(identifier).await?;
    if proofs.is_empty() {
        return Err(Problem::new(Code::NotFound, "nobody in this store has this identifier")
            .cure("try another one: external id, alias, e-mail, phone, device id, or a digest that was sent")
            .into());
    }
    if global.json {
        out::print_json(&[json!({"erased": true, "receipts": control::receipts(&proofs, audiences)})])?;
    } else {
        out::print(&format!(
            "this person was erased; what remains proves it\n{}",
            receipts::in_words(&proofs, audiences)
        ))?;
    }
    Ok(End::Done)
}

/// What names stand for.
struct Names<'a> {
    versions: &'a [Version],
    audiences: &'a [Audience],
}

impl Names<'_> {
    fn audience(&self, key: &LaneKey) -> String {
        names::of_queue(key, self.audiences)
    }

    /// `win-back v1 sync until 2026-12-01 …`.
    fn claims(&self, membership: &Membership) -> Vec<String> {
        let claims = membership.claims.iter().map(|claim| {
            let (canvas, step) = names::of_step(self.versions, claim.of());
            let until = claim.until.map(|until| format!(" until {}", out::instant(until))).unwrap_or_default();
            format!("{canvas} {step}{until}")
        });
        claims.collect()
    }
}

fn in_words(trace: &Trace, names: &Names<'_>, reveal: bool) -> String {
    let mut text = format!("{}\n", trace.profile.external_id);
    let fields = control::fields(&trace.profile, reveal);
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in fields {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    if !trace.visits.is_empty() {
        text.push_str("\nway\n");
        let rows: Vec<Vec<String>> = trace
            .visits
            .iter()
            .map(|visit| {
                let (canvas, step) = names::of_step(names.versions, (visit.version, visit.step));
                let words = reasons::words_of(&visit.reason).into_owned();
                let until = visit.until.as_deref().map(|until| format!("until {until}"));
                let why: Vec<String> =
                    [Some(words).filter(|words| !words.is_empty()), until].into_iter().flatten().collect();
                let batch = visit.part.clone().unwrap_or_default();
                vec![out::instant(visit.at), canvas, step, visit.status.word().to_owned(), why.join(", "), batch]
            })
            .collect();
        text.push_str(&indented(&out::table(&["WHEN", "CANVAS", "STEP", "STATUS", "WHY", "BATCH"], &rows)));
        text.push_str(&cures(trace.visits.iter().map(|visit| (visit.status, &visit.reason))));
    }
    if !trace.memberships.is_empty() {
        text.push_str("\naudiences\n");
        let rows: Vec<Vec<String>> = trace
            .memberships
            .iter()
            .map(|(lane, membership)| {
                let keys = control::sent_keys(membership).join(", ");
                vec![
                    names.audience(lane),
                    lane.audience.clone(),
                    names::of_standing(membership.standing).to_owned(),
                    out::instant(membership.at),
                    keys,
                    names.claims(membership).join(", "),
                ]
            })
            .collect();
        text.push_str(&indented(&out::table(&["AUDIENCE", "ID", "STANDING", "SINCE", "SENT AS", "CLAIMED BY"], &rows)));
    }
    if !trace.receipts.is_empty() {
        text.push_str(&format!("\nremovals owed\n{}", receipts::in_words(&trace.receipts, names.audiences)));
    }
    for merged in &trace.merged {
        text.push_str(&format!("\nprofile {} went on in this one {}\n", merged.other, out::instant(merged.at)));
    }
    if !trace.events.is_empty() {
        text.push_str("\nevents\n");
        for event in &trace.events {
            text.push_str(&format!("  {}  {}\n", out::instant(event.at), event.name));
        }
    }
    text
}

/// What to do about visits that did not succeed: each reason once.
fn cures<'a>(visits: impl Iterator<Item = (Status, &'a Reason)>) -> String {
    let mut told: Vec<&str> = Vec::new();
    let mut text = String::new();
    for (_, reason) in visits.filter(|(status, _)| !status.is_success()) {
        let Some(cure) = reasons::cure_of(reason).filter(|_| !told.contains(&reason.code.as_str())) else { continue };
        told.push(&reason.code);
        text.push_str(&format!("    {}: {cure}\n", reason.code));
    }
    if text.is_empty() { text } else { format!("  what to do\n{text}") }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cure_is_told_once_and_only_where_a_visit_did_not_succeed() {
        let (no_id, branch) = (Reason::new("no-identifier", "no e-mail"), Reason::new("branch", "arm 1"));
        let theirs = Reason::new("partner:2650", "");
        let visits = [
            (Status::Passed, &branch),
            (Status::Skipped, &no_id),
            (Status::Skipped, &no_id),
            (Status::Rejected, &theirs),
        ];
        let text = cures(visits.into_iter());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("  what to do\n    no-identifier: give the profile"), "{text}");
        assert!(text.contains("partner:2650: the partner's words say why"), "{text}");
        assert_eq!(cures([(Status::Passed, &branch)].into_iter()), "");
    }
}
