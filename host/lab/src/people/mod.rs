//! Synthetic people: any number of them, the same ones for the same seed, and each with an external id, e-mail and
//! phone of their own.
//!
//! They are as untidy as real data: accents, several spellings of phones and e-mails, several e-mails, missing and
//! unusable values, people without any usable identifier, refused consent. Nobody real is meant: every e-mail domain
//! is reserved for examples (RFC 2606), and phone numbers are merely possible ones.

mod country;
mod csv;

use std::fmt::Write as _;

use fastrand::Rng;

pub use csv::{HEADER, write_csv};

/// One synthetic person. Empty text means that the value is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `user-` and the person's number, seven digits or more; unique.
    pub external_id: String,
    /// None, one or two addresses; among them unusable ones.
    pub emails: Vec<String>,
    /// None or one number, national or international, in various spellings.
    pub phones: Vec<String>,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// `f`, `m` or a word, in various spellings.
    pub gender: String,
    /// `YYYY-MM-DD`.
    pub birth_date: String,
    /// City.
    pub city: String,
    /// State, region or its code.
    pub state: String,
    /// Postal code.
    pub zip: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// Apple's advertising id; all zeros where tracking is limited.
    pub idfa: String,
    /// Google's advertising id.
    pub gaid: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Whether the device lets itself be tracked, if known.
    pub ad_tracking_enabled: Option<bool>,
    /// Whether the person forbade selling or sharing, if known.
    pub do_not_sell_or_share: Option<bool>,
    /// Consents as `purpose=granted` or `purpose=denied`, joined by `;`.
    pub consents: String,
    /// Attribute: `pro`, `team` or `free`.
    pub plan: &'static str,
    /// Attribute: days since the app was opened, 0 to 90.
    pub days_since_open: u32,
    /// Attribute: whether the person has the app.
    pub app_user: bool,
    /// Attribute: `meta` or `tiktok`, half and half.
    pub channel: &'static str,
}

/// An iterator over synthetic people.
#[derive(Debug, Clone)]
pub struct People {
    next: u64,
    count: u64,
    seed: u64,
}

impl People {
    /// The first `count` people of `seed`. A longer run begins with the same people.
    pub fn new(count: u64, seed: u64) -> People {
        People { next: 0, count, seed }
    }
}

impl Iterator for People {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        if self.next >= self.count {
            return None;
        }
        self.next += 1;
        Some(person(self.next - 1, self.seed))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.count - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

/// Person number `index` of `seed`.
fn person(index: u64, seed: u64) -> Person {
    let mut rng =
        Rng::with_seed((seed ^ 0x5eed).wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let rng = &mut rng;
    let country = country::pick(rng.u32(..1_000));
    let woman = rng.bool();
    let first = one(rng, if woman { country.women } else { country.men });
    let last = one(rng, country.families);
    let place = one(rng, country.places);
    // Two in a hundred have nothing that a partner could match.
    let unknown = rng.u32(..1_000) < 20;
    let tracking = match rng.u32(..100) {
        0..20 => None,
        20..85 => Some(true),
        _ => Some(false),
    };
    let (idfa, gaid) = if unknown { Default::default() } else { device_ids(rng, tracking) };
    Person {
        external_id: format!("user-{index:07}"),
        emails: if unknown { unusable(rng) } else { emails(rng, index, first, last) },
        phones: if unknown { Vec::new() } else { phones(rng, index, country) },
        first_name: name(rng, first),
        last_name: name(rng, last),
        gender: gender(rng, woman),
        birth_date: birth_date(rng),
        city: sometimes(rng, 850, place.city),
        state: sometimes(rng, 700, place.state),
        zip: if rng.u32(..1_000) < 850 { pattern(rng, place.zip) } else { String::new() },
        country: sometimes(rng, 960, country.code),
        idfa,
        gaid,
        time_zone: sometimes(rng, 800, country.time_zone),
        ad_tracking_enabled: tracking,
        do_not_sell_or_share: match rng.u32(..1_000) {
            0..15 => Some(true),
            15..300 => Some(false),
            _ => None,
        },
        consents: consents(rng),
        plan: match rng.u32(..100) {
            0..40 => "pro",
            40..60 => "team",
            _ => "free",
        },
        days_since_open: rng.u32(..=90),
        app_user: rng.u32(..100) < 65,
        channel: if rng.bool() { "meta" } else { "tiktok" },
    }
}

fn one<'t, T>(rng: &mut Rng, list: &'t [T]) -> &'t T {
    &list[rng.usize(..list.len())]
}

