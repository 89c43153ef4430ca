//! Where a person is, as far as it decides how a value reads.
use crate::Alpha2;

/// The countries that tell how a phone number, postal code or state is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The profile's country.
    pub country: Option<Alpha2>,
    /// The connection's default country.
    pub default_country: Option<Alpha2>,
}

impl Place {
    /// The profile's country, else the default.
    pub fn likely(self) -> Option<Alpha2> {
        self.country.or(self.default_country)
    }

    /// Whether the likely country uses American states and ZIP codes; `None` where no country is known.
    pub(crate) fn is_american(self) -> Option<bool> {
        self.likely().map(|country| matches!(country.as_str(), "us" | "pr" | "gu" | "vi" | "as" | "mp" | "um"))
    }
}
