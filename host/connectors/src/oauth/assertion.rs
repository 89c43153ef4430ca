//! A service account's signed assertion (RFC 7523, RS256), from the key file that the partner wrote.
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use caravan_model::Millis;
use caravan_model::port::Secret;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// The grant type that takes it.
pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Seconds that an assertion is good for; partners take an hour at most.
const LIFE: i64 = 3_600;

/// The assertion for an audience, the token endpoint's address.
///
/// # Errors
/// In words, which never hold anything of the key.
pub(crate) fn sign(key_file: &Secret, scopes: &str, audience: &str, now: Millis) -> Result<Secret, String> {
    let file: Value =
        serde_json::from_str(key_file.expose()).map_err(|_| "the service account's key is no JSON file")?;
    let text = |name: &str| file[name].as_str().ok_or_else(|| format!("the service account's key has no `{name}`"));
    let pem: String = text("private_key")?.lines().filter(|line| !line.starts_with("-----")).collect();
    let unusable = "the service account's `private_key` is no RSA key in PKCS#8";
    let der = STANDARD.decode(pem.trim()).map_err(|_| unusable)?;
    let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| unusable)?;
    let seconds = now.0 / 1_000;
    let claims = json!({"iss": text("client_email")?, "scope": scopes, "aud": audience, "iat": seconds,
        "exp": seconds + LIFE});
    let mut head = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = file["private_key_id"].as_str() {
        head["kid"] = id.into();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(|_| unusable)?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_is_not_repeated() {
        let wrong = |text: &str| sign(&Secret::new(text), "s", "https://a", Millis(0)).unwrap_err();
        assert!(wrong("shh").contains("no JSON"));
        assert!(wrong("{}").contains("private_key"));
        let words = wrong(r#"{"private_key":"-----BEGIN\nshhh\n-----END","client_email":"a@b"}"#);
        assert!(words.contains("PKCS#8") && !words.contains("shh"), "{words}");
    }
}
