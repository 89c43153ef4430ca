//! What the columns of a users file mean.
use super::csv::Cells;
use caravan_model::{Consent, Profile};
use serde_json::{Map, Value};

/// The longest `external_id`, in bytes.
const LONGEST_ID: usize = 1_024;

/// A column that is a field of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The customer's own id.
    ExternalId,
    /// One of several values.
    Many(Many),
    /// A plain text.
    Text(Text),
    /// An ISO date.
    BirthDate,
    /// The device's tracking permission.
    AdTracking,
    /// *Do not sell or share*.
    DoNotSell,
    /// `advertising=granted;email=denied`, or an object.
    Consents,
    /// An object of attributes.
    Attributes,
}

/// A field with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// E-mail addresses.
    Emails,
    /// Phone numbers.
    Phones,
    /// Further ids.
    Aliases,
}

/// A plain field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is the field of `Profile` with that name.
pub enum Text {
    FirstName,
    LastName,
    Gender,
    City,
    State,
    Zip,
    Country,
    Idfa,
    Gaid,
    TimeZone,
    Locale,
}

const KNOWN: [(&str, Column); 22] = [
    ("external_id", Column::ExternalId),
    ("email", Column::Many(Many::Emails)),
    ("emails", Column::Many(Many::Emails)),
    ("phone", Column::Many(Many::Phones)),
    ("phones", Column::Many(Many::Phones)),
    ("aliases", Column::Many(Many::Aliases)),
    ("first_name", Column::Text(Text::FirstName)),
    ("last_name", Column::Text(Text::LastName)),
    ("gender", Column::Text(Text::Gender)),
    ("birth_date", Column::BirthDate),
    ("city", Column::Text(Text::City)),
    ("state", Column::Text(Text::State)),
    ("zip", Column::Text(Text::Zip)),
    ("country", Column::Text(Text::Country)),
    ("idfa", Column::Text(Text::Idfa)),
    ("gaid", Column::Text(Text::Gaid)),
    ("time_zone", Column::Text(Text::TimeZone)),
    ("locale", Column::Text(Text::Locale)),
    ("ad_tracking_enabled", Column::AdTracking),
    ("do_not_sell_or_share", Column::DoNotSell),
    ("consents", Column::Consents),
    ("attributes", Column::Attributes),
];

impl Column {
    /// The field of that name.
    pub fn known(name: &str) -> Option<Column> {
        KNOWN.iter().find(|(known, _)| *known == name).map(|(_, column)| *column)
    }
}

/// The columns of a CSV file.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<(String, Option<Column>)>,
}

impl Columns {
    /// From the names in the first line. A name that only looks like a field is kept as an attribute, with a warning.
    pub fn new(names: &[String], warnings: &mut Vec<String>) -> Result<Columns, String> {
        let mut columns: Vec<(String, Option<Column>)> = Vec::with_capacity(names.len());
        for name in names {
            let name = name.trim();
            if name.is_empty() {
                return Err("a column has no name".to_owned());
            }
            if columns.iter().any(|(other, _)| other == name) {
                return Err(format!("the column `{name}` is there twice"));
            }
            let known = Column::known(name);
            if known.is_none()
                && let Some((meant, _)) = KNOWN.iter().find(|(known, _)| bare(known) == bare(name))
            {
                warnings.push(format!("the column `{name}` is kept as an attribute; the field is called `{meant}`"));
            }
            columns.push((name.to_owned(), known));
        }
        if !columns.iter().any(|(_, column)| *column == Some(Column::ExternalId)) {
            return Err("there is no column `external_id`".to_owned());
        }
        Ok(Columns { columns })
    }

    /// The person of a row.
    pub fn profile(&self, cells: Cells<'_>) -> Result<Profile, String> {
        let mut profile = Profile::default();
        for ((name, column), cell) in self.columns.iter().zip(cells.iter()) {
            if cell.is_empty() {
                continue;
            }
            match column {
                Some(column) => set_text(&mut profile, *column, name, cell)?,
                None => {
                    if !cell.trim().is_empty() {
                        profile.attributes.insert(name.clone(), detect(cell));
                    }
                }
            }
        }
        finish(profile)
    }
}

/// A name as misspellings share it.
fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a person must have.
pub fn finish(profile: Profile) -> Result<Profile, String> {
    match profile.external_id.len() {
        0 => Err("external_id is missing".to_owned()),
        1..=LONGEST_ID => Ok(profile),
        _ => Err(format!("external_id is longer than {LONGEST_ID} bytes")),
    }
}

/// Sets a field from a cell. Blank is absent.
fn set_text(profile: &mut Profile, column: Column, name: &str, cell: &str) -> Result<(), String> {
    let trimmed = cell.trim();
    if trimmed.is_empty() {
        return Ok(());
    }
    match column {
        Column::ExternalId => profile.external_id = trimmed.to_owned(),
        Column::Many(many) => set_many(profile, many, trimmed),
        Column::Text(text) => *slot(profile, text) = Some(cell.to_owned()),
        Column::BirthDate => profile.birth_date = Some(date(trimmed, name)?),
        Column::AdTracking => profile.ad_tracking_enabled = Some(flag(trimmed, name)?),
        Column::DoNotSell => profile.do_not_sell_or_share = Some(flag(trimmed, name)?),
        Column::Consents if trimmed.starts_with('{') => consents(profile, &object(trimmed, name)?)?,
        Column::Consents => {
            for pair in trimmed.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (purpose, word) = pair.split_once('=').ok_or_else(|| {
                    format!("{name} cannot be read: write purpose=granted, several with `;` between them")
                })?;
                consent(profile, purpose.trim(), word.trim())?;
            }
        }
        Column::Attributes => profile.attributes.extend(object(trimmed, name)?),
    }
    Ok(())
}

