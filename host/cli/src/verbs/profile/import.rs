//! `caravan profile import`: people of files into the store; nobody enters a canvas by it.
use crate::args::{DeliveryArgs, Global};
use crate::fail::{End, Problems};
use crate::host::hands::{Hands, Sent};
use crate::out;
use crate::users::Users;
use caravan_model::{Code, Problem, Profile};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The most bad rows that are listed one by one.
const LISTED: usize = 20;

/// The people of a file, with what could not be read put aside.
struct Rows {
    users: Users,
    bad: u64,
    listed: Vec<Problem>,
    broken: Option<Problem>,
}

impl Iterator for &mut Rows {
    type Item = Profile;

    fn next(&mut self) -> Option<Profile> {
        loop {
            let row = match self.users.next_row() {
                Ok(row) => row?,
                Err(problem) => {
                    self.broken = Some(problem);
                    return None;
                }
            };
            match row.person {
                Ok(person) => return Some(person),
                Err(reason) => {
                    self.bad += 1;
                    if self.listed.len() < LISTED {
                        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
                        let file = self.users.path.display().to_string();
                        self.listed.push(Problem::new(Code::UserRow, reason).in_file(file).at_line(line));
                    }
                }
            }
        }
    }
}

/// Merges the people of files in; withdrawals among them are sent at once.
pub async fn import(global: &Global, files: &[PathBuf], delivery: &DeliveryArgs) -> anyhow::Result<End> {
    let (mut open, mut problems) = (Vec::new(), Vec::new());
    for path in files {
        match Users::open(path) {
            Ok(users) => open.push(Rows { users, bad: 0, listed: Vec::new(), broken: None }),
            Err(problem) => problems.push(problem),
        }
    }
    Problems::check(problems)?;
    Hands::with(global, Some(delivery), async |hands| {
        let (mut people, mut bad, mut owing, mut told) = (0, 0, 0, Vec::new());
        for mut rows in open {
            rows.users.warnings.iter().for_each(|warning| eprintln!("note: {warning}"));
            let imported = hands.runner().import_profiles(&mut rows).await?;
            people += imported.people;
            bad += rows.bad;
            owing = imported.owing;
            rows.listed.iter().for_each(|problem| eprintln!("{problem}"));
            told.push(json!({"file": rows.users.path, "people": imported.people, "bad": rows.bad}));
            if let Some(problem) = rows.broken {
                return Err(problem.into());
            }
        }
        // What an import before this one owed and did not send goes too.
        let sent = if hands.runner().owes().await? { Some(hands.deliver(global).await?) } else { None };
        if global.json {
            out::print_json(&json!({"people": people, "bad": bad, "owing": owing, "files": Value::Array(told),
                "delivery": sent.as_ref().map(Sent::as_json)}))?;
        } else {
            let mut text = format!("{} merged in", out::people(people));
            if bad > 0 {
                text.push_str(&format!("; {} cannot be read", out::plural(bad, "row", "rows")));
            }
            text.push('\n');
            if owing > 0 {
                text.push_str(&format!(
                    "{} owed removals from audiences\n",
                    out::plural(owing, "person is", "people are")
                ));
            }
            text.push_str(&sent.as_ref().map(Sent::in_words).unwrap_or_default());
            out::print(&text)?;
        }
        let end = sent.map_or(End::Done, |sent| sent.end());
        Ok(if end == End::Done && bad > 0 { End::NeedsYou } else { end })
    })
    .await
}
