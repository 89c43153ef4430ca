//! Adding and removing people (contract, section 3): `POST audienceMembers:ingest` and `:remove`, one member per row.
use crate::api;
use crate::classify::{classify, row_of};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::json::{self, Cells};
use caravan_sdk::{Action, Fault, Part, Report, Rows, Settings, Sink, Target, fault, log, report};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// Digests, which need no escaping; all else may.
const DIGESTS: [&str; 4] = ["EMAIL", "PHONE", "GIVEN_NAME", "FAMILY_NAME"];
/// The manifest's flags, as Google names them.
const CONSENTS: [(&str, &str, &str); 2] = [
    ("AD_USER_DATA", "adUserData", "default_ad_user_data"),
    ("AD_PERSONALIZATION", "adPersonalization", "default_ad_personalization"),
];
/// What Google calls 0, 1 and 2.
const SAID: [&str; 3] = ["CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED", "CONSENT_DENIED"];

/// Sends one part as one call. Google takes all of it or nothing, and judges later.
pub fn sync(settings: &Settings, target: &Target, part: &Part) -> Report {
    match send(settings, target, part) {
        Ok(None) => report::settled(part.rows),
        Ok(Some(taken)) => {
            // How many rows there were is needed where all of them turn out to have failed, and when where Google knows nothing.
            let made = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let pending = Some(format!("{}/{}/{made}", part.rows, taken.request));
            Report { pending, ..report::settled_but(part.rows, taken.warned) }
        }
        Err(fault) => report::fault(fault),
    }
}

/// What Google said of a request that it took.
struct Taken {
    request: String,
    /// Rows that it warns about: processed, and worth a look.
    warned: u32,
}

fn send(settings: &Settings, target: &Target, part: &Part) -> Result<Option<Taken>, Fault> {
    let rows = Rows::of(part)?;
    if rows.count() == 0 {
        return Ok(None);
    }
    if rows.columns().is_empty() {
        return Err(fault::bug("no-columns", "The part has rows but no match keys."));
    }
    let adds = part.action == Action::Add;
    if adds && !settings.switch("terms_accepted") {
        let message = "Google takes people only of those who say that they accept its Customer Match terms: accept them, \
                       and switch on the setting `terms_accepted`.";
        return Err(Fault::Terms(fault::cause("terms-setting", message)));
    }
    let members = Members::of(settings, target, part.action, &rows)?;
    let write = |sink: &mut Sink<'_>| members.write(sink);
    let verb = if adds { "audienceMembers:ingest" } else { "audienceMembers:remove" };
    let request = Request::post(api::HOST, Path::new(["v1", verb])).json_stream(json::measure(&write), &write);
    match classify(&http::send(request)?) {
        Ok(answer) => taken(&answer, part.rows).map(Some),
        // A row that this part does not have was named by mistake: without others, none is.
        Err(Fault::Rows(mut named)) => {
            named.retain(|refusal| refusal.row < part.rows);
            match named.is_empty() {
                true => Err(fault::bug("strange-row", "Google names rows that were not sent.")),
                false => Err(Fault::Rows(named)),
            }
        }
        Err(fault) => Err(fault),
    }
}

fn taken(answer: &Value, rows: u32) -> Result<Taken, Fault> {
    let request = api::text(&answer["requestId"]);
    if request.is_empty() {
        let cause = fault::cause("garbled", "Google answered without naming the request.");
        return Err(fault::unavailable(None, cause));
    }
    let warnings = api::items(answer, "fieldWarnings");
    let mut warned: Vec<u32> = warnings.iter().filter_map(|warning| row_of(warning["field"].as_str()?)).collect();
    warned.sort_unstable();
    warned.dedup();
    if let Some(first) = warnings.first() {
        let reason = first["reason"].as_str().unwrap_or_default();
        log::warn(format!("Google warns of {} of {rows} rows: {reason}.", warned.len()));
    }
    Ok(Taken { request, warned: u32::try_from(warned.len()).unwrap_or(u32::MAX) })
}

/// What a row is at Google.
enum Shape<'a> {
    /// E-mail, phone, and the four parts of an address.
    Contact { email: Option<Cells<'a>>, phone: Option<Cells<'a>>, address: Option<Box<[Cells<'a>; 4]>> },
    /// An advertising id.
    Mobile(Cells<'a>),
    /// An id of ours.
    User(Cells<'a>),
}

/// The body: `{"destinations":[…],"audienceMembers":[…],…}`.
struct Members<'a> {
    head: String,
    shape: Shape<'a>,
    /// What people said: their words, or the setting's where they said nothing.
    consents: Option<[Consent<'a>; 2]>,
    tail: String,
    rows: usize,
}

/// One of the two questions.
struct Consent<'a> {
    name: &'static str,
    said: Option<&'a [u8]>,
    otherwise: u8,
}

impl Consent<'_> {
    /// Nothing, granted or denied, in a person's own words.
    fn own(&self, row: usize) -> u8 {
        self.said.and_then(|said| said.get(row)).copied().unwrap_or_default().min(2)
    }

    fn word(&self, row: usize) -> &'static str {
        let said = match self.own(row) {
            0 => self.otherwise,
            own => own,
        };
        SAID[usize::from(said)]
    }
}

