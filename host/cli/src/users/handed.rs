//! Files that a platform hands over, as file destinations of Adobe Experience Platform write them: one member of an
//! audience a row, with the status of the membership, in columns by comma, semicolon or tab.
use super::buffer::Buffer;
use super::csv::Records;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

/// The longest identifier, in bytes.
const LONGEST: usize = 1_000;

/// What a column of such a file means, as a configuration may say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An identifier: `external_id`, `ecid`, `alias`, `email`, `phone`.
    Identity(&'static str),
    /// `status`: whether the row's member is in, or has left.
    Status,
    /// `audience`: its id or name.
    Audience,
    /// `attributes.NAME`.
    Attribute(String),
    /// `-`: nothing.
    Nothing,
}

const IDENTITIES: [&str; 5] = ["external_id", "ecid", "alias", "email", "phone"];

impl Meaning {
    /// The meaning of a word in a configuration.
    pub fn of_word(word: &str) -> Option<Meaning> {
        match word {
            "status" => Some(Meaning::Status),
            "audience" => Some(Meaning::Audience),
            "-" => Some(Meaning::Nothing),
            _ => match word.strip_prefix("attributes.").filter(|name| !name.is_empty()) {
                Some(name) => Some(Meaning::Attribute(name.to_owned())),
                None => IDENTITIES.into_iter().find(|identity| *identity == word).map(Meaning::Identity),
            },
        }
    }

    /// What a column is by its name alone: of the platform's namespaces and fields, else an attribute that is called by the
    /// last part of its path.
    fn of_name(name: &str) -> Meaning {
        let lower = name.to_lowercase();
        let bare = lower.strip_prefix("identitymap.").or_else(|| lower.strip_prefix("identities.")).unwrap_or(&lower);
        match bare {
            "segmentmembershipstatus" | "status" => Meaning::Status,
            _ if bare.starts_with("segmentmembership.") && bare.ends_with(".status") => Meaning::Status,
            "audience" | "audienceid" | "audience_id" | "audiencename" | "segment" | "segmentid" | "segment_id"
            | "segmentname" => Meaning::Audience,
            "ecid" => Meaning::Identity("ecid"),
            "external_id" | "externalid" | "crmid" => Meaning::Identity("external_id"),
            "alias" | "aliases" => Meaning::Identity("alias"),
            "email" | "emails" | "email_lc_sha256" | "personalemail.address" | "workemail.address" => {
                Meaning::Identity("email")
            }
            "phone" | "phones" | "phone_e.164" | "phone_sha256" | "phone_sha256_e.164" | "mobilephone.number"
            | "homephone.number" | "workphone.number" => Meaning::Identity("phone"),
            _ => Meaning::Attribute(name.rsplit('.').next().unwrap_or(name).to_owned()),
        }
    }
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedMember {
    /// Keys of identifiers and attributes with their values; of an attribute also an empty one.
    pub values: Vec<(String, String)>,
    /// False = has left.
    pub joined: bool,
}

/// A row: a member, none where it is of another audience, or what is wrong with it.
pub type HandedRow = (u64, Result<Option<HandedMember>, String>);

/// A file that was handed over, open behind its head.
#[derive(Debug)]
pub struct Handed {
    records: Records<File>,
    columns: Vec<(String, Meaning)>,
}

impl Handed {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// In words, why it cannot be read.
    pub fn open(path: &Path, mapping: &BTreeMap<String, Meaning>) -> Result<Handed, String> {
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        let mut buffer = Buffer::new(File::open(path).map_err(unreadable)?);
        buffer.skip_mark().map_err(unreadable)?;
        let start = buffer.peek().map_err(unreadable)?;
        if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
            return Err("it is in UTF-16: have it written as UTF-8".to_owned());
        }
        let mut records = Records::new(buffer);
        let names = match records.head().map_err(unreadable)? {
            None => return Err("it is empty".to_owned()),
            Some((_, Err(why))) => return Err(format!("the line with the column names cannot be read: {why}")),
            Some((_, Ok(names))) => names,
        };
        let mut columns: Vec<(String, Meaning)> = Vec::with_capacity(names.len());
        for name in names {
            let name = name.trim().to_owned();
            let meaning = mapping.get(&name).cloned().unwrap_or_else(|| Meaning::of_name(&name));
            let once = matches!(meaning, Meaning::Status | Meaning::Attribute(_));
            if let Some((other, _)) = columns.iter().find(|(_, other)| once && *other == meaning) {
                return Err(format!(
                    "its columns `{other}` and `{name}` would be one: say under `columns` of the hand-over what each is"
                ));
            }
            columns.push((name, meaning));
        }
        if !columns.iter().any(|(_, meaning)| matches!(meaning, Meaning::Identity(_))) {
            return Err(
                "none of its columns is an identifier (ECID, Email, Phone, external_id): say under `columns` of the \
                        hand-over which is one"
                    .to_owned(),
            );
        }
        records.expect_cells(columns.len());
        Ok(Handed { records, columns })
    }

    /// Whether there is a column of this meaning.
    pub fn has(&self, meaning: &Meaning) -> bool {
        self.columns.iter().any(|(_, other)| other == meaning)
    }

    /// The attributes that every row has, be it empty.
    pub fn attributes(&self) -> impl Iterator<Item = String> {
        self.columns.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Attribute(name) => Some(format!("attributes.{name}")),
            _ => None,
        })
    }

    /// The next row; those of another audience than this, where rows name theirs, hold no member.
    ///
    /// # Errors
    /// The file could not be read on.
    pub fn next_row(&mut self, audience: &str) -> io::Result<Option<HandedRow>> {
        let columns = &self.columns;
        let Some((line, cells)) = self.records.next()? else { return Ok(None) };
        let read = cells.and_then(|cells| member(columns, cells.iter(), audience));
        Ok(Some((line, read)))
    }
}

