//! `caravan queue resend`.
use crate::args::{Global, ResendArgs};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{ask, out};
use caravan_runner::control::Resends;
use serde_json::json;

/// Sends people again whose visits ended without success.
pub async fn resend(global: &Global, args: &ResendArgs) -> anyhow::Result<End> {
    let step = args.step.as_ref().map(|step| format!(", step {step}")).unwrap_or_default();
    let reason = args.reason.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let which = format!("the {} people of {}{step}{reason}", args.status.word(), args.canvas);
    ask::confirm(global, &format!("this sends {which} again"))?;
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
            let mut text = format!("{} sent again", out::people(again.offered));
            if again.overtaken > 0 {
                text.push_str(&format!(
                    "; {} left alone: something newer of theirs has ended or waits there",
                    out::count(again.overtaken)
                ));
            }
            text.push('\n');
            text.push_str(&sent.as_ref().map(crate::host::hands::Sent::in_words).unwrap_or_default());
            out::print(&text)?;
        }
        Ok(sent.map_or(End::Done, |sent| sent.end()))
    })
    .await
}
