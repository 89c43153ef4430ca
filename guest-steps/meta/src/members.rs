//! Adding and removing people (contract, section 3): `POST` and `DELETE /<audience>/users` with the same JSON body.
use crate::api;
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Method, Request};
use caravan_sdk::json::Cells;
use caravan_sdk::{Action, Fault, Part, Report, Rows, Settings, Sink, Target, Values, fault, log, report};
use serde_json::Value;

/// Keys that leave as they are; all others are digests, which need no escaping in JSON.
const RAW: [&str; 2] = ["EXTERN_ID", "MADID"];

/// The manifest's flag: 2 where the person denied the sale of their data, which then is processed under Meta's *Limited
/// Data Use*.
const LIMITED: (&str, u8) = ("LDU", 2);
/// The columns that tell Meta so. Country and state 0: Meta finds out itself which law holds for the person.
const OPTIONS: [&str; 3] =
    ["DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE"];

/// Sends one part as one call.
pub fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    match send(settings, target, part) {
        Ok(refused) => report::settled_but(part.rows, refused),
        Err(fault) => report::fault(fault),
    }
}

/// How many rows Meta refused without naming them.
fn send(settings: &Settings, target: &Target, part: &Part) -> Result<u32, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(0);
    }
    if rows.columns().is_empty() {
        return Err(fault::bug("no-columns", "The part has rows but no match keys."));
    }
    let users = Users::of(&rows, part.action);
    let method = match part.action {
        Action::Add => Method::Post,
        Action::Remove => Method::Delete,
    };
    let path = api::path(settings, &[&target.audience, "users"]);
    let write = |sink: &mut Sink<'_>| users.write(sink);
    let request = Request::new(method, api::HOST, path).json_stream(users.length(), &write);
    let about = About::Audience { account: &target.account, audience: &target.audience };
    refused(&classify(&http::send(request)?, about)?, part.rows)
}

/// Reads `num_invalid_entries`. `invalid_entry_samples` names rows by their content, not their number, so that no row
/// can be named from it (traps, row 22).
fn refused(answer: &Value, rows: u32) -> Result<u32, Fault> {
    let number = |name: &str| answer[name].as_u64().or_else(|| answer[name].as_str()?.parse().ok());
    if answer["audience_id"].is_null() && number("num_received").is_none() {
        return Err(fault::unavailable(
            None,
            fault::cause("garbled", "Meta answered without saying what it received."),
        ));
    }
    if number("num_received") == Some(0) {
        log::warn(format!("Meta says that it received none of {rows} rows."));
    }
    let invalid = number("num_invalid_entries").unwrap_or_default();
    if invalid > 0 {
        log::warn(format!("Meta refused {invalid} of {rows} rows without naming them."));
    }
    Ok(u32::try_from(invalid).unwrap_or(u32::MAX))
}

/// The body: `{"payload":{"schema":["EMAIL",…],"data":[["<hex>",…],…]}}`.
///
/// Where someone's data is limited, each row ends in `["LDU"],0,0` or `[],0,0`; else nothing is said about that.
struct Users<'a> {
    head: String,
    cells: Vec<Cells<'a>>,
    rows: usize,
    limited: Option<&'a [u8]>,
}

const TAIL: &[u8] = b"]}}";
/// How a row ends: after its last value; of those whose data is limited; of the others beside them.
const ENDS: [&[u8]; 3] = [b"\"]", b"\",[\"LDU\"],0,0]", b"\",[],0,0]"];

impl<'a> Users<'a> {
    fn of(rows: &Rows<'a>, action: Action) -> Users<'a> {
        let limited = rows.flag(LIMITED.0).filter(|flag| action == Action::Add && flag.contains(&LIMITED.1));
        let options = OPTIONS.iter().copied().filter(|_| limited.is_some());
        let keys: Vec<&str> = rows.columns().iter().map(Values::key).chain(options).collect();
        let head = format!("{{\"payload\":{{\"schema\":{},\"data\":[", Value::from(keys));
        let cells = rows.columns().iter().map(|values| match RAW.contains(&values.key()) {
            true => Cells::texts(*values),
            false => Cells::digests(*values),
        });
        Users { head, cells: cells.collect(), rows: rows.count(), limited }
    }

    /// How a row ends.
    fn end(&self, row: usize) -> &'static [u8] {
        match self.limited.and_then(|limited| limited.get(row)) {
            None => ENDS[0],
            Some(&value) if value == LIMITED.1 => ENDS[1],
            Some(_) => ENDS[2],
        }
    }

    /// Content-Length, from the columns' ends: a row of n cells is two brackets, 2n quotes and n - 1 commas, and rows
    /// are parted by commas. What limits data is longer than a plain end.
    fn length(&self) -> u64 {
        let frame = 3 * self.cells.len() + 1;
        let values: u64 = self.cells.iter().map(Cells::length).sum();
        let longer = |row: usize| self.end(row).len() - ENDS[0].len();
        let options: usize = self.limited.map_or(0, |limited| (0..limited.len()).map(longer).sum());
        (self.head.len() + self.rows * (frame + 1) - 1 + TAIL.len() + options) as u64 + values
    }

    fn write(&self, sink: &mut Sink<'_>) {
        sink.put(self.head.as_bytes());
        if let Some((last, before)) = self.cells.split_last() {
            for row in 0..self.rows {
                sink.put(if row == 0 { b"[\"" } else { b",[\"" });
                for cells in before {
                    cells.put(row, b"\",\"", sink);
                }
                last.put(row, self.end(row), sink);
            }
        }
        sink.put(TAIL);
    }
}

#[cfg(test)]
mod tests;
