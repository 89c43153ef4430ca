//! `caravan audience refill | takeback | rebind | recreate`: what they queue is sent at once where connections are there.
use crate::args::{DeliveryArgs, Global};
use crate::fail::End;
use crate::host::hands::{Hands, Sent};
use crate::{ask, names, out};
use caravan_model::{Code, Problem};
use caravan_runner::control::current_name;
use caravan_store::Store;
use serde_json::{Map, Value, json};

/// The registered name that a person means.
async fn full_name(hands: &Hands, text: &str) -> anyhow::Result<String> {
    Ok(names::find_audience(&hands.store().audiences().await?, current_name(text))?.name.clone())
}

/// Sends what was queued, and tells both.
async fn send(
    global: &Global,
    hands: &Hands,
    queued: u64,
    words: String,
    facts: Map<String, Value>,
) -> anyhow::Result<End> {
    let sent = if queued > 0 { Some(hands.deliver(global).await?) } else { None };
    if global.json {
        let mut facts = facts;
        facts.insert("delivery".to_owned(), sent.as_ref().map(Sent::as_json).unwrap_or(Value::Null));
        out::print_json(&facts)?;
    } else {
        out::print(&format!("{words}\n{}", sent.as_ref().map(Sent::in_words).unwrap_or_default()))?;
    }
    Ok(sent.map_or(End::Done, |sent| sent.end()))
}

fn facts(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

/// Sends all of an audience again.
pub async fn refill(global: &Global, audience: &str, delivery: &DeliveryArgs) -> anyhow::Result<End> {
    ask::confirm(global, &format!("this sends everyone in {audience} again"))?;
    Hands::with(global, Some(delivery), async |hands| {
        let name = full_name(hands, audience).await?;
        let queued = hands.acting().refill(&name).await?;
        let words = format!("{} of {name} queued to be added again", out::people(queued));
        send(global, hands, queued, words, facts(json!({"audience": name, "queued": queued}))).await
    })
    .await
}

/// Takes back what a step did.
pub async fn take_back(global: &Global, canvas: &str, step: &str, delivery: &DeliveryArgs) -> anyhow::Result<End> {
    ask::confirm(global, &format!("this removes whom step {step} of {canvas} added and nothing else claims"))?;
    Hands::with(global, Some(delivery), async |hands| {
        let queued = hands.acting().take_back(canvas, step).await?;
        let words = format!(
            "{} queued to be taken back; those whom another step claims stay. Who comes to {step} later is added all \
             the same.",
            out::plural(queued, "claim", "claims")
        );
        send(global, hands, queued, words, facts(json!({"canvas": canvas, "step": step, "queued": queued}))).await
    })
    .await
}

/// Binds a name to another audience.
pub async fn rebind(
    global: &Global,
    audience: &str,
    id: &str,
    refill: bool,
    delivery: &DeliveryArgs,
) -> anyhow::Result<End> {
    let all = if refill { ", and adds everyone to it who is in the old one" } else { "" };
    ask::confirm(global, &format!("this sends what waits for {audience} to the audience {id}{all}"))?;
    Hands::with(global, Some(delivery), async |hands| {
        let name = full_name(hands, audience).await?;
        let rebound = hands.acting().rebind(&name, id, refill).await?;
        let words = match &rebound.from {
            Some(from) if *from == rebound.to => format!("{name} leads to {id} already"),
            from => {
                let was = from.as_ref().map_or("nowhere", |from| from.audience.as_str());
                format!(
                    "{name} leads to {id} now (before: {was}); {} moved, {} to be added from the old one",
                    out::plural(rebound.moved, "operation", "operations"),
                    out::people(rebound.refilled)
                )
            }
        };
        let told = facts(json!({"audience": name, "from": rebound.from, "to": rebound.to, "moved": rebound.moved,
            "refilled": rebound.refilled}));
        send(global, hands, rebound.moved + rebound.refilled, words, told).await
    })
    .await
}

/// Makes a deleted audience again.
pub async fn recreate(global: &Global, audience: &str, delivery: &DeliveryArgs) -> anyhow::Result<End> {
    ask::confirm(
        global,
        &format!("this makes {audience} again at the partner and sends everyone there who was in it"),
    )?;
    Hands::with(global, Some(delivery), async |hands| {
        if let Some(why) = hands.out_of_reach() {
            let words = format!("an audience is made at the partner, and nobody can be reached: {why}");
            return Err(Problem::new(Code::UnknownConnection, words).cure("name --connections").into());
        }
        let name = full_name(hands, audience).await?;
        let made = hands.acting().recreate(&name).await?;
        let words = format!(
            "{name} was made again as {}; {} moved there, {} to be added again",
            made.to.audience,
            out::plural(made.moved, "operation", "operations"),
            out::people(made.refilled)
        );
        let told = facts(json!({"audience": name, "to": made.to, "moved": made.moved, "refilled": made.refilled}));
        // Also where nobody goes there: removals that the old one owed end now.
        send(global, hands, (made.moved + made.refilled).max(1), words, told).await
    })
    .await
}
