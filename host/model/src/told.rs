//! When what is known of people was told: of two words on one field the newer wins (design, 11.13).
use crate::{Consent, Millis, Profile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When the fields of a profile were told of. Names are those of the profile's serde form, with `consents.PURPOSE` and
/// `attributes.NAME` (the whole value below a name is one field).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Fields that `of` does not name; 0 = no time is known.
    pub at: Millis,
    /// Fields that were told of at another time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub of: BTreeMap<String, Millis>,
}

impl Told {
    /// All of it at one time.
    pub fn at(at: Millis) -> Told {
        Told { at, of: BTreeMap::new() }
    }

    /// Whether no time is known.
    pub fn is_nothing(&self) -> bool {
        self.at == Millis(0) && self.of.is_empty()
    }

    /// When a field was told of; 0 = no time is known.
    pub fn when(&self, field: &str) -> Millis {
        self.of.get(field).copied().unwrap_or(self.at)
    }

    /// Notes that a field was told of.
    pub fn note(&mut self, field: &str, at: Millis) {
        if at == self.at {
            self.of.remove(field);
        } else if at != Millis(0) {
            self.of.insert(field.to_owned(), at);
        }
    }
}

/// How two words on a field compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Older,
    Same,
    Newer,
}

/// Takes the words of another profile over those of this one, field by field.
struct Taking<'a> {
    known: &'a mut Told,
    newer: &'a Told,
}

impl Taking<'_> {
    /// How the other's word on a field compares with ours; one without a time is the newest.
    fn word(&self, field: &str) -> Word {
        let (known, newer) = (self.known.when(field), self.newer.when(field));
        match newer.cmp(&known) {
            _ if newer == Millis(0) => Word::Newer,
            std::cmp::Ordering::Less => Word::Older,
            std::cmp::Ordering::Equal => Word::Same,
            std::cmp::Ordering::Greater => Word::Newer,
        }
    }

    /// Whether what is known stays; that a field was emptied is known, too.
    fn stays(&self, field: &str, is_known: bool) -> bool {
        (is_known || self.known.of.contains_key(field)) && self.word(field) == Word::Older
    }

    fn note(&mut self, field: &str) {
        self.known.note(field, self.newer.when(field));
    }

    fn take<T>(&mut self, field: &str, known: &mut Option<T>, newer: Option<T>) {
        if newer.is_some() && !self.stays(field, known.is_some()) {
            *known = newer;
            self.note(field);
        }
    }

    /// Of what is said at the same time, `wins` stays.
    fn take_flag(&mut self, field: &str, known: &mut Option<bool>, newer: Option<bool>, wins: bool) {
        if !(self.word(field) == Word::Same && *known == Some(wins)) {
            self.take(field, known, newer);
        }
    }

    fn take_values(&mut self, field: &str, known: &mut Vec<String>, newer: Vec<String>) {
        if !newer.is_empty() && !self.stays(field, !known.is_empty()) {
            *known = newer;
            self.note(field);
        }
    }
}

impl Profile {
    /// Whether this names somebody and says nothing of them.
    pub fn is_silent(&self) -> bool {
        // Every field is named, so that a new one is not forgotten here.
        let Profile {
            external_id: _,
            aliases: _,
            emails,
            phones,
            first_name,
            last_name,
            gender,
            birth_date,
            city,
            state,
            zip,
            country,
            idfa,
            gaid,
            time_zone,
            locale,
            ad_tracking_enabled,
            do_not_sell_or_share,
            consents,
            attributes,
            told: _,
        } = self;
        let texts =
            [first_name, last_name, gender, birth_date, city, state, zip, country, idfa, gaid, time_zone, locale];
        emails.is_empty()
            && phones.is_empty()
            && texts.iter().all(|text| text.is_none())
            && ad_tracking_enabled.is_none()
            && do_not_sell_or_share.is_none()
            && consents.is_empty()
            && attributes.is_empty()
    }

