//! Who signed a component, as the policy's keys know them, and whether that is enough.
use caravan_connectors::{PublicKey, is_signed, signers};
use caravan_model::policy::{ConnectorPolicy, Signatures};
use caravan_model::{Code, Digest, Problem};

/// Holds a component to the policy; gives the names of those who signed it, as the policy has them. A key that is kept for
/// connectors of other names does not count. Where the policy only warns, people are told.
///
/// # Errors
/// CV055 where the policy requires a signature and none holds; CV004 where one of its keys is none.
pub fn check(policy: &ConnectorPolicy, name: &str, bytes: &[u8]) -> Result<Vec<String>, Problem> {
    if policy.signatures.is_off() {
        return Ok(Vec::new());
    }
    let found = signers(bytes)?;
    let (mut by, mut elsewhere) = (Vec::new(), Vec::new());
    for known in &policy.keys {
        let key: PublicKey = known.key.parse().map_err(|words: String| {
            Problem::new(Code::BadValue, format!("the policy's key `{}` cannot be read: {words}", known.name))
        })?;
        if found.contains(&key) {
            let whose = if known.counts_for(name) { &mut by } else { &mut elsewhere };
            whose.push(known.name.clone());
        }
    }
    if !by.is_empty() {
        return Ok(by);
    }
    let problem = match elsewhere.is_empty() {
        true => unsigned(name, bytes),
        false => of_others(name, bytes, &elsewhere),
    };
    if policy.signatures == Signatures::Require {
        return Err(problem);
    }
    tracing::warn!(code = problem.code.as_str(), "{}", problem.message);
    Ok(by)
}

fn of_others(name: &str, bytes: &[u8], whose: &[String]) -> Problem {
    let digest = Digest::of(bytes).short();
    let words = format!(
        "the connector `{name}` sha256:{digest} is signed by {}, whose key counts for connectors of other names alone",
        whose.join(", ")
    );
    Problem::new(Code::Unsigned, words)
        .cure(format!("get the file that the publisher of `{name}` signed, or write `{name}` into the key's `for`"))
}

fn unsigned(name: &str, bytes: &[u8]) -> Problem {
    let digest = Digest::of(bytes).short();
    let words = match is_signed(bytes) {
        true => format!(
            "the connector `{name}` sha256:{digest} carries a signature, and none that holds by a key of the policy: it \
             was changed after it was signed, or somebody else signed it"
        ),
        false => format!("the connector `{name}` sha256:{digest} carries no signature by a key of the policy"),
    };
    Problem::new(Code::Unsigned, words)
        .cure("get the file that its publisher signed, or add the publisher's key to `connectors: keys` of the policy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_connectors::SigningKey;
    use caravan_model::policy::SignerKey;

    const PLAIN: &[u8] = b"\0asm\x0d\0\x01\0\0\x13\x10caravan:manifest{}";

    #[test]
    fn the_policy_says_what_becomes_of_a_component_that_nobody_known_signed() {
        let (acme, eve) = (SigningKey::generate().expect("a key"), SigningKey::generate().expect("a key"));
        let keys = vec![SignerKey { name: "Acme".into(), key: acme.public().to_string(), names: None }];
        let policy = |signatures| ConnectorPolicy { signatures, keys: keys.clone(), ..ConnectorPolicy::default() };
        let (signed, by_eve) = (acme.sign(PLAIN).expect("signed"), eve.sign(PLAIN).expect("signed"));
        let required = policy(Signatures::Require);
        assert_eq!(check(&required, "acme", &signed), Ok(vec!["Acme".to_owned()]));
        let code = |bytes: &[u8]| check(&required, "acme", bytes).map_err(|problem| problem.code);
        assert_eq!((code(PLAIN), code(&by_eve)), (Err(Code::Unsigned), Err(Code::Unsigned)));
        for lenient in [Signatures::Warn, Signatures::Off] {
            assert_eq!(check(&policy(lenient), "acme", &by_eve), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_key_that_is_kept_for_some_connectors_signs_no_other() {
        let (acme, house) = (SigningKey::generate().expect("a key"), SigningKey::generate().expect("a key"));
        let key = |name: &str, key: &SigningKey, names: Option<Vec<String>>| SignerKey {
            name: name.into(),
            key: key.public().to_string(),
            names,
        };
        let keys = vec![key("Acme", &acme, Some(vec!["acme".into(), "acme-eu".into()])), key("House", &house, None)];
        let policy = ConnectorPolicy { signatures: Signatures::Require, keys, ..ConnectorPolicy::default() };
        let (by_acme, by_house) = (acme.sign(PLAIN).expect("signed"), house.sign(PLAIN).expect("signed"));
        assert_eq!(check(&policy, "acme-eu", &by_acme), Ok(vec!["Acme".to_owned()]));
        let refused = check(&policy, "google", &by_acme).expect_err("Acme's key is not for `google`");
        assert!(refused.code == Code::Unsigned && refused.message.contains("other names"), "{refused}");
        assert_eq!(check(&policy, "google", &by_house), Ok(vec!["House".to_owned()]));
        let both = acme.sign(&by_house).expect("signed twice");
        assert_eq!(check(&policy, "google", &both), Ok(vec!["House".to_owned()]));
    }
}