impl<'a> Members<'a> {
    fn of(settings: &Settings, target: &Target, action: Action, rows: &Rows<'a>) -> Result<Members<'a>, Fault> {
        let account = api::account(&target.account)?;
        let login = match api::login(settings)? {
            Some(login) => format!(r#","loginAccount":{{"accountType":"GOOGLE_ADS","accountId":"{login}"}}"#),
            None => String::new(),
        };
        let head = format!(
            r#"{{"destinations":[{{"operatingAccount":{{"accountType":"GOOGLE_ADS","accountId":"{account}"}}{login},"productDestinationId":{}}}],"audienceMembers":["#,
            json::string(&target.audience),
        );
        let shape = shape(rows)?;
        let adds = action == Action::Add;
        let consents = CONSENTS.map(|(flag, name, setting)| {
            let otherwise = match settings.text(setting) {
                "granted" => 1,
                "denied" => 2,
                _ => 0,
            };
            Consent { name, said: rows.flag(flag), otherwise }
        });
        let mut tail = String::from("]");
        if adds && consents.iter().any(|consent| consent.otherwise != 0) {
            let [data, ads] = &consents;
            let word = |consent: &Consent<'_>| SAID[usize::from(consent.otherwise)];
            tail += &format!(r#","consent":{{"{}":"{}","{}":"{}"}}"#, data.name, word(data), ads.name, word(ads));
        }
        if matches!(shape, Shape::Contact { .. }) {
            tail += r#","encoding":"HEX""#;
        }
        if adds {
            tail += r#","termsOfService":{"customerMatchTermsOfServiceStatus":"ACCEPTED"}"#;
        }
        tail += "}";
        Ok(Members { head, shape, consents: adds.then_some(consents), tail, rows: rows.count() })
    }

    fn write(&self, sink: &mut Sink<'_>) {
        sink.put(self.head.as_bytes());
        for row in 0..self.rows {
            sink.put(if row == 0 { b"{" } else { b",{" });
            match &self.shape {
                Shape::Mobile(ids) => {
                    sink.put(br#""mobileData":{"mobileIds":[""#);
                    ids.put(row, br#""]}"#, sink);
                }
                Shape::User(ids) => {
                    sink.put(br#""userIdData":{"userId":""#);
                    ids.put(row, br#""}"#, sink);
                }
                Shape::Contact { email, phone, address } => contact(row, [email, phone], address.as_deref(), sink),
            }
            self.consent(row, sink);
            sink.put(b"}");
        }
        sink.put(self.tail.as_bytes());
    }

    /// Whoever said something is quoted; what the whole request says holds for the others.
    fn consent(&self, row: usize, sink: &mut Sink<'_>) {
        let Some(consents) = self.consents.as_ref().filter(|all| all.iter().any(|one| one.own(row) != 0)) else {
            return;
        };
        for (before, consent) in [&br#","consent":{""#[..], br#",""#].into_iter().zip(consents) {
            sink.put_between(before, consent.name.as_bytes(), br#"":""#);
            sink.put_between(b"", consent.word(row).as_bytes(), br#"""#);
        }
        sink.put(b"}");
    }
}

fn shape<'a>(rows: &Rows<'a>) -> Result<Shape<'a>, Fault> {
    let cells = |key: &str| {
        let found = rows.columns().iter().find(|values| values.key() == key)?;
        Some(if DIGESTS.contains(&key) { Cells::digests(*found) } else { Cells::texts(*found) })
    };
    if let Some(ids) = cells("IDFA").or_else(|| cells("GAID")) {
        return Ok(Shape::Mobile(ids));
    }
    if let Some(ids) = cells("USER_ID") {
        return Ok(Shape::User(ids));
    }
    let address = match [cells("GIVEN_NAME"), cells("FAMILY_NAME"), cells("REGION"), cells("POSTAL")] {
        [Some(given), Some(family), Some(region), Some(postal)] => Some(Box::new([given, family, region, postal])),
        _ => None,
    };
    match (cells("EMAIL"), cells("PHONE"), address) {
        (None, None, None) => Err(fault::bug("no-columns", "The part has no key that Google takes.")),
        (email, phone, address) => Ok(Shape::Contact { email, phone, address }),
    }
}

/// `"userData":{"userIdentifiers":[{"emailAddress":"…"},…]}`: each identifier is an object of its own.
fn contact(row: usize, single: [&Option<Cells<'_>>; 2], address: Option<&[Cells<'_>; 4]>, sink: &mut Sink<'_>) {
    sink.put(br#""userData":{"userIdentifiers":["#);
    let mut first = true;
    let mut open = |before: &[u8], sink: &mut Sink<'_>| {
        sink.put(if std::mem::take(&mut first) { b"" } else { b"," });
        sink.put(before);
    };
    for (before, cells) in [&br#"{"emailAddress":""#[..], br#"{"phoneNumber":""#].into_iter().zip(single) {
        let Some(cells) = cells.as_ref().filter(|cells| !cells.values().get(row).is_empty()) else { continue };
        open(before, sink);
        cells.put(row, br#""}"#, sink);
    }
    if let Some(parts) = address.filter(|parts| parts.iter().all(|cells| !cells.values().get(row).is_empty())) {
        open(br#"{"address":{"givenName":""#, sink);
        let after: [&[u8]; 4] = [br#"","familyName":""#, br#"","regionCode":""#, br#"","postalCode":""#, br#""}}"#];
        for (cells, after) in parts.iter().zip(after) {
            cells.put(row, after, sink);
        }
    }
    sink.put(b"]}");
}

#[cfg(test)]
mod tests;