fn member<'a>(
    columns: &[(String, Meaning)],
    cells: impl Iterator<Item = &'a str>,
    audience: &str,
) -> Result<Option<HandedMember>, String> {
    let mut member = HandedMember { values: Vec::with_capacity(columns.len()), joined: true };
    let (mut named, mut is_ours) = (false, false);
    for ((name, meaning), cell) in columns.iter().zip(cells) {
        let cell = cell.trim();
        match meaning {
            Meaning::Nothing => {}
            Meaning::Audience => (named, is_ours) = (true, is_ours || cell == audience),
            Meaning::Status => {
                member.joined = match cell.to_lowercase().as_str() {
                    "realized" | "existing" => true,
                    "exited" => false,
                    "" => return Err(format!("{name} is empty")),
                    _ => return Err(format!("{name} is none of realized, existing, exited")),
                }
            }
            Meaning::Attribute(name) => member.values.push((format!("attributes.{name}"), cell.to_owned())),
            Meaning::Identity(key) => {
                for value in several(cell) {
                    if value.len() > LONGEST {
                        return Err(format!("{name} is longer than {LONGEST} bytes"));
                    }
                    if *key == "ecid" {
                        if !value.bytes().all(|byte| byte.is_ascii_digit()) {
                            let words = "is no whole number: keep it as text, for a spreadsheet rounds it";
                            return Err(format!("{name} {words}"));
                        }
                        if value.bytes().all(|byte| byte == b'0') {
                            continue;
                        }
                    }
                    member.values.push(((*key).to_owned(), value));
                }
            }
        }
    }
    Ok((is_ours || !named).then_some(member))
}

/// The values of a cell: one, a JSON list, or several with `;` between them.
fn several(cell: &str) -> Vec<String> {
    if cell.starts_with('[')
        && let Ok(values) = serde_json::from_str::<Vec<String>>(cell)
    {
        return values.iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect();
    }
    cell.split(';').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, mapping: &[(&str, &str)], audience: &str) -> Result<Vec<HandedRow>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).expect("written");
        let meaning = |word: &str| Meaning::of_word(word).expect("a meaning");
        let mapping = mapping.iter().map(|(name, word)| ((*name).to_owned(), meaning(word))).collect();
        let mut file = Handed::open(&path, &mapping)?;
        Ok(std::iter::from_fn(|| file.next_row(audience).expect("read")).collect())
    }

    fn values(row: &HandedRow) -> Vec<(&str, &str)> {
        let Ok(Some(member)) = &row.1 else { panic!("{row:?}") };
        member.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    #[test]
    fn columns_of_the_platform_are_known_and_others_are_attributes_or_as_it_is_said() {
        let text = "ECID\tidentityMap.Email\tPhone_E.164\tsegmentMembershipStatus\t_acme.tier\tCRM number\n\
                    89149270342662559642753730269986316601;7\ta@x.example\t+33140402290\trealized\tgold\tc1\n\
                    00000000000000000000000000000000000000\t[\"b@x.example\",\"c@x.example\"]\t\texited\t\t\n";
        let rows = rows(text, &[("CRM number", "external_id")], "").expect("rows");
        assert_eq!(
            values(&rows[0]),
            [
                ("ecid", "89149270342662559642753730269986316601"),
                ("ecid", "7"),
                ("email", "a@x.example"),
                ("phone", "+33140402290"),
                ("attributes.tier", "gold"),
                ("external_id", "c1")
            ]
        );
        assert_eq!(values(&rows[1]), [("email", "b@x.example"), ("email", "c@x.example"), ("attributes.tier", "")]);
        assert!(matches!(&rows[1].1, Ok(Some(member)) if !member.joined));
    }

    #[test]
    fn a_broken_row_costs_itself_and_tells_its_line_and_none_of_its_values() {
        let text = "Email,ECID,segmentMembershipStatus\na@x.example,1,realized\nb@x.example,8.91E+37,realized\n\
                    c@x.example,,maybe\nd@x.example,\ne@x.example,,existing\n";
        let rows = rows(text, &[], "").expect("rows");
        let wrong: Vec<(u64, &str)> =
            rows.iter().filter_map(|(line, row)| Some((*line, row.as_ref().err()?.as_str()))).collect();
        assert_eq!(wrong.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 5]);
        assert!(wrong[0].1.contains("no whole number") && wrong[1].1.contains("realized, existing, exited"));
        assert!(wrong[2].1.contains("2 cells where the first line has 3"), "{wrong:?}");
    }

    #[test]
    fn rows_of_another_audience_are_passed_over_and_a_head_that_cannot_be_understood_is_refused() {
        let text = "segmentId,Email,segmentMembershipStatus\nA,a@x.example,realized\nB,b@x.example,realized\n";
        let of_a = rows(text, &[], "A").expect("rows");
        assert!(matches!((&of_a[0].1, &of_a[1].1), (Ok(Some(_)), Ok(None))));
        for (text, part) in [
            ("", "empty"),
            ("name,segmentMembershipStatus\n", "none of its columns is an identifier"),
            ("Email,a.tier,b.tier,segmentMembershipStatus\n", "would be one"),
        ] {
            let wrong = rows(text, &[], "").expect_err("refused");
            assert!(wrong.contains(part), "{wrong}");
        }
    }
}
