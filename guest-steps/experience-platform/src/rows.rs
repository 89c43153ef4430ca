//! A profile of an export as a row of packed columns (contract, section 4).
use crate::api::text;
use crate::members::attributes;
use caravan_sdk::{Column, Settings};
use serde_json::Value;

/// Rows that are being read.
pub struct Page<'a> {
    /// Dotted paths of the fields that come along.
    paths: Vec<&'a str>,
    own_namespace: &'a str,
    /// For each kind of identifier a column, and another for each further value that somebody has.
    identities: [Vec<Column>; IDENTITIES.len()],
    attributes: Vec<Column>,
    joined: Vec<u8>,
}

/// Kinds of identifiers.
const IDENTITIES: [&str; 4] = ["ecid", "external_id", "email", "phone"];
/// How many values of a kind one person brings at most: the primary one, then the first.
const MOST: usize = 100;

impl<'a> Page<'a> {
    /// No rows yet.
    pub fn new(settings: &'a Settings) -> Page<'a> {
        let paths: Vec<&str> = attributes(settings).collect();
        let attributes = paths.iter().map(|path| column(format!("attributes.{}", name_of(path)), 0)).collect();
        let own_namespace = settings.text("external_id_namespace");
        Page { paths, own_namespace, identities: Default::default(), attributes, joined: Vec::new() }
    }

    /// Reads one line. One that is no JSON becomes a row without identifiers, so that it is counted as unlinked.
    pub fn push(&mut self, line: &[u8], audience: &str) {
        let profile: Value = serde_json::from_slice(line).unwrap_or_default();
        let map = &profile["identityMap"];
        let own = [self.own_namespace];
        let values = [
            identities(map, &["ECID"]).into_iter().filter(|ecid| ecid.bytes().any(|byte| byte != b'0')).collect(),
            identities(map, &own),
            identities(map, &["Email", "Email_LC_SHA256"]),
            identities(map, &["Phone_E.164", "Phone", "Phone_SHA256_E.164", "Phone_SHA256"]),
        ];
        let rows = self.joined.len();
        for ((columns, key), values) in self.identities.iter_mut().zip(IDENTITIES).zip(values) {
            while columns.len() < values.len() {
                columns.push(column(key.to_owned(), rows));
            }
            let mut values = values.into_iter();
            columns.iter_mut().for_each(|column| append(column, &values.next().unwrap_or_default()));
        }
        for (column, path) in self.attributes.iter_mut().zip(&self.paths) {
            append(column, &attribute(path.split('.').fold(&profile, |value, name| &value[name])));
        }
        let spaces = profile["segmentMembership"].as_object();
        let status = spaces.and_then(|spaces| spaces.values().find_map(|space| space[audience]["status"].as_str()));
        self.joined.push(u8::from(status != Some("exited")));
    }

    /// The columns of identifiers that some row has and of all attributes, and who joined. An attribute that is empty is so at
    /// Adobe.
    pub fn columns(self) -> (Vec<Column>, Vec<u8>) {
        let columns = self.identities.into_iter().flatten().chain(self.attributes);
        (columns.collect(), self.joined)
    }
}

/// What the attribute of a field is called: the last part of its path.
pub fn name_of(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A column in which so many rows have nothing.
fn column(key: String, rows: usize) -> Column {
    Column { key, text: Vec::new(), ends: vec![0; rows] }
}

fn append(column: &mut Column, value: &str) {
    column.text.extend_from_slice(value.as_bytes());
    column.ends.push(column.text.len() as u32);
}

/// A field as text; lists and objects as JSON, which the host reads as such.
fn attribute(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        value => text(value),
    }
}

/// All ids in some namespaces, the primary ones first; namespaces compare without case, and ids are never numbers.
fn identities(map: &Value, namespaces: &[&str]) -> Vec<String> {
    let (mut primary, mut rest) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        let spaces = map.as_object().into_iter().flatten();
        let of_space = spaces.filter(|(name, _)| name.eq_ignore_ascii_case(namespace));
        for item in of_space.filter_map(|(_, ids)| ids.as_array()).flatten() {
            let id = item["id"].as_str().unwrap_or_default().trim();
            let is_known = |ids: &Vec<String>| ids.iter().any(|known| known == id);
            if id.is_empty() || is_known(&primary) || is_known(&rest) {
                continue;
            }
            // What would be cut off below is not looked at: somebody with very many ids costs no more than one with few.
            let into = if item["primary"] == true { &mut primary } else { &mut rest };
            if into.len() < MOST {
                into.push(id.to_owned());
            }
        }
    }
    primary.append(&mut rest);
    primary.truncate(MOST);
    primary
}

