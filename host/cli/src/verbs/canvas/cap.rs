//! `caravan canvas cap`: how many may enter.
use crate::args::{CapArgs, Global};
use crate::fail::End;
use crate::host::hands::Hands;
use crate::{out, verbs};
use caravan_runner::control::{caps_of, what_waits};
use caravan_store::Caps;
use serde_json::json;

/// Shows the caps of a canvas, or changes those that are named.
pub async fn cap(global: &Global, args: CapArgs) -> anyhow::Result<End> {
    let canvas = args.canvas.clone();
    if !args.changes() {
        let store = verbs::look(global)?;
        what_waits(&store, &canvas).await?;
        return tell(global, &canvas, caps_of(&store, &canvas).await?);
    }
    Hands::with(global, None, async |hands| {
        let before = if args.off { Caps::default() } else { caps_of(hands.store(), &canvas).await? };
        let caps = Caps {
            in_all: args.total.or(before.in_all),
            a_day: args.day.or(before.a_day),
            a_run: args.run.or(before.a_run),
        };
        hands.acting().cap_canvas(&canvas, caps).await?;
        tell(global, &canvas, caps)
    })
    .await
}

/// Tells of a canvas's caps.
///
/// # Errors
/// It cannot be written.
pub fn tell(global: &Global, canvas: &str, caps: Caps) -> anyhow::Result<End> {
    if global.json {
        out::print_json(&json!({"canvas": canvas, "total": caps.in_all, "day": caps.a_day, "run": caps.a_run}))?;
        return Ok(End::Done);
    }
    let named = [(caps.in_all, "in all"), (caps.a_day, "a day"), (caps.a_run, "a run")];
    let words: Vec<String> =
        named.into_iter().filter_map(|(cap, of)| cap.map(|cap| format!("{} {of}", out::people(cap)))).collect();
    let text = match words.is_empty() {
        true => format!("{canvas} has no caps: all may enter whom its entry rule lets in\n"),
        false => format!("{canvas} lets in at most {}\n", words.join(", ")),
    };
    out::print(&text)?;
    Ok(End::Done)
}
