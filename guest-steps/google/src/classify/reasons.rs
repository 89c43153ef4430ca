//! The error tables (contract, section 6): what each reason is about.

/// What a reason is about, from what matters least to what matters most where an answer gives several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Rows that it names; the rest can be sent again.
    Rows,
    /// In no table.
    Unknown,
    /// Our own mistake.
    Bug,
    /// Passes by itself.
    Later,
    /// Too many calls.
    Throttled,
    /// A setting that a list is made by.
    Setting,
    /// The list is not there.
    Missing,
    /// The list is not ours to write.
    NotWritable,
    /// A person must accept something.
    Terms,
    /// The login lives and may not.
    Forbidden,
    /// The login is dead.
    Unauthorized,
}

/// A reason of the Data Manager API at a field. Reasons for rows count as such only on a member.
pub fn kind(reason: &str, field: &str) -> Kind {
    match reason {
        "INTERNAL" | "INTERNAL_ERROR" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "ABORTED" => Kind::Later,
        "RESOURCE_EXHAUSTED" => Kind::Throttled,
        "UNAUTHENTICATED" => Kind::Unauthorized,
        "PERMISSION_DENIED"
        | "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
        | "SERVICE_DISABLED"
        | "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH"
        | "DESTINATION_ACCOUNT_TYPE_MISMATCH"
        | "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT"
        | "NOT_ALLOWLISTED"
        | "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA" => Kind::Forbidden,
        "TERMS_AND_CONDITIONS_NOT_SIGNED"
        | "ADVERTISER_TOS_NOT_ACCEPTED"
        | "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED" => Kind::Terms,
        "NOT_FOUND" | "INVALID_USER_LIST_ID" | "INVALID_DESTINATION" => Kind::Missing,
        "INVALID_USER_LIST_TYPE"
        | "USER_LIST_MUTATION_NOT_SUPPORTED"
        | "DATA_PARTNER_USER_LIST_MUTATE_NOT_ALLOWED"
        | "OWNERSHIP_REQUIRED_FOR_UPDATE"
        | "SENSITIVE_USER_LIST_IMMUTABLE" => Kind::NotWritable,
        "DISPLAY_NAME_ALREADY_USED"
        | "INVALID_DISPLAY_NAME"
        | "USER_LIST_NAME_RESERVED"
        | "MEMBERSHIP_DURATION_TOO_LONG" => Kind::Setting,
        "INVALID_FORMAT"
        | "INVALID_HEX_ENCODING"
        | "INVALID_BASE64_ENCODING"
        | "INVALID_SHA256_FORMAT"
        | "INVALID_POSTAL_CODE"
        | "INVALID_REGION_CODE"
        | "INVALID_COUNTRY_CODE"
        | "INVALID_MOBILE_ID_FORMAT"
        | "INVALID_AUDIENCE_MEMBER"
        | "NO_IDENTIFIERS_PROVIDED"
        | "REQUIRED_FIELD_MISSING"
            if super::row_of(field).is_some() =>
        {
            Kind::Rows
        }
        "INVALID_ARGUMENT" | "INVALID_ENUM_VALUE" | "INVALID_REQUEST_ID" | "REQUIRED_FIELD_MISSING" => Kind::Bug,
        // All others that name a field speak of a request that this connector made.
        _ if !field.is_empty() => Kind::Bug,
        _ => Kind::Unknown,
    }
}

/// A code of the Ads API.
pub fn ads_kind(category: &str, code: &str) -> Kind {
    match (category, code) {
        ("authenticationError", "NOT_ADS_USER" | "CUSTOMER_NOT_FOUND" | "TWO_STEP_VERIFICATION_NOT_ENROLLED") => {
            Kind::Forbidden
        }
        ("authenticationError", _) => Kind::Unauthorized,
        ("authorizationError", "MISSING_TOS") => Kind::Terms,
        ("authorizationError" | "notAllowlistedError", _) => Kind::Forbidden,
        ("quotaError", "ACCESS_PROHIBITED") => Kind::Forbidden,
        ("quotaError", _) => Kind::Throttled,
        ("databaseError", "CONCURRENT_MODIFICATION") | ("internalError", _) => Kind::Later,
        ("offlineUserDataJobError", "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS") => Kind::Terms,
        ("userDataError", "OPERATIONS_FOR_CUSTOMER_MATCH_NOT_ALLOWED")
        | ("offlineUserDataJobError", "NOT_ON_ALLOWLIST_FOR_USER_ID")
        | ("userListError", "ADVERTISER_NOT_ON_ALLOWLIST_FOR_USING_UPLOADED_DATA") => Kind::Forbidden,
        (_, "INVALID_USER_LIST_ID") => Kind::Missing,
        (_, "INVALID_USER_LIST_TYPE" | "INCOMPATIBLE_UPLOAD_KEY_TYPE" | "USER_LIST_NOT_APPLICABLE") => {
            Kind::NotWritable
        }
        ("userListError", "NAME_ALREADY_USED" | "APP_ID_NOT_SET") => Kind::Setting,
        _ => Kind::Bug,
    }
}

/// Plain words for a reason about one row.
pub fn row_words(reason: &str) -> &'static str {
    match reason {
        "INVALID_HEX_ENCODING" | "INVALID_BASE64_ENCODING" | "INVALID_SHA256_FORMAT" => "an identifier is no digest",
        "INVALID_POSTAL_CODE" => "the postal code is not valid",
        "INVALID_REGION_CODE" | "INVALID_COUNTRY_CODE" => "the country is not valid",
        "INVALID_MOBILE_ID_FORMAT" => "the advertising id is not valid",
        "NO_IDENTIFIERS_PROVIDED" => "there is no identifier",
        "REQUIRED_FIELD_MISSING" => "a part of it is missing",
        _ => "it is not valid",
    }
}
