//! Spellings of phone numbers.
use crate::place;
use caravan_identity::{Rule, Unusable, normalise};

/// Profile's country, default country, spelling, digits.
#[rustfmt::skip]
const SPELLINGS: [(&str, &str, &str, &str); 54] = [
    ("", "", "+442079460958", "442079460958"),
    ("", "", "+44 20 7946 0958", "442079460958"),
    ("", "", "+44 (0)20 7946 0958", "442079460958"),
    ("", "", "0044 20 7946 0958", "442079460958"),
    ("", "", "+0044 20 7946 0958", "442079460958"),
    ("", "", "(+44) 20-7946-0958", "442079460958"),
    ("", "", "00 44 (0) 20 7946.0958", "442079460958"),
    ("", "", "tel:+44-20-7946-0958", "442079460958"),
    ("", "", "TEL: +44.20.7946.0958", "442079460958"),
    ("", "", "tel:7946-0958;phone-context=+44-20", "442079460958"),
    ("", "", "Phone (home): +44 20 7946 0958", "442079460958"),
    ("", "", "+44 20 7946 0958 ext. 12", "442079460958"),
    ("", "", "+44 20 7946 0958 x12", "442079460958"),
    ("", "", "+44 20 7946 0958 #12", "442079460958"),
    ("", "", "+44 20 7946 0958;ext=12", "442079460958"),
    ("", "", "+44 20 7946 0958 (work)", "442079460958"),
    ("", "", "+44\u{A0}20\u{A0}7946\u{A0}0958", "442079460958"),
    ("", "", "+44\u{2011}20\u{2013}7946\u{2212}0958", "442079460958"),
    ("", "", "\u{202A}+44 20 7946 0958\u{202C}", "442079460958"),
    ("", "", "+44\t20\n79460958", "442079460958"),
    ("", "", "++44 20 7946 0958", "442079460958"),
    ("", "", "＋４４ ２０ ７９４６ ０９５８", "442079460958"),
    ("", "", "+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨", "442079460958"),
    ("", "", "+۴۴ ۲۰ ۷۹۴۶ ۰۹۵۸", "442079460958"),
    ("", "", "+४४ २० ७९४६ ०९५८", "442079460958"),
    ("", "", "442079460958", "442079460958"),
    ("GB", "", "020 7946 0958", "442079460958"),
    ("United Kingdom", "US", "(020) 7946 0958", "442079460958"),
    ("", "GB", "020/79460958", "442079460958"),
    ("GBR", "", "0044 20 7946 0958", "442079460958"),
    ("GB", "", "44 20 7946 0958", "442079460958"),
    ("GB", "US", "+1 650 561 5622", "16505615622"),
    ("US", "", "(650) 561-5622", "16505615622"),
    ("US", "", "1.650.561.5622", "16505615622"),
    ("US", "", "1-650-561-5622 ext 99", "16505615622"),
    ("US", "", "011 44 20 7946 0958", "442079460958"),
    ("US", "", "1-800-FLOWERS", "18003569377"),
    ("", "US", "650 561 5622", "16505615622"),
    ("FR", "US", "650-561-5622", "16505615622"),
    ("", "", "1 (650) 561-5622", "16505615622"),
    ("", "", "+49 (0)30 901820", "4930901820"),
    ("DE", "", "030 901820", "4930901820"),
    ("DE", "", "030 901820 Durchwahl 12", "4930901820"),
    ("AT", "", "01/589 39-0", "431589390"),
    ("FR", "", "01 23 45 67 89", "33123456789"),
    ("", "", "+33 (0) 1 23 45 67 89", "33123456789"),
    ("IT", "", "06 6982", "39066982"),
    ("", "", "+39 06 6982", "39066982"),
    ("BR", "", "(11) 96123-4567", "5511961234567"),
    ("MX", "", "55 1234 5678", "525512345678"),
    ("JP", "", "03-1234-5678", "81312345678"),
    ("JP", "", "０３（１２３４）５６７８", "81312345678"),
    ("IN", "", "098765 43210", "919876543210"),
    ("RU", "", "8 (912) 345-67-89 доб. 12", "79123456789"),
];

#[test]
fn spellings_of_a_number_give_the_same_digits() {
    for (country, default_country, spelling, digits) in SPELLINGS {
        let at = place(country, default_country);
        assert_eq!(normalise(Rule::PhoneDigits, spelling, at).as_deref(), Ok(digits), "{spelling} in {at:?}");
        let plus = format!("+{digits}");
        assert_eq!(normalise(Rule::PhonePlus, spelling, at).as_deref(), Ok(&*plus), "{spelling} in {at:?}");
    }
}

#[test]
fn what_cannot_be_a_number_has_a_reason() {
    for (country, spelling, why) in [
        ("", "020 7946 0958", Unusable::NoCountry),
        ("", "(650) 561-5622", Unusable::NoCountry),
        ("", "07911 123456", Unusable::NoCountry),
        ("US", "561-5622", Unusable::NotAPhone),
        ("US", "5", Unusable::NotAPhone),
        ("US", "12345678901234567890", Unusable::NotAPhone),
        ("", "+999 123 456 789", Unusable::NotAPhone),
        ("", "+1 23", Unusable::NotAPhone),
        ("GB", "n/a", Unusable::NotAPhone),
        ("GB", "unknown", Unusable::NotAPhone),
        ("GB", "none 0", Unusable::AllZero),
        ("", "650 561 5622 / 650 561 5623", Unusable::NoCountry),
        ("", "0000000000", Unusable::AllZero),
        ("", "+43 0000 0000", Unusable::AllZero),
        ("AQ", "+1", Unusable::NotAPhone),
    ] {
        assert_eq!(normalise(Rule::PhoneDigits, spelling, place(country, "")), Err(why), "{spelling} in {country}");
    }
    let long = "1".repeat(251);
    assert_eq!(normalise(Rule::PhoneDigits, &long, place("US", "")), Err(Unusable::TooLong));
}

#[test]
fn the_profiles_country_comes_before_the_default() {
    // Possible in both: the person's own country decides.
    assert_eq!(normalise(Rule::PhonePlus, "612 345 678", place("ES", "FR")).unwrap(), "+34612345678");
    assert_eq!(normalise(Rule::PhonePlus, "612 345 678", place("", "FR")).unwrap(), "+33612345678");
}
