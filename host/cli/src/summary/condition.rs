//! Conditions in a few words: `days_since_open < 7`, `country in FR, DE`.
use caravan_model::filter::{AttrFilter, Compare, EventFilter};
use caravan_model::{Consent, Filter};
use serde_json::Value;

/// The longest condition that is shown in full.
const LONGEST: usize = 44;

/// A condition, cut short where it is long.
pub fn in_words(filter: &Filter) -> String {
    let text = words(filter);
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut short: String = text.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

fn words(filter: &Filter) -> String {
    let several = |filters: &[Filter], with: &str| match filters {
        [] => "nothing asked".to_owned(),
        [one] => words(one),
        several => several.iter().map(nested).collect::<Vec<_>>().join(with),
    };
    match filter {
        Filter::All(all) => several(&all.all, " and "),
        Filter::Any(any) => several(&any.any, " or "),
        Filter::Not(not) => format!("not {}", nested(&not.not)),
        Filter::Attr(AttrFilter { attr, is }) => format!("{attr} {}", compare(is)),
        Filter::Event(event) => did(event),
        Filter::Segment(segment) => format!("in segment {}", segment.segment),
        Filter::List(list) => format!("in list {}", list.list),
        Filter::Consent(consent) => {
            let is = match consent.is.unwrap_or(Consent::Granted) {
                Consent::Granted => "granted",
                Consent::Denied => "denied",
                Consent::Unknown => "unknown",
            };
            format!("consent {} {is}", consent.consent)
        }
        Filter::Tracking(tracking) => format!("tracking {}", if tracking.tracking { "allowed" } else { "denied" }),
    }
}

/// With brackets where words would run together.
fn nested(filter: &Filter) -> String {
    let joined = matches!(filter, Filter::All(all) if all.all.len() > 1)
        || matches!(filter, Filter::Any(any) if any.any.len() > 1);
    if joined { format!("({})", words(filter)) } else { words(filter) }
}

fn did(event: &EventFilter) -> String {
    let mut text = format!("did {}", event.event);
    if let Some(count) = &event.count {
        text.push_str(&format!(" {} times", compare(count)));
    }
    if let Some(within) = event.within {
        text.push_str(&format!(" within {within}"));
    }
    if !event.properties.is_empty() || event.first.is_some() || event.last.is_some() {
        text.push_str(" …");
    }
    text
}

fn compare(is: &Compare) -> String {
    let list = |values: &[Value]| values.iter().map(value).collect::<Vec<_>>().join(", ");
    let with = |sign: &str, other: &Option<Value>| other.as_ref().map(|other| format!("{sign} {}", value(other)));
    let all = [
        with("=", &is.eq),
        with("≠", &is.ne),
        is.one_of.as_deref().map(|values| format!("in {}", list(values))),
        is.not_in.as_deref().map(|values| format!("not in {}", list(values))),
        with(">", &is.gt),
        with("≥", &is.gte),
        with("<", &is.lt),
        with("≤", &is.lte),
        with("contains", &is.contains),
        is.starts_with.as_ref().map(|text| format!("begins with {text}")),
        is.ends_with.as_ref().map(|text| format!("ends with {text}")),
        is.exists.map(|exists| if exists { "is known" } else { "is unknown" }.to_owned()),
        is.within.map(|span| format!("within {span}")),
        is.before.map(|span| format!("longer ago than {span}")),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use serde_json::{Value, json};

    fn said(filter: Value) -> String {
        in_words(&serde_json::from_value(filter).expect("a filter"))
    }

    #[test]
    fn conditions_read_as_words() {
        for (filter, words) in [
            (json!({"attr": "days_since_open", "lt": 7}), "days_since_open < 7"),
            (json!({"attr": "plan", "in": ["pro", "team"]}), "plan in pro, team"),
            (
                json!({"not": {"any": [{"consent": "advertising"}, {"tracking": true}]}}),
                "not (consent advertising granted or trackin…",
            ),
            (json!({"event": "app_open", "within": "7d", "count": {"gte": 3}}), "did app_open ≥ 3 times within 7d"),
            (json!({"all": [{"segment": "s"}]}), "in segment s"),
        ] {
            assert_eq!(said(filter), words);
        }
    }
}