#[cfg(test)]
mod tests {
    use super::Page;
    use caravan_sdk::{Settings, testing};

    #[test]
    fn identities_status_and_fields_become_columns() {
        let settings =
            Settings::parse(r#"{"external_id_namespace":"CRMID","attributes":"_lab.tier"}"#).expect("settings");
        let mut page = Page::new(&settings);
        let line = br#"{"identityMap":{"ecid":[{"id":" 38 "}],"EMAIL":[{"id":"b"},{"id":"a@x.y","primary":true}]},"_lab":{"tier":"gold"},"segmentMembership":{"ups":{"A":{"status":"realized"}}}}"#;
        page.push(line, "A");
        page.push(br#"{"identityMap":{"ECID":[{"id":"00000000000000000000000000000000000000"}]},"segmentMembership":{"ups":{"A":{"status":"exited"}}}}"#, "A");
        page.push(b"no json", "A");
        let (columns, joined) = page.columns();
        assert_eq!(joined, [1, 0, 1]);
        let seen: Vec<(&str, &[u8], &[u32])> =
            columns.iter().map(|column| (column.key.as_str(), &column.text[..], &column.ends[..])).collect();
        assert_eq!(
            seen,
            [
                ("ecid", &b"38"[..], &[2, 2, 2][..]),
                ("email", b"a@x.y", &[5, 5, 5]),
                ("email", b"b", &[1, 1, 1]),
                ("attributes.tier", b"gold", &[4, 4, 4])
            ]
        );
    }

    #[test]
    fn a_later_row_with_more_values_gets_columns_of_its_own_and_lists_come_along_as_json() {
        let settings = Settings::parse(r#"{"attributes":"_lab.tags"}"#).expect("settings");
        let mut page = Page::new(&settings);
        page.push(br#"{"identityMap":{"ECID":[{"id":"1"}]}}"#, "A");
        page.push(br#"{"identityMap":{"ECID":[{"id":"2"},{"id":"3"},{"id":"2"}]},"_lab":{"tags":["x",{"y":1}]}}"#, "A");
        let (columns, _) = page.columns();
        let seen: Vec<(&str, &[u8], &[u32])> =
            columns.iter().map(|column| (column.key.as_str(), &column.text[..], &column.ends[..])).collect();
        assert_eq!(
            seen,
            [
                ("ecid", &b"12"[..], &[1, 2][..]),
                ("ecid", b"3", &[0, 1]),
                ("attributes.tags", br#"["x",{"y":1}]"#, &[0, 13])
            ]
        );
    }

    #[test]
    fn of_very_many_ids_of_one_person_the_primary_one_and_the_first_count() {
        let settings = Settings::parse("{}").expect("settings");
        let ids: Vec<String> = (1..=50_000).map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        let line = format!(r#"{{"identityMap":{{"ECID":[{},{{"id":"p","primary":true}}]}}}}"#, ids.join(","));
        let mut page = Page::new(&settings);
        page.push(line.as_bytes(), "A");
        let (columns, _) = page.columns();
        let seen: Vec<&[u8]> = columns.iter().map(|column| &column.text[..]).collect();
        assert_eq!((seen.len(), seen[0], seen[1], seen[99]), (100, &b"p"[..], &b"1"[..], &b"99"[..]));
    }

    #[test]
    fn without_an_organisation_nothing_is_asked_and_the_cure_is_named() {
        let settings = Settings::parse(r#"{"api_key":"k","dataset":"d"}"#).expect("settings");
        let target = caravan_sdk::SourceTarget { folder: "prod".into(), audience: "A".into(), settings: String::new() };
        let (page, calls) =
            testing::with_partner(|_| testing::json(200, "{}"), || crate::members::next(&settings, &target, None));
        let Err(caravan_sdk::Fault::Misconfigured(cause)) = page else { panic!("refused") };
        assert!(calls.is_empty() && cause.message.contains("`organisation`"), "{cause:?}");
    }
}
