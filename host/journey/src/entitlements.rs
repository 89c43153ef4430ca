//! Entitlements written into the text of a policy, so that everything else in it stays as people wrote it.
use crate::document::read_policy;
use caravan_model::policy::Entitlements;
use caravan_model::{Code, Policy, Problem};

/// The section's key.
const KEY: &str = "entitlements:";

/// The text of a policy with these entitlements, or none, in place of those that it has. Comments and layout outside of the section
/// stay; a text in which the section cannot be found, such as JSON, is written anew as JSON.
///
/// # Errors
/// The text is no policy.
pub fn with_entitlements(text: &str, entitlements: Option<&Entitlements>) -> Result<String, Problem> {
    let mut wanted = read_policy("the policy", text)?.value;
    wanted.entitlements = entitlements.cloned();
    let edited = edited(text, entitlements);
    if read_policy("the policy", &edited).is_ok_and(|read| read.value == wanted) {
        return Ok(edited);
    }
    written(&wanted)
}

fn edited(text: &str, entitlements: Option<&Entitlements>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().position(|line| line.starts_with(KEY)).unwrap_or(lines.len());
    let is_inside = |line: &&str| line.is_empty() || line.starts_with([' ', '\t', '#']);
    let inside = lines.iter().skip(begin + 1).take_while(|line| is_inside(line)).count();
    let mut end = (begin + 1 + inside).min(lines.len());
    // Comments and empty lines before the next key are that key's.
    while end > begin + 1 && (lines[end - 1].trim_start().is_empty() || lines[end - 1].starts_with('#')) {
        end -= 1;
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| serde_json::Value::from(name.as_str()).to_string()).collect();
        format!("[{}]", names.join(", ").replace('"', ""))
    };
    let section = entitlements.map(|said| {
        let (free, slots) = (list(&said.free), list(&said.slots));
        format!("{KEY}\n  free: {free}\n  purchases: {}\n  slots: {slots}", said.purchases)
    });
    let all: Vec<&str> =
        lines[..begin].iter().copied().chain(section.as_deref()).chain(lines[end..].iter().copied()).collect();
    all.join("\n") + "\n"
}

fn written(policy: &Policy) -> Result<String, Problem> {
    let json = serde_json::to_string_pretty(policy);
    json.map(|json| json + "\n")
        .map_err(|error| Problem::new(Code::Internal, format!("a policy cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(names: &[&str]) -> Entitlements {
        Entitlements {
            purchases: 1,
            slots: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn what_people_wrote_around_the_section_stays() {
        let text = "# Agreed.\nformat: 1\nentitlements: # ours\n  slots: [tiktok]\n  purchases: 1\n\n# Legal.\nregulated_health: true\n";
        let after = with_entitlements(text, Some(&slots(&["criteo"]))).unwrap();
        assert_eq!(
            after,
            "# Agreed.\nformat: 1\nentitlements:\n  free: [google, meta]\n  purchases: 1\n  slots: [criteo]\n\n# Legal.\nregulated_health: true\n"
        );
        let without = with_entitlements(&after, None).unwrap();
        assert_eq!(without, "# Agreed.\nformat: 1\n\n# Legal.\nregulated_health: true\n");
        let appended = with_entitlements("format: 1", Some(&slots(&[]))).unwrap();
        assert_eq!(appended, "format: 1\nentitlements:\n  free: [google, meta]\n  purchases: 1\n  slots: []\n");
    }

    #[test]
    fn a_policy_that_is_no_block_of_lines_is_written_anew_and_says_the_same() {
        for text in [
            r#"{"format": 1, "regulated_health": true}"#,
            "{ format: 1, entitlements: { purchases: 9 },\n regulated_health: true }",
        ] {
            let after = with_entitlements(text, Some(&slots(&["criteo"]))).unwrap();
            let read = read_policy("p", &after).unwrap().value;
            assert_eq!((read.entitlements, read.regulated_health), (Some(slots(&["criteo"])), true), "{after}");
        }
        assert!(with_entitlements("format: [", Some(&slots(&[]))).is_err());
    }

    #[test]
    fn a_name_that_is_no_plain_word_is_not_lost() {
        let odd = slots(&["a, b"]);
        let after = with_entitlements("format: 1\n", Some(&odd)).unwrap();
        assert_eq!(read_policy("p", &after).unwrap().value.entitlements, Some(odd));
    }
}
