//! A service account's signed assertion (RFC 7523): what Google checks of it, the signature with the rest.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::settings::GoogleSettings;
use crate::tokens::base64;

/// The token endpoint, for which an assertion is made out.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// The longest that an assertion may be good for, in seconds.
const LIFE: i64 = 3_600;
/// How far the clocks may be apart, in seconds.
const SKEW: i64 = 300;

/// Takes an assertion at a moment in seconds since 1970, or says why not, in Google's words.
pub(super) fn check(jwt: &str, settings: &GoogleSettings, now: i64) -> Result<(), &'static str> {
    let parts: Vec<&str> = jwt.split('.').collect();
    let [head, claims, signature] = parts[..] else { return Err("Invalid JWT: it has not three parts.") };
    let json = |part: &str| -> Option<Value> { serde_json::from_slice(&decode(part)?).ok() };
    let (Some(named), Some(said)) = (json(head), json(claims)) else { return Err("Invalid JWT: it cannot be read.") };
    if named["alg"] != "RS256" {
        return Err("Invalid JWT: the algorithm is not RS256.");
    }
    let issuer = said["iss"].as_str().unwrap_or_default();
    let key = settings.service_accounts.get(issuer).and_then(|pem| der(pem));
    let key = key.ok_or("Invalid grant: account not found")?;
    let signed = &jwt[..head.len() + 1 + claims.len()];
    let proof = decode(signature).unwrap_or_default();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &proof)
        .map_err(|_| "Invalid JWT Signature.")?;
    if said["aud"] != AUDIENCE {
        return Err("Invalid JWT: the audience is not the token endpoint.");
    }
    let (from, until) = (said["iat"].as_i64().unwrap_or_default(), said["exp"].as_i64().unwrap_or_default());
    if from > now + SKEW || until <= now || until - from > LIFE {
        return Err("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.");
    }
    let scopes = said["scope"].as_str().unwrap_or_default();
    match scopes.split(' ').any(|scope| scope == "https://www.googleapis.com/auth/datamanager") {
        true => Ok(()),
        false => Err("Invalid OAuth scope or ID token audience provided."),
    }
}

/// Base64 in its form for URLs.
fn decode(part: &str) -> Option<Vec<u8>> {
    base64(&part.replace('-', "+").replace('_', "/"))
}

/// The PKCS#1 bytes of an `RSA PUBLIC KEY`.
fn der(pem: &str) -> Option<Vec<u8>> {
    base64(&pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect::<String>())
}
