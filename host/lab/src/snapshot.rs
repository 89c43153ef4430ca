//! The lab's audiences in a file, so that a lab that is started again still knows who stands where.
//!
//! JSON lines: one for each audience, followed by its members, one line each. Accounts, counts, dials and quotas are
//! not kept: they are as at the start.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::call::Partner;
use crate::meta::NewAudience;
use crate::rows;
use crate::shelf::NewShelved;
use crate::tiktok::id_type;
use crate::world::World;

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    /// An audience; the lines that follow are its members.
    Audience(Kept),
    /// A member of the audience before: (key, value) of each cell.
    Member(Vec<(String, String)>),
}

/// An audience as kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    partner: String,
    account: String,
    id: String,
    name: String,
    description: String,
    kind: String,
    /// Where Meta's people come from, what TikTok calculates, or how many days Snapchat's stay.
    source: String,
}

fn bad(words: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.into())
}

/// Writes all audiences and members, into place by a rename.
pub(crate) fn save(world: &World, path: &Path) -> io::Result<()> {
    let half = path.with_extension("half");
    let mut out = BufWriter::new(File::create(&half)?);
    let mut put = |line: &Line| -> io::Result<()> {
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")
    };
    let owned = |(key, value): (&str, String)| (key.to_string(), value);
    for audience in world.meta().audiences() {
        put(&Line::Audience(Kept {
            partner: Partner::Meta.name().into(),
            account: audience.account.clone(),
            id: audience.id.clone(),
            name: audience.name.clone(),
            description: audience.description.clone(),
            kind: audience.subtype.clone(),
            source: audience.source.clone(),
        }))?;
        for row in audience.members.rows() {
            put(&Line::Member(row.into_iter().map(owned).collect()))?;
        }
    }
    for list in world.google().lists() {
        put(&Line::Audience(Kept {
            partner: Partner::Google.name().into(),
            account: list.account.clone(),
            id: list.id.clone(),
            name: list.name.clone(),
            description: list.description.clone(),
            kind: list.kind_word().into(),
            source: list.info.to_string(),
        }))?;
        for row in list.members.rows() {
            put(&Line::Member(row.into_iter().map(owned).collect()))?;
        }
    }
    let marketo = world.marketo();
    for list in marketo.lists() {
        put(&Line::Audience(Kept {
            partner: Partner::Marketo.name().into(),
            account: list.account.clone(),
            id: list.id.clone(),
            name: list.name.clone(),
            description: list.description.clone(),
            kind: list.workspace.clone(),
            source: String::new(),
        }))?;
        for row in marketo.rows(list) {
            put(&Line::Member(row))?;
        }
    }
    drop(marketo);
    for audience in world.tiktok().audiences() {
        put(&Line::Audience(Kept {
            partner: Partner::TikTok.name().into(),
            account: audience.account.clone(),
            id: audience.id.clone(),
            name: audience.name.clone(),
            description: String::new(),
            kind: audience.kind.clone(),
            source: audience.calculate_type.clone(),
        }))?;
        for (key, values) in audience.members.keys() {
            for value in values {
                put(&Line::Member(vec![(key.to_string(), value)]))?;
            }
        }
    }
    for partner in Partner::ALL {
        let Some(shelf) = world.shelf(partner) else { continue };
        for audience in shelf.audiences() {
            put(&Line::Audience(Kept {
                partner: partner.name().into(),
                account: audience.account.clone(),
                id: audience.id.clone(),
                name: audience.name.clone(),
                description: audience.description.clone(),
                kind: audience.kind.clone(),
                source: audience.retention_days.map(|days| days.to_string()).unwrap_or_default(),
            }))?;
            for (key, values) in audience.members.keys() {
                for value in values {
                    put(&Line::Member(vec![(key.to_string(), value)]))?;
                }
            }
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(half, path)
}

/// Reads what [`save`] wrote; audiences that are known already keep their members and get those of the file too.
pub(crate) fn restore(world: &World, path: &Path) -> io::Result<()> {
    let mut at: Option<(Partner, String)> = None;
    for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line: Line = serde_json::from_str(&line?).map_err(|wrong| bad(format!("line {}: {wrong}", number + 1)))?;
        match line {
            Line::Audience(kept) => at = Some(known(world, kept)?),
            Line::Member(cells) => {
                let (partner, id) = at.as_ref().ok_or_else(|| bad("a member before the first audience"))?;
                add(world, *partner, id, &cells).ok_or_else(|| bad(format!("line {}: no such key", number + 1)))?;
            }
        }
    }
    Ok(())
}

fn known(world: &World, kept: Kept) -> io::Result<(Partner, String)> {
    let partner = Partner::parse(&kept.partner).ok_or_else(|| bad(format!("no partner `{}`", kept.partner)))?;
    match partner {
        Partner::Meta if world.meta().existing(&kept.id).is_none() => {
            let new = NewAudience {
                id: Some(kept.id.clone()),
                name: kept.name,
                description: kept.description,
                subtype: kept.kind,
                source: kept.source,
                ..NewAudience::default()
            };
            world.meta().create(&kept.account, new);
        }
        Partner::Google if world.google().existing(&kept.id).is_none() => {
            let mut state = world.google();
            state.create(&kept.account, Some(kept.id.clone()), &kept.name);
            if let Some(list) = state.existing_mut(&kept.id) {
                list.describe(&kept.kind, kept.description, serde_json::from_str(&kept.source).unwrap_or_default());
            }
        }
        Partner::Marketo if world.marketo().existing(&kept.id).is_none() => {
            let mut state = world.marketo();
            state.create(&kept.account, Some(kept.id.clone()), &kept.name);
            if let Some(list) = state.existing_mut(&kept.id) {
                list.description = kept.description;
                list.workspace = kept.kind;
            }
        }
        Partner::TikTok if world.tiktok().existing(&kept.id).is_none() => {
            world.tiktok().create(&kept.account, Some(kept.id.clone()), &kept.name, &kept.kind, &kept.source);
        }
        // A source's people are set by whoever plays with it, and are not kept.
        Partner::Meta | Partner::Platform | Partner::TikTok => {}
        partner => {
            if let Some(mut shelf) = world.shelf(partner).filter(|shelf| shelf.existing(&kept.id).is_none()) {
                let new = NewShelved {
                    id: Some(kept.id.clone()),
                    name: kept.name,
                    description: kept.description,
                    kind: Some(kept.kind),
                    read_only: false,
                    retention_days: kept.source.parse().ok(),
                };
                shelf.create(&kept.account, new);
            }
        }
    }
    Ok((partner, kept.id))
}

/// Adds a member; none where a key or the audience is not known.
fn add(world: &World, partner: Partner, id: &str, cells: &[(String, String)]) -> Option<()> {
    match partner {
        Partner::Meta => {
            let keys = cells.iter().map(|(key, _)| rows::key(key)).collect::<Option<Vec<_>>>()?;
            let values: Vec<&str> = cells.iter().map(|(_, value)| value.as_str()).collect();
            let mut meta = world.meta();
            let members = &mut meta.audience(id)?.members;
            let schema = members.schema(&keys);
            members.add(schema, &values);
        }
        Partner::Google => {
            let keys = cells.iter().map(|(key, _)| rows::google_key(key)).collect::<Option<Vec<_>>>()?;
            let values: Vec<&str> = cells.iter().map(|(_, value)| value.as_str()).collect();
            let mut google = world.google();
            let members = &mut google.existing_mut(id)?.members;
            let schema = members.schema(&keys);
            members.add(schema, &values);
        }
        Partner::Marketo => {
            let mut fields: std::collections::HashMap<String, String> = cells.iter().cloned().collect();
            let lead = fields.remove("id")?.parse().ok()?;
            let email = fields.remove("email").unwrap_or_default();
            let mut marketo = world.marketo();
            marketo.know(lead, &email, fields);
            marketo.existing_mut(id)?.members.insert(lead);
        }
        Partner::TikTok => {
            let mut tiktok = world.tiktok();
            let members = &mut tiktok.members(id)?;
            for (key, value) in cells {
                members.add(id_type(key)?, value);
            }
        }
        partner => {
            let mut shelf = world.shelf(partner)?;
            let id_type = shelf.form().id_type;
            let audience = shelf.audience(None, id)?;
            for (key, value) in cells {
                audience.members.add(id_type(key)?, value);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_is_started_again_knows_who_stands_where() {
        let world = World::new(false, 1);
        let meta = world.meta().create("1", NewAudience { name: "A".into(), ..NewAudience::default() });
        let digest = "ab".repeat(32);
        let cells = [("EMAIL".to_string(), digest.clone()), ("FN".to_string(), digest.clone())];
        add(&world, Partner::Meta, &meta, &cells).expect("known keys");
        let tiktok = world.tiktok().create("1", None, "B", "Partner", "MULTIPLE_TYPES");
        add(&world, Partner::TikTok, &tiktok, &[("PHONE_SHA256".to_string(), digest.clone())]).expect("a known key");

        let google = world.google().create("1", None, "C");
        let cells = [("EMAIL".to_string(), digest.clone()), ("REGION".to_string(), "FR".to_string())];
        add(&world, Partner::Google, &google, &cells).expect("known keys");
        let marketo = world.marketo().create("123-ABC-456", None, "D");
        let cells = [("id".to_string(), "42".to_string()), ("email".to_string(), "a@example.com".to_string())];
        add(&world, Partner::Marketo, &marketo, &cells).expect("a lead");

        let folder = std::env::temp_dir().join(format!("caravan-lab-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("lab.json");
        save(&world, &file).expect("saved");
        let again = World::new(false, 1);
        restore(&again, &file).expect("restored");
        std::fs::remove_dir_all(&folder).expect("removed");

        assert_eq!(again.meta().existing(&meta).expect("there").members.keys().len(), 2);
        let keys = |standing: Option<crate::control::Standing>| standing.expect("there").keys;
        let of_google = [("EMAIL", vec![digest.clone()]), ("REGION", vec!["FR".to_string()])];
        assert_eq!(keys(crate::google::standing(&again, &google, false)), of_google);
        let of_marketo = [("EMAIL", vec!["a@example.com".to_string()]), ("EXTERNAL_ID", vec!["42".to_string()])];
        assert_eq!(keys(crate::marketo::standing(&again, &marketo, false)), of_marketo);
        assert_eq!(again.tiktok().existing(&tiktok).expect("there").members.keys(), [("PHONE_SHA256", vec![digest])]);
    }
}