    /// Takes what `newer` says of fields over what is known, where it was told later or no time is known of it; fields that
    /// it leaves out stay. Of what was told at the same time the later to arrive wins, and a withdrawal always
    /// (design, 11.13).
    pub fn merge(&mut self, newer: Profile) {
        for alias in newer.aliases {
            if !self.aliases.contains(&alias) {
                self.aliases.push(alias);
            }
        }
        let mut told = std::mem::take(&mut self.told);
        let mut take = Taking { known: &mut told, newer: &newer.told };
        take.take_values("emails", &mut self.emails, newer.emails);
        take.take_values("phones", &mut self.phones, newer.phones);
        take.take("first_name", &mut self.first_name, newer.first_name);
        take.take("last_name", &mut self.last_name, newer.last_name);
        take.take("gender", &mut self.gender, newer.gender);
        take.take("birth_date", &mut self.birth_date, newer.birth_date);
        take.take("city", &mut self.city, newer.city);
        take.take("state", &mut self.state, newer.state);
        take.take("zip", &mut self.zip, newer.zip);
        take.take("country", &mut self.country, newer.country);
        take.take("idfa", &mut self.idfa, newer.idfa);
        take.take("gaid", &mut self.gaid, newer.gaid);
        take.take("time_zone", &mut self.time_zone, newer.time_zone);
        take.take("locale", &mut self.locale, newer.locale);
        take.take_flag("ad_tracking_enabled", &mut self.ad_tracking_enabled, newer.ad_tracking_enabled, false);
        take.take_flag("do_not_sell_or_share", &mut self.do_not_sell_or_share, newer.do_not_sell_or_share, true);
        for (purpose, said) in newer.consents {
            let field = format!("consents.{purpose}");
            let known = self.consents.get(&purpose).copied();
            let stays = match take.word(&field) {
                Word::Older => known.is_some(),
                Word::Same => known == Some(Consent::Denied),
                Word::Newer => false,
            };
            if !stays {
                self.consents.insert(purpose, said);
                take.note(&field);
            }
        }
        for (name, value) in newer.attributes {
            let field = format!("attributes.{name}");
            if !take.stays(&field, self.attributes.contains_key(&name)) {
                self.attributes.insert(name, value);
                take.note(&field);
            }
        }
        self.told = told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(at: i64, city: &str, consent: Consent) -> Profile {
        Profile {
            city: Some(city.to_owned()),
            consents: [("ads".to_owned(), consent)].into(),
            told: Told::at(Millis(at)),
            ..Profile::default()
        }
    }

    #[test]
    fn rule_11_13_the_newest_word_wins_in_any_order_of_arrival() {
        let words =
            [said(5, "Lyon", Consent::Granted), said(9, "Nice", Consent::Denied), said(7, "Metz", Consent::Granted)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut known = Profile::default();
            order.into_iter().for_each(|at| known.merge(words[at].clone()));
            assert_eq!((known.city.as_deref(), known.consent("ads")), (Some("Nice"), Consent::Denied), "{order:?}");
            assert_eq!(known.told.when("city"), Millis(9));
        }
    }

    #[test]
    fn rule_11_13_a_withdrawal_wins_ties() {
        for pair in [[Consent::Denied, Consent::Granted], [Consent::Granted, Consent::Denied]] {
            let mut known = said(5, "Lyon", pair[0]);
            known.merge(said(5, "Nice", pair[1]));
            assert_eq!((known.city.as_deref(), known.consent("ads")), (Some("Nice"), Consent::Denied));
        }
        let mut known = Profile { do_not_sell_or_share: Some(true), told: Told::at(Millis(5)), ..Profile::default() };
        known.merge(Profile { do_not_sell_or_share: Some(false), told: Told::at(Millis(5)), ..Profile::default() });
        assert_eq!(known.do_not_sell_or_share, Some(true));
        known.merge(Profile { do_not_sell_or_share: Some(false), told: Told::at(Millis(6)), ..Profile::default() });
        assert_eq!(known.do_not_sell_or_share, Some(false));
    }

    #[test]
    fn an_older_word_fills_what_nobody_spoke_of_and_one_without_a_time_is_the_newest() {
        let mut known = said(9, "Nice", Consent::Granted);
        let older = Profile {
            city: Some("Lyon".into()),
            zip: Some("69001".into()),
            told: Told::at(Millis(5)),
            ..Profile::default()
        };
        known.merge(older);
        assert_eq!((known.city.as_deref(), known.zip.as_deref()), (Some("Nice"), Some("69001")));
        // A word on the zip that is newer than that one, though older than the rest.
        known.merge(Profile { zip: Some("06000".into()), told: Told::at(Millis(7)), ..Profile::default() });
        assert_eq!(known.zip.as_deref(), Some("06000"));
        known.merge(Profile { city: Some("Metz".into()), ..Profile::default() });
        assert_eq!(known.city.as_deref(), Some("Metz"));
    }

    #[test]
    fn times_are_kept_and_absent_where_nothing_is_known() {
        let known = said(5, "Lyon", Consent::Granted);
        let text = serde_json::to_string(&known).expect("JSON");
        assert!(text.contains(r#""told":{"at":5}"#), "{text}");
        assert_eq!(serde_json::from_str::<Profile>(&text).expect("a profile"), known);
        assert!(!serde_json::to_string(&Profile::default()).expect("JSON").contains("told"));
    }
}
