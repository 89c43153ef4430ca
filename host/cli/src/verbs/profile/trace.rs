//! `caravan profile trace`: everything about one person.
use super::receipts;
use crate::args::Global;
use crate::fail::End;
use crate::{names, out};
use caravan_model::{Code, Problem, Reason, Status, reasons};
use caravan_runner::control::{self, Dossier, DossierMembership, DossierReceipt, DossierVisit};
use caravan_store::Store;
use serde_json::json;

/// Finds people by any identifier and prints what is known of each.
pub async fn trace(global: &Global, store: &impl Store, identifier: &str, reveal: bool) -> anyhow::Result<End> {
    let (versions, audiences) = (store.versions().await?, store.audiences().await?);
    let mut people = Vec::new();
    for id in store.find(identifier).await? {
        let Some(trace) = store.trace(id).await? else { continue };
        let mut dossier = Dossier::of(&trace, &versions, &audiences, reveal);
        // Whoever types this has the store.
        dossier.external_id = trace.profile.external_id;
        people.push(dossier);
    }
    if !people.is_empty() {
        match global.json {
            true => out::print_json(&people)?,
            false => out::print(&in_words(&people))?,
        }
        return Ok(End::Done);
    }
    // Someone who is not known (any more): whoever knows the external id finds what proves the removals.
    let proofs = control::receipts(&store.receipts_of(identifier).await?, &audiences);
    if proofs.is_empty() {
        return Err(Problem::new(Code::NotFound, "nobody in this store has this identifier")
            .cure("try another one: external id, alias, e-mail, phone, device id, or a digest that was sent")
            .into());
    }
    match global.json {
        true => out::print_json(&[json!({"erased": true, "receipts": proofs})])?,
        false => out::print(&erased(&proofs))?,
    }
    Ok(End::Done)
}

/// Someone who was erased, for people.
pub fn erased(proofs: &[DossierReceipt]) -> String {
    format!("this person was erased; what remains proves it\n{}", receipts::in_words(proofs))
}

/// All about some people, one below the other.
pub fn in_words(people: &[Dossier]) -> String {
    people.iter().map(of_one).collect::<Vec<_>>().join("\n")
}

fn of_one(dossier: &Dossier) -> String {
    let mut text = format!("{}\n", dossier.external_id);
    let fields = dossier.fields();
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in fields {
        text.push_str(&format!("  {name:<width$}  {value}\n"));
    }
    if !dossier.visits.is_empty() {
        let rows: Vec<Vec<String>> = dossier.visits.iter().map(visit).collect();
        let table = out::table(&["WHEN", "CANVAS", "STEP", "STATUS", "WHY", "BATCH"], &rows);
        text.push_str(&format!("\nway\n{}", indented(&table)));
        text.push_str(&cures(dossier.visits.iter().map(|visit| (visit.status, &visit.reason))));
    }
    if !dossier.memberships.is_empty() {
        let rows: Vec<Vec<String>> = dossier.memberships.iter().map(membership).collect();
        let table = out::table(&["AUDIENCE", "ID", "STANDING", "SINCE", "SENT AS", "CLAIMED BY"], &rows);
        text.push_str(&format!("\naudiences\n{}", indented(&table)));
    }
    if !dossier.receipts.is_empty() {
        text.push_str(&format!("\nremovals owed\n{}", receipts::in_words(&dossier.receipts)));
    }
    for merged in &dossier.merged {
        text.push_str(&format!("\nprofile {} went on in this one {}\n", merged.other, out::instant(merged.at)));
    }
    if !dossier.events.is_empty() {
        text.push_str("\nevents\n");
        for event in &dossier.events {
            text.push_str(&format!("  {}  {}\n", out::instant(event.at), event.event));
        }
    }
    text
}

fn visit(visit: &DossierVisit) -> Vec<String> {
    let until = visit.until.as_deref().map(|until| format!("until {until}"));
    let words = Some(visit.words.clone()).filter(|words| !words.is_empty());
    let why: Vec<String> = [words, until].into_iter().flatten().collect();
    let (canvas, step) = (visit.canvas.clone(), visit.step.clone());
    let batch = visit.batch.clone().unwrap_or_default();
    vec![out::instant(visit.at), canvas, step, visit.status.word().to_owned(), why.join(", "), batch]
}

fn membership(member: &DossierMembership) -> Vec<String> {
    // `win-back v1 sync until 2026-12-01 …`.
    let claims = member.claims.iter().map(|claim| {
        let until = claim.until.map(|until| format!(" until {}", out::instant(until))).unwrap_or_default();
        format!("{} {}{until}", claim.canvas, claim.step)
    });
    vec![
        member.audience.clone(),
        member.id.clone(),
        names::of_standing(member.standing).to_owned(),
        out::instant(member.since),
        member.keys.join(", "),
        claims.collect::<Vec<_>>().join(", "),
    ]
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
