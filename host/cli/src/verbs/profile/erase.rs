//! `caravan profile erase`.
use super::receipts;
use crate::args::{DeliveryArgs, Global};
use crate::fail::End;
use crate::host::hands::{Hands, Sent};
use crate::{ask, out};
use caravan_model::{Code, Problem, ProfileId};
use caravan_runner::control;
use caravan_store::{Receipt, Store};
use serde_json::json;

/// The most receipts that are read of one person.
const RECEIPTS: usize = 10_000;

/// Who is to be erased.
#[derive(Debug, Default)]
struct Named {
    people: Vec<ProfileId>,
    /// Removals of people who were erased before; who was in no audience left none.
    before: Vec<Receipt>,
}

/// Erases people, and sends the removals that this owes.
pub async fn erase(global: &Global, identifiers: &[String], delivery: &DeliveryArgs) -> anyhow::Result<End> {
    // Looked for first: a misspelt one is said before anything is asked.
    let found = find(&super::super::look(global)?, identifiers).await?;
    if !found.people.is_empty() {
        let people = out::people(found.people.len() as u64);
        let what = format!("this forgets {people} for ever, and removes them from every audience that holds them");
        ask::confirm(global, &what)?;
    }
    Hands::with(global, Some(delivery), async |hands| {
        // Anew, under the store's lock.
        let Named { people, before } = find(hands.store(), identifiers).await?;
        let erased = hands.acting().erase(&people).await?;
        // What a command before this one owed and did not send goes too.
        let sent = if hands.runner().owes().await? { Some(hands.deliver(global).await?) } else { None };
        let mut proofs = Vec::new();
        for profile in people.iter().copied().chain(before.iter().map(|receipt| receipt.profile)) {
            for receipt in hands.store().receipts(Some(profile), RECEIPTS).await? {
                if !proofs.contains(&receipt) {
                    proofs.push(receipt);
                }
            }
        }
        let proofs = control::receipts(&proofs, &hands.store().audiences().await?);
        if global.json {
            out::print_json(&json!({"erased": people.len(), "entries": erased.entries, "owed": erased.owed,
                "receipts": proofs, "delivery": sent.as_ref().map(Sent::as_json)}))?;
        } else {
            let mut text = format!(
                "{} forgotten; {} ended; {} owed\n",
                out::people(people.len() as u64),
                out::plural(erased.entries, "entry", "entries"),
                out::plural(erased.owed, "removal is", "removals are")
            );
            text.push_str(&sent.as_ref().map(Sent::in_words).unwrap_or_default());
            text.push_str(&receipts::in_words(&proofs));
            out::print(&text)?;
        }
        Ok(sent.map_or(End::Done, |sent| sent.end()))
    })
    .await
}

/// Everyone who is named, each by an identifier that only they have.
async fn find(store: &impl Store, identifiers: &[String]) -> anyhow::Result<Named> {
    let mut named = Named::default();
    for (place, identifier) in (1..).zip(identifiers) {
        let found = store.find(identifier).await?;
        match found.as_slice() {
            [one] => {
                if !named.people.contains(one) {
                    named.people.push(*one);
                }
            }
            [] => {
                let before = store.receipts_of(identifier).await?;
                if before.is_empty() && store.erased_at(identifier).await?.is_none() {
                    let words = format!("nobody in this store has the identifier in place {place}; nobody was erased");
                    let cure = "look for them by `profile trace`; who was erased before is gone already";
                    return Err(Problem::new(Code::NotFound, words).cure(cure).into());
                }
                named.before.extend(before);
            }
            several => {
                let mut ids = Vec::new();
                for profile in several {
                    ids.extend(store.trace(*profile).await?.map(|trace| trace.profile.external_id));
                }
                let words = format!("{} people have the identifier in place {place}; nobody was erased", several.len());
                let cure = format!("name those whom you mean by their external ids: {}", ids.join(", "));
                return Err(Problem::new(Code::NotFound, words).cure(cure).into());
            }
        }
    }
    Ok(named)
}
