//! `caravan queue resend`.
use crate::args::{Global, ResendArgs};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{ask, out};
use caravan_model::Status;
use caravan_runner::control::Resends;
use serde_json::json;

/// Sends people again whose visits ended without success.
pub async fn resend(global: &Global, args: &ResendArgs) -> anyhow::Result<End> {
    ask::confirm(global, &question(args))?;
    Hands::with(global, Some(&args.delivery), async |hands| {
        let what = Resends {
            canvas: args.canvas.clone(),
            step: args.step.clone(),
            status: args.status,
            reason: args.reason.clone(),
        };
        let again = hands.acting().resend(&what).await?;
        let sent = if again.offered > 0 { Some(hands.deliver(global).await?) } else { None };
        if global.json {
            out::print_json(&json!({"queued": again.offered, "overtaken": again.overtaken,
                "delivery": sent.as_ref().map(crate::host::hands::Sent::as_json)}))?;
        } else {
            let mut text = in_words(args.status, again.offered, again.overtaken);
            text.push_str(&sent.as_ref().map(crate::host::hands::Sent::in_words).unwrap_or_default());
            out::print(&text)?;
        }
        Ok(sent.map_or(End::Done, |sent| sent.end()))
    })
    .await
}

/// What is asked before.
pub fn question(args: &ResendArgs) -> String {
    let step = args.step.as_ref().map(|step| format!(", step {step}")).unwrap_or_default();
    let reason = args.reason.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let which = format!("the {} people of {}{step}{reason}", args.status.word(), args.canvas);
    match args.status {
        Status::Failed => format!("this calls the endpoints again for {which}"),
        _ => format!("this sends {which} again"),
    }
}

/// What was queued, for people.
pub fn in_words(status: Status, queued: u64, overtaken: u64) -> String {
    let why = match status {
        Status::Failed => "they have left the canvas since",
        _ => "something newer of theirs has ended or waits there",
    };
    let again = if status == Status::Failed { "called for again" } else { "sent again" };
    match overtaken {
        0 => format!("{} {again}\n", out::people(queued)),
        left => format!("{} {again}; {} left alone: {why}\n", out::people(queued), out::count(left)),
    }
}
