//! States, provinces, regions.
use crate::name::{self, Spaces};
use crate::{Place, Unusable};

/// Appends the state: the two-letter code where an American name is given and the person may be there; else lower
/// case without spaces and punctuation.
pub(crate) fn normalise(value: &str, place: Place, out: &mut Vec<u8>) -> Result<(), Unusable> {
    let start = out.len();
    name::normalise(value, Spaces::Out, out)?;
    if place.is_american() != Some(false)
        && let Ok(at) = NAMES.binary_search_by_key(&&out[start..], |(name, _)| name.as_bytes())
    {
        out.truncate(start);
        out.extend_from_slice(NAMES[at].1.as_bytes());
    }
    Ok(())
}

/// The states, the capital's district and the territories.
const NAMES: [(&str, &str); 58] = [
    ("alabama", "al"),
    ("alaska", "ak"),
    ("americansamoa", "as"),
    ("arizona", "az"),
    ("arkansas", "ar"),
    ("california", "ca"),
    ("colorado", "co"),
    ("connecticut", "ct"),
    ("delaware", "de"),
    ("districtofcolumbia", "dc"),
    ("florida", "fl"),
    ("georgia", "ga"),
    ("guam", "gu"),
    ("hawaii", "hi"),
    ("idaho", "id"),
    ("illinois", "il"),
    ("indiana", "in"),
    ("iowa", "ia"),
    ("kansas", "ks"),
    ("kentucky", "ky"),
    ("louisiana", "la"),
    ("maine", "me"),
    ("maryland", "md"),
    ("massachusetts", "ma"),
    ("michigan", "mi"),
    ("minnesota", "mn"),
    ("mississippi", "ms"),
    ("missouri", "mo"),
    ("montana", "mt"),
    ("nebraska", "ne"),
    ("nevada", "nv"),
    ("newhampshire", "nh"),
    ("newjersey", "nj"),
    ("newmexico", "nm"),
    ("newyork", "ny"),
    ("northcarolina", "nc"),
    ("northdakota", "nd"),
    ("northernmarianaislands", "mp"),
    ("ohio", "oh"),
    ("oklahoma", "ok"),
    ("oregon", "or"),
    ("pennsylvania", "pa"),
    ("puertorico", "pr"),
    ("rhodeisland", "ri"),
    ("southcarolina", "sc"),
    ("southdakota", "sd"),
    ("tennessee", "tn"),
    ("texas", "tx"),
    ("usvirginislands", "vi"),
    ("utah", "ut"),
    ("vermont", "vt"),
    ("virginia", "va"),
    ("virginislands", "vi"),
    ("washington", "wa"),
    ("washingtondc", "dc"),
    ("westvirginia", "wv"),
    ("wisconsin", "wi"),
    ("wyoming", "wy"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alpha2;

    fn state(value: &str, country: &str) -> String {
        let place = Place { country: Alpha2::parse(country).ok(), default_country: None };
        let mut out = Vec::new();
        normalise(value, place, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn american_names_become_codes_only_where_the_person_may_be_american() {
        assert!(NAMES.is_sorted());
        assert_eq!(state("New York", ""), "ny");
        assert_eq!(state("new  york", "USA"), "ny");
        assert_eq!(state("Washington D.C.", "us"), "dc");
        assert_eq!(state("Hawai'i", "us"), "hi");
        assert_eq!(state("Maryland", "lr"), "maryland");
    }
}
