//! What a token endpoint answers, and whether asking again helps.
use super::send::unavailable;
use caravan_model::port::Secret;
use caravan_model::{Cause, Code, Fault};
use serde_json::Value;
use std::time::Duration;

/// The longest life that is believed.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// What was granted.
pub(crate) struct Granted {
    pub(crate) access: Secret,
    /// Only a person's consent has one.
    pub(crate) refresh: Option<Secret>,
    /// How long the token lives, where the partner says it.
    pub(crate) life: Option<Duration>,
    /// What it is good for, where the partner says it.
    pub(crate) scopes: Option<Vec<String>>,
}

/// Reads an answer whose fields stand at a JSON pointer. `asked_for` and `cure` are the words where the partner says no:
/// what was asked for ends, and what a person does. The partner's own words are never repeated, but for its error code.
pub(crate) fn read(status: u16, bytes: &[u8], at: &str, no: &str, cure: &str) -> Result<Granted, Fault> {
    let answer: Option<Value> = serde_json::from_slice(bytes).ok();
    let code = answer.as_ref().and_then(|answer| plain_code(&answer["error"]).or_else(|| plain_code(&answer["code"])));
    let refused = |code: Option<String>| {
        let code = code.unwrap_or_else(|| status.to_string());
        let cure = if code == "invalid_client" { "look at its id and secret" } else { cure };
        let words = format!("{no} ({code}): {cure}");
        Fault::Unauthorized { cause: Cause::new(Code::Unauthorized.as_str(), words) }
    };
    if matches!(status, 400 | 401 | 403) {
        return Err(refused(code));
    }
    if !(200..300).contains(&status) {
        return Err(unavailable(&format!("the partner's token endpoint answered {status}")));
    }
    let garbled = || unavailable("the partner's token endpoint answered without a token");
    let answer = answer.ok_or_else(garbled)?;
    let fields = answer.pointer(at).unwrap_or(&Value::Null);
    let token = |name: &str| {
        let good = |token: &&str| !token.is_empty() && token.len() <= 16 << 10 && !token.chars().any(char::is_control);
        fields[name].as_str().filter(good).map(Secret::new)
    };
    let Some(access) = token("access_token") else {
        // An error inside a good answer says which.
        return Err(code.filter(|code| code != "0").map_or_else(garbled, |code| refused(Some(code))));
    };
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let life = number(&fields["expires_in"]).map(|seconds| Duration::from_secs(seconds).min(LONGEST));
    Ok(Granted { access, refresh: token("refresh_token"), life, scopes: scopes(&fields["scope"]) })
}

/// An error's code, where it is one and not a sentence.
fn plain_code(value: &Value) -> Option<String> {
    let good =
        |code: &&str| !code.is_empty() && code.len() <= 40 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match value {
        Value::Number(number) => Some(number.to_string()),
        value => value.as_str().filter(good).map(str::to_owned),
    }
}