/// Sets a field from a JSON value that is not null.
pub fn set_value(profile: &mut Profile, column: Column, name: &str, value: Value) -> Result<(), String> {
    match (column, value) {
        (_, Value::String(text)) => set_text(profile, column, name, &text),
        (Column::ExternalId | Column::Text(_) | Column::Many(_), Value::Number(number)) => {
            set_text(profile, column, name, &number.to_string())
        }
        (Column::Many(many), Value::Array(values)) => {
            values.iter().filter_map(scalar).for_each(|text| push(profile, many, &text));
            Ok(())
        }
        (Column::AdTracking, Value::Bool(flag)) => {
            profile.ad_tracking_enabled = Some(flag);
            Ok(())
        }
        (Column::DoNotSell, Value::Bool(flag)) => {
            profile.do_not_sell_or_share = Some(flag);
            Ok(())
        }
        (Column::Consents, Value::Object(map)) => consents(profile, &map),
        (Column::Attributes, Value::Object(map)) => {
            profile.attributes.extend(map);
            Ok(())
        }
        (_, other) => Err(format!("{name} cannot be {}", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn slot(profile: &mut Profile, text: Text) -> &mut Option<String> {
    match text {
        Text::FirstName => &mut profile.first_name,
        Text::LastName => &mut profile.last_name,
        Text::Gender => &mut profile.gender,
        Text::City => &mut profile.city,
        Text::State => &mut profile.state,
        Text::Zip => &mut profile.zip,
        Text::Country => &mut profile.country,
        Text::Idfa => &mut profile.idfa,
        Text::Gaid => &mut profile.gaid,
        Text::TimeZone => &mut profile.time_zone,
        Text::Locale => &mut profile.locale,
    }
}

/// Takes one or several values: a JSON array, or with `;` between them.
fn set_many(profile: &mut Profile, many: Many, cell: &str) {
    if cell.starts_with('[')
        && let Ok(Value::Array(values)) = serde_json::from_str(cell)
    {
        values.iter().filter_map(scalar).for_each(|text| push(profile, many, &text));
        return;
    }
    let mut rest = cell;
    while let Some(length) = value_length(rest, many) {
        push(profile, many, &rest[..length]);
        rest = &rest[length + 1..];
    }
    push(profile, many, rest);
}

/// The length of the first of several values; `None` where only one is left. The `;` of `tel:+1…;ext=5` parts nothing.
fn value_length(cell: &str, many: Many) -> Option<usize> {
    cell.match_indices(';').map(|(at, _)| at).find(|at| {
        let next = cell[at + 1..].trim_start().as_bytes();
        let goes_on =
            |word: &str| next.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()));
        many != Many::Phones || !["ext=", "isub=", "phone-context="].into_iter().any(goes_on)
    })
}

fn push(profile: &mut Profile, many: Many, value: &str) {
    let value = value.trim();
    let values = match many {
        Many::Emails => &mut profile.emails,
        Many::Phones => &mut profile.phones,
        Many::Aliases => &mut profile.aliases,
    };
    if !value.is_empty() && !values.iter().any(|other| other == value) {
        values.push(value.to_owned());
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn object(text: &str, name: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| format!("{name} is no JSON object"))
}

fn consents(profile: &mut Profile, map: &Map<String, Value>) -> Result<(), String> {
    map.iter().try_for_each(|(purpose, value)| match value {
        Value::Bool(true) => consent(profile, purpose, "granted"),
        Value::Bool(false) => consent(profile, purpose, "denied"),
        value => consent(profile, purpose, value.as_str().unwrap_or_default()),
    })
}

fn consent(profile: &mut Profile, purpose: &str, word: &str) -> Result<(), String> {
    let consent = match word.to_ascii_lowercase().as_str() {
        "granted" => Consent::Granted,
        "denied" => Consent::Denied,
        "unknown" => Consent::Unknown,
        _ => return Err(format!("the consent for `{purpose}` is none of granted, denied and unknown")),
    };
    profile.consents.insert(purpose.to_owned(), consent);
    Ok(())
}

fn flag(text: &str, name: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" => Ok(true),
        "false" | "0" | "no" | "n" => Ok(false),
        _ => Err(format!("{name} is neither true nor false")),
    }
}

/// An ISO date that is in the calendar.
fn date(text: &str, name: &str) -> Result<String, String> {
    let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match shaped && text.parse::<jiff::civil::Date>().is_ok() {
        true => Ok(text.to_owned()),
        false => Err(format!("{name} is no date as YYYY-MM-DD")),
    }
}

/// The value of a cell in a column of the customer's own: a number, `true`, `false`, a JSON list or object, else text.
///
/// What a spreadsheet would spoil stays text: leading zeros, plus signs, exponents, more digits than a number holds,
/// words such as `NO` and `on`.
pub(super) fn detect(cell: &str) -> Value {
    match cell.as_bytes() {
        b"true" | b"TRUE" => Value::Bool(true),
        b"false" | b"FALSE" => Value::Bool(false),
        [b'[' | b'{', ..] => serde_json::from_str(cell).unwrap_or_else(|_| Value::from(cell)),
        [b'-' | b'0'..=b'9', ..] if is_number(cell) => {
            serde_json::from_str(cell).map_or_else(|_| Value::from(cell), Value::Number)
        }
        _ => Value::from(cell),
    }
}

/// Whether a text is a decimal number that fifteen digits hold, written the only way.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !leading_zero && part.is_none_or(digits) && whole.len() + part.map_or(0, str::len) <= 15
}
