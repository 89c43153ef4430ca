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
    columns: Vec<Column>,
    joined: Vec<u8>,
}

/// Columns before those of the fields that come along.
const IDENTITIES: [&str; 4] = ["ecid", "external_id", "email", "phone"];

impl<'a> Page<'a> {
    /// No rows yet.
    pub fn new(settings: &'a Settings) -> Page<'a> {
        let paths: Vec<&str> = attributes(settings).collect();
        let named = paths.iter().map(|path| format!("attributes.{}", path.rsplit('.').next().unwrap_or(path)));
        let keys = IDENTITIES.iter().map(|key| (*key).to_owned()).chain(named);
        let columns = keys.map(|key| Column { key, text: Vec::new(), ends: Vec::new() }).collect();
        Page { paths, own_namespace: settings.text("external_id_namespace"), columns, joined: Vec::new() }
    }

    /// Reads one line. One that is no JSON becomes a row without identifiers, so that it is counted as unlinked.
    pub fn push(&mut self, line: &[u8], audience: &str) {
        let profile: Value = serde_json::from_slice(line).unwrap_or_default();
        let identities = &profile["identityMap"];
        let of = |names: &[&str]| names.iter().map(|name| identity(identities, name)).find(|id| !id.is_empty());
        let own = [self.own_namespace];
        let values = [
            of(&["ECID"]).filter(|ecid| ecid.bytes().any(|byte| byte != b'0')),
            of(&own),
            of(&["Email", "Email_LC_SHA256"]),
            of(&["Phone_E.164", "Phone", "Phone_SHA256_E.164", "Phone_SHA256"]),
        ];
        let fields =
            self.paths.iter().map(|path| Some(text(path.split('.').fold(&profile, |value, name| &value[name]))));
        for (column, value) in self.columns.iter_mut().zip(values.into_iter().chain(fields)) {
            column.text.extend_from_slice(value.unwrap_or_default().as_bytes());
            column.ends.push(column.text.len() as u32);
        }
        let spaces = profile["segmentMembership"].as_object();
        let status = spaces.and_then(|spaces| spaces.values().find_map(|space| space[audience]["status"].as_str()));
        self.joined.push(u8::from(status != Some("exited")));
    }

    /// The columns that some row has, and who joined.
    pub fn columns(self) -> (Vec<Column>, Vec<u8>) {
        let columns = self.columns.into_iter().filter(|column| !column.text.is_empty()).collect();
        (columns, self.joined)
    }
}

/// The id in a namespace, the primary one first; namespaces compare without case, and ids are never numbers.
fn identity(map: &Value, namespace: &str) -> String {
    let spaces = map.as_object().into_iter().flatten();
    let ids = spaces.filter(|(name, _)| name.eq_ignore_ascii_case(namespace)).find_map(|(_, ids)| ids.as_array());
    let ids = ids.map(Vec::as_slice).unwrap_or_default();
    let primary = ids.iter().find(|id| id["primary"] == true).or_else(|| ids.first());
    primary.and_then(|id| id["id"].as_str()).unwrap_or_default().trim().to_owned()
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
                ("attributes.tier", b"gold", &[4, 4, 4])
            ]
        );
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