/// The value in so many of a thousand cases, else nothing.
fn sometimes(rng: &mut Rng, per_mille: u32, value: &str) -> String {
    if rng.u32(..1_000) < per_mille { value.to_string() } else { String::new() }
}

/// A name as people type it.
fn name(rng: &mut Rng, name: &str) -> String {
    match rng.u32(..1_000) {
        0..60 => String::new(),
        60..90 => name.to_uppercase(),
        90..120 => name.to_lowercase(),
        120..140 => format!(" {name} "),
        _ => name.to_string(),
    }
}

const DOMAINS: [&str; 9] = [
    "example.com",
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
    "acme.example",
    "shop.example.com",
    "bücher.example",
];

fn emails(rng: &mut Rng, index: u64, first: &str, last: &str) -> Vec<String> {
    let domain = one(rng, &DOMAINS);
    // The number keeps everybody's address their own.
    let mut address = String::with_capacity(48);
    local_part(&mut address, first);
    address.push('.');
    local_part(&mut address, last);
    let _ = write!(address, "{index}@{domain}");
    match rng.u32(..1_000) {
        0..70 => Vec::new(),
        70..85 => unusable(rng),
        85..105 => vec![address, format!("{}{index}@example.net", first.chars().next().unwrap_or('x').to_lowercase())],
        105..115 => vec![address.replacen('@', "+news@", 1)],
        115..165 => vec![address.to_uppercase()],
        165..185 => vec![format!("  {address} ")],
        _ => vec![address],
    }
}

/// The name in lower case without spaces and apostrophes; accents stay, as they may in an address.
fn local_part(address: &mut String, name: &str) {
    let letters = name.chars().filter(|letter| letter.is_alphabetic() || *letter == '-');
    address.extend(letters.flat_map(char::to_lowercase));
}

fn unusable(rng: &mut Rng) -> Vec<String> {
    match rng.u32(..6) {
        0 => vec!["n/a".into()],
        1 => vec!["unknown@".into()],
        2 => vec!["@example.com".into()],
        3 => vec!["no e-mail".into()],
        _ => Vec::new(),
    }
}

fn phones(rng: &mut Rng, index: u64, country: &country::Country) -> Vec<String> {
    if rng.u32(..1_000) < 250 {
        return Vec::new();
    }
    let national = country.mobile(index);
    let grouped = group(&national, country.groups);
    vec![match rng.u32(..100) {
        0..40 => format!("+{}{national}", country.calling),
        40..60 => format!("+{} {grouped}", country.calling),
        60..70 => format!("00{} {grouped}", country.calling),
        70..75 => {
            format!("+{} ({}) {}", country.calling, &national[..country.groups[0]], &national[country.groups[0]..])
        }
        75..78 => format!("tel:+{}-{}", country.calling, grouped.replace(' ', "-")),
        78..92 => format!("{}{grouped}", country.trunk),
        _ => format!("{}{national}", country.trunk),
    }]
}

/// Digits in groups of these lengths, parted by spaces.
fn group(digits: &str, lengths: &[usize]) -> String {
    let mut text = String::with_capacity(digits.len() + lengths.len());
    let mut rest = digits;
    for length in lengths {
        let (head, tail) = rest.split_at((*length).min(rest.len()));
        text.push_str(head);
        text.push(' ');
        rest = tail;
    }
    text.push_str(rest);
    text.truncate(text.trim_end().len());
    text
}

fn gender(rng: &mut Rng, woman: bool) -> String {
    match rng.u32(..1_000) {
        0..250 => "",
        250..270 => "non-binary",
        270..280 => "unknown",
        280..400 if woman => "Female",
        280..400 => "Male",
        400..450 if woman => "F",
        400..450 => "M",
        _ if woman => "f",
        _ => "m",
    }
    .to_string()
}

