//! Adding and removing people (contract, section 3): `POST segment/mapping/` with one slot per row and kind of id.
use crate::classify::{NOT_EDITABLE, Taken, classify};
use crate::{api, audiences};
use caravan_sdk::http::{self, Request};
use caravan_sdk::{Action, AudienceFault, Fault, Part, Report, Rows, Sink, Target, Values, fault, json, log, report};
use serde_json::Value;

/// Sends one part as one call.
pub fn sync(target: &Target, part: &Part) -> Report {
    let sent = send(target, part).and_then(|taken| match taken.partly {
        // Which rows TikTok did not take is not known. All of them once more is harmless.
        true => send(target, part).map(|again| again.partly || again.repeated),
        false => Ok(false),
    });
    match sent {
        // How many are missing after that is not known either: at least one.
        Ok(partly) => report::settled_but(part.rows, u32::from(partly)),
        Err(fault) => report::fault(explained(fault, target)),
    }
}

fn send(target: &Target, part: &Part) -> Result<Taken, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(Taken::default());
    }
    if rows.columns().is_empty() {
        return Err(fault::bug("no-columns", "The part has rows but no match keys."));
    }
    let mapping = Mapping::of(target, part.action, &rows);
    let write = |sink: &mut Sink<'_>| mapping.write(sink);
    let request = Request::post(api::HOST, api::path(&["segment", "mapping"])).json_stream(mapping.length(), &write);
    let taken = classify(&http::send(request)?)?;
    if taken.partly {
        log::warn(format!("TikTok took a part of {} rows only and does not say which.", part.rows));
    }
    Ok(taken)
}

/// "Not editable" has two reasons: the audience is still being made, or it takes nobody from us. The audience itself
/// tells (contract, section 6); this is a read, and comes only after the refusal.
fn explained(fault: Fault, target: &Target) -> Fault {
    let cause = match &fault {
        Fault::Audience(AudienceFault { cause, .. }) if cause.code == NOT_EDITABLE => cause,
        _ => return fault,
    };
    match audiences::details(&target.account, &target.audience) {
        Ok(Some(details)) if audiences::unusable(&details).is_none() && audiences::is_processing(&details) => {
            fault::preparing(None, cause.clone())
        }
        _ => fault,
    }
}

/// The body: `{"advertiser_ids":["7…"],"action":"add","id_schema":["EMAIL_SHA256",…],"batch_data":[[…],…]}`.
struct Mapping<'a> {
    head: String,
    /// What stands behind an id: the audience, and the comma to the next slot.
    between: String,
    /// The same at the end of a row.
    last: String,
    columns: &'a [Values<'a>],
    rows: usize,
}

const SLOT: &[u8] = b"{\"id\":\"";
const TAIL: &[u8] = b"]}";

impl<'a> Mapping<'a> {
    fn of(target: &Target, action: Action, rows: &'a Rows<'a>) -> Mapping<'a> {
        let action = match action {
            Action::Add => "add",
            Action::Remove => "delete",
        };
        let keys: Vec<&str> = rows.columns().iter().map(Values::key).collect();
        let head = format!(
            "{{\"advertiser_ids\":[{}],\"action\":\"{action}\",\"id_schema\":{},\"batch_data\":[",
            json::string(&target.account),
            Value::from(keys),
        );
        let audience = json::string(&target.audience);
        Mapping {
            head,
            between: format!("\",\"audience_ids\":[{audience}]}},"),
            last: format!("\",\"audience_ids\":[{audience}]}}]"),
            columns: rows.columns(),
            rows: rows.count(),
        }
    }

    /// Content-Length, from the columns' ends: a slot is `{}` or an id in its frame, behind each stands a comma or a
    /// bracket, a row begins with a bracket, and rows are parted by commas.
    fn length(&self) -> u64 {
        let frame = SLOT.len() + self.between.len();
        let slots = self.columns.iter().map(|values| {
            let filled = values.filled();
            values.text().len() + filled * frame + (self.rows - filled) * b"{},".len()
        });
        (self.head.len() + slots.sum::<usize>() + 2 * self.rows - 1 + TAIL.len()) as u64
    }

    fn write(&self, sink: &mut Sink<'_>) {
        sink.put(self.head.as_bytes());
        if let Some((last, before)) = self.columns.split_last() {
            for row in 0..self.rows {
                sink.put(if row == 0 { b"[" } else { b",[" });
                for values in before {
                    slot(values.get(row), b"{},", self.between.as_bytes(), sink);
                }
                slot(last.get(row), b"{}]", self.last.as_bytes(), sink);
            }
        }
        sink.put(TAIL);
    }
}

/// All ids are digests in hexadecimal, which need no escaping.
#[inline(always)]
fn slot(id: &[u8], empty: &[u8], after: &[u8], sink: &mut Sink<'_>) {
    if id.is_empty() {
        sink.put(empty);
    } else {
        sink.put_between(SLOT, id, after);
    }
}

#[cfg(test)]
mod tests;
