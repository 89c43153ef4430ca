//! Enums as numbers, as Google's libraries send them (`$alt=json;enum-encoding=int`): the API takes both forms.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::form::decode;

/// The names of a field's values, by their numbers; from `google/ads/datamanager/v1/*.proto`.
fn names(field: &str) -> Option<&'static [&'static str]> {
    Some(match field {
        "accountType" | "product" => &[
            "ACCOUNT_TYPE_UNSPECIFIED",
            "GOOGLE_ADS",
            "DISPLAY_VIDEO_PARTNER",
            "DISPLAY_VIDEO_ADVERTISER",
            "DATA_PARTNER",
        ],
        "adPersonalization" | "adUserData" => &["CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED", "CONSENT_DENIED"],
        "customerMatchTermsOfServiceStatus" => &["TERMS_OF_SERVICE_STATUS_UNSPECIFIED", "ACCEPTED", "REJECTED"],
        "dataSourceType" => &[
            "DATA_SOURCE_TYPE_UNSPECIFIED",
            "DATA_SOURCE_TYPE_FIRST_PARTY",
            "DATA_SOURCE_TYPE_THIRD_PARTY_CREDIT_BUREAU",
            "DATA_SOURCE_TYPE_THIRD_PARTY_VOTER_FILE",
            "DATA_SOURCE_TYPE_THIRD_PARTY_PARTNER_DATA",
        ],
        "encoding" => &["ENCODING_UNSPECIFIED", "HEX", "BASE64"],
        "keySpace" => &["KEY_SPACE_UNSPECIFIED", "IOS", "ANDROID"],
        "membershipStatus" => &["MEMBERSHIP_STATUS_UNSPECIFIED", "OPEN", "CLOSED"],
        "uploadKeyTypes" => {
            &["UPLOAD_KEY_TYPE_UNSPECIFIED", "CONTACT_ID", "MOBILE_ID", "USER_ID", "PAIR_ID", "PSEUDONYMOUS_ID"]
        }
        _ => return None,
    })
}

/// The same request with the names of its enums; `None` where its query does not say that they are numbers.
pub(crate) fn named(request: &Request<Bytes>) -> Option<Request<Bytes>> {
    let query = request.uri().query()?;
    if !decode(query).contains("enum-encoding=int") {
        return None;
    }
    let mut body: Value = serde_json::from_slice(request.body()).ok()?;
    name(&mut body, None);
    let mut named = Request::new(Bytes::from(body.to_string()));
    *named.method_mut() = request.method().clone();
    *named.uri_mut() = request.uri().clone();
    *named.headers_mut() = request.headers().clone();
    Some(named)
}

fn name(value: &mut Value, field: Option<&str>) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(field, value)| name(value, Some(field))),
        Value::Array(items) => items.iter_mut().for_each(|item| name(item, field)),
        Value::Number(number) => {
            let at = number.as_u64().and_then(|at| usize::try_from(at).ok());
            if let (Some(names), Some(at)) = (field.and_then(names), at)
                && let Some(known) = names.get(at)
            {
                *value = Value::from(*known);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Request, named};

    #[test]
    fn numbers_of_enums_are_named_where_the_query_says_that_they_are_numbers() {
        let body = r#"{"encoding":1,"destinations":[{"operatingAccount":{"accountType":1,"accountId":"1"}}],"n":1}"#;
        let of =
            |query: &str| named(&Request::post(format!("http://lab/v1/x{query}")).body(Bytes::from(body)).unwrap());
        assert!(of("").is_none() && of("?$alt=json").is_none());
        let text = of("?%24alt=json%3Benum-encoding%3Dint").unwrap().into_body();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((&value["encoding"], &value["n"]), (&"HEX".into(), &1.into()));
        assert_eq!(value["destinations"][0]["operatingAccount"]["accountType"], "GOOGLE_ADS");
    }
}