fn birth_date(rng: &mut Rng) -> String {
    let date = format!("{:04}-{:02}-{:02}", rng.u32(1940..2009), rng.u32(1..=12), rng.u32(1..=28));
    sometimes(rng, 700, &date)
}

fn device_ids(rng: &mut Rng, tracking: Option<bool>) -> (String, String) {
    let kind = rng.u32(..100);
    let id = match tracking {
        Some(false) => "00000000-0000-0000-0000-000000000000".to_string(),
        _ => uuid(rng),
    };
    match kind {
        0..30 => (id.to_uppercase(), String::new()),
        30..65 => (String::new(), id),
        _ => (String::new(), String::new()),
    }
}

fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..) & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn consents(rng: &mut Rng) -> String {
    match rng.u32(..1_000) {
        0..40 => "advertising=denied",
        40..60 => "advertising=denied;email=denied",
        60..160 => "",
        160..260 => "advertising=granted;email=denied",
        260..360 => "advertising=granted;email=granted",
        _ => "advertising=granted",
    }
    .to_string()
}

/// A pattern with `9` for any digit and `A` for any capital letter.
fn pattern(rng: &mut Rng, pattern: &str) -> String {
    let draw = |letter| match letter {
        '9' => rng.digit(10),
        'A' => char::from(rng.u8(b'A'..=b'Z')),
        other => other,
    };
    pattern.chars().map(draw).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let some: Vec<Person> = People::new(200, 7).collect();
        let more: Vec<Person> = People::new(500, 7).collect();
        assert_eq!(some[..], more[..200]);
        assert_ne!(some, People::new(200, 8).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_shares_a_usable_identifier() {
        let (mut ids, mut emails, mut phones, mut count) = (HashSet::new(), HashSet::new(), HashSet::new(), 0);
        for person in People::new(100_000, 1) {
            count += 1;
            assert!(ids.insert(person.external_id));
            for email in
                person.emails.iter().filter(|email| email.contains('@') && email.contains(|c: char| c.is_ascii_digit()))
            {
                assert!(emails.insert(email.trim().to_lowercase()), "{email}");
            }
            for phone in person.phones {
                assert!(phones.insert(phone.clone()), "{phone}");
            }
        }
        assert_eq!(count, 100_000);
        assert!(phones.len() > 70_000 && emails.len() > 85_000);
    }

    #[test]
    fn every_address_is_reserved_for_examples() {
        for person in People::new(20_000, 3) {
            for email in &person.emails {
                let Some((_, domain)) = email.trim().rsplit_once('@') else { continue };
                let domain = domain.to_lowercase();
                let reserved = ["example.com", "example.net", "example.org"]
                    .iter()
                    .any(|known| domain == *known || domain.ends_with(&format!(".{known}")))
                    || domain.ends_with(".example")
                    || domain.is_empty();
                assert!(reserved, "{email}");
            }
        }
    }

    #[test]
    fn the_untidy_cases_are_there() {
        let people: Vec<Person> = People::new(20_000, 1).collect();
        let share = |test: &dyn Fn(&Person) -> bool| people.iter().filter(|person| test(person)).count();
        let bare = |person: &Person| {
            person.phones.is_empty()
                && person.idfa.is_empty()
                && person.gaid.is_empty()
                && !person.emails.iter().any(|email| email.len() > 12)
        };
        assert!((300..2_000).contains(&share(&bare)));
        assert!((600..1_800).contains(&share(&|person| person.consents.contains("advertising=denied"))));
        assert!((100..900).contains(&share(&|person| person.emails.len() > 1)));
        assert!((9_500..10_500).contains(&share(&|person| person.channel == "meta")));
        assert!(
            (1_000..19_000).contains(&share(&|person| !person.first_name.is_ascii() || !person.last_name.is_ascii()))
        );
        for code in ["FR", "DE", "GB", "US", "ES", "IT", "JP", "NO"] {
            assert!(share(&|person| person.country == code) > 100, "{code}");
        }
    }
}
