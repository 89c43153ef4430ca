//! Why a value cannot be used.

/// Why a value cannot be used as an identifier. Never carries the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Nothing but white space, or the digest of nothing.
    #[error("is empty")]
    Empty,
    /// Longer than any real value.
    #[error("is too long")]
    TooLong,
    /// Nothing is left once punctuation is out.
    #[error("has no letter or digit")]
    NothingLeft,
    /// Does not look like an e-mail address.
    #[error("is not an e-mail address")]
    NotAnEmail,
    /// Not a possible phone number.
    #[error("is not a possible phone number")]
    NotAPhone,
    /// A national phone number, and no country is known.
    #[error("has no country code, and no country is known")]
    NoCountry,
    /// Neither `m` nor `f`.
    #[error("is neither male nor female, and partners take only these")]
    NotMOrF,
    /// Not a date, nor the part of one that is asked for.
    #[error("is not a date")]
    NotADate,
    /// A date or a part of one that does not exist, or before 1900; an amount below 0.
    #[error("is out of range")]
    OutOfRange,
    /// Not a country that ISO 3166-1 knows.
    #[error("is not a known country")]
    NotACountry,
    /// Not a postal code of the person's country.
    #[error("is not a postal code of that country")]
    NotAPostalCode,
    /// Not an advertising id: 32 hexadecimal digits with hyphens.
    #[error("is not an advertising id")]
    NotADeviceId,
    /// Zeros only: tracking is limited on that device, or a number that reaches nobody.
    #[error("is all zeros")]
    AllZero,
    /// A digest of another kind than the partner's key, or one of a value that the key is a part of.
    #[error("is a digest that this key cannot use")]
    OtherDigest,
    /// Declared to be a digest, and is none of that kind.
    #[error("is declared to be hashed already, and is no such digest")]
    NotADigest,
}

impl Unusable {
    /// A stable code: lower case, hyphens.
    pub fn code(self) -> &'static str {
        match self {
            Unusable::Empty => "empty",
            Unusable::TooLong => "too-long",
            Unusable::NothingLeft => "nothing-left",
            Unusable::NotAnEmail => "not-an-email",
            Unusable::NotAPhone => "not-a-phone",
            Unusable::NoCountry => "no-country",
            Unusable::NotMOrF => "not-m-or-f",
            Unusable::NotADate => "not-a-date",
            Unusable::OutOfRange => "out-of-range",
            Unusable::NotACountry => "not-a-country",
            Unusable::NotAPostalCode => "not-a-postal-code",
            Unusable::NotADeviceId => "not-a-device-id",
            Unusable::AllZero => "all-zero",
            Unusable::OtherDigest => "other-digest",
            Unusable::NotADigest => "not-a-digest",
        }
    }
}