/// Scopes as a list, or as a text with spaces or commas.
fn scopes(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) if !text.trim().is_empty() => {
            let words = text.split([' ', ',']).filter(|word| !word.is_empty());
            Some(words.map(str::to_owned).collect())
        }
        Value::Array(list) => {
            Some(list.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str, at: &str) -> Result<Granted, Fault> {
        read(status, body.as_bytes(), at, "the partner gives the app no token", "look at its id and secret")
    }

    #[test]
    fn an_answer_is_a_token_with_its_life_or_says_whether_asking_again_helps() {
        let granted = of(200, r#"{"access_token":"abc","expires_in":900}"#, "").ok().unwrap();
        assert_eq!((granted.access.expose(), granted.life), ("abc", Some(Duration::from_secs(900))));
        let text = of(200, r#"{"access_token":"abc","expires_in":"60"}"#, "").ok().unwrap();
        assert_eq!(text.life, Some(Duration::from_secs(60)));
        for body in [r#"{"access_token":"a\r\nb"}"#, "{}", "<html>"] {
            assert!(matches!(of(200, body, ""), Err(Fault::Unavailable { .. })));
        }
        let Err(refused) = of(401, r#"{"error":"invalid_client","error_description":"secret shh is wrong"}"#, "")
        else {
            panic!("granted")
        };
        let words = refused.cause().unwrap().to_string();
        assert!(matches!(refused, Fault::Unauthorized { .. }) && words.contains("invalid_client"));
        assert!(!words.contains("shh"), "{words}");
        let Err(sentence) = of(400, r#"{"error":"Shh Shh"}"#, "") else { panic!("granted") };
        assert!(!sentence.cause().unwrap().to_string().contains("Shh"));
        assert!(matches!(of(503, "", ""), Err(Fault::Unavailable { .. })));
    }

    #[test]
    fn fields_may_stand_deeper_and_an_error_may_stand_in_a_good_answer() {
        let body = r#"{"code":0,"data":{"access_token":"abc","scope":[3,100],"refresh_token":"def"}}"#;
        let granted = of(200, body, "/data").ok().unwrap();
        assert_eq!(granted.scopes, Some(vec!["3".to_owned(), "100".to_owned()]));
        assert_eq!(granted.refresh.unwrap().expose(), "def");
        let Err(refused) = of(200, r#"{"code":40110,"data":{}}"#, "/data") else { panic!("granted") };
        assert!(matches!(refused, Fault::Unauthorized { .. }));
        let words = of(200, r#"{"access_token":"abc","scope":"ads:read,ads:write"}"#, "").ok().unwrap().scopes.unwrap();
        assert_eq!(words, ["ads:read", "ads:write"]);
    }

    proptest::proptest! {
        // Whatever is answered, nothing of it but a code in small letters is repeated, and a token fits a header.
        #[test]
        fn any_answer_is_a_token_or_a_fault_without_the_partners_words(
            status in 0u16..700,
            pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..16),
            garbage in "\\PC{0,12}",
            at in proptest::sample::select(&["", "/data", "/data/0", "no pointer"][..]),
        ) {
            let body = format!("{}{garbage}", pieces.concat());
            for body in [body.as_str(), body.strip_suffix(garbage.as_str()).unwrap_or_default()] {
                match of(status, body, at) {
                    Ok(granted) => {
                        proptest::prop_assert!((200..300).contains(&status));
                        let tokens = std::iter::once(&granted.access).chain(&granted.refresh);
                        for token in tokens.map(Secret::expose) {
                            proptest::prop_assert!(!token.is_empty() && !token.chars().any(char::is_control));
                        }
                        proptest::prop_assert!(granted.life.is_none_or(|life| life <= LONGEST));
                    }
                    Err(fault) => {
                        let words = format!("{fault:?}");
                        proptest::prop_assert!(!words.contains("Shh") && !words.contains("\\n"), "{}", words);
                    }
                }
            }
        }
    }

    /// Of answers, to be put together in any order; `Shh` is what must not be repeated.
    const PIECES: [&str; 22] = [
        r#"{"access_token":"Shh","#,
        r#""refresh_token":"Shh-too","#,
        r#""refresh_token":"a\u000ab"}"#,
        r#""expires_in":1e30,"#,
        r#""expires_in":"99999999999999999999","#,
        r#""expires_in":-1,"#,
        r#""scope":"Shh a,b"}"#,
        r#""scope":[null,{},"Shh"]}"#,
        r#"{"error":"Shh Shh"}"#,
        r#"{"error":"invalid_grant"}"#,
        r#"{"error":{"message":"Shh"}}"#,
        r#"{"code":0,"data":{"access_token":"#,
        r#"{"code":40110,"message":"Shh"}"#,
        r#""abc""#,
        r#""data":[{"access_token":"Shh"}]}"#,
        "{",
        "}",
        "[",
        "]",
        ",",
        "<html>Shh</html>",
        "null",
    ];
}
