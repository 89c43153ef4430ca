//! Reads figures about quotas from the head of an answer. Headers come from outside: whatever stands in them, reading
//! is bounded, and what cannot be read is left out.
use crate::manifest::{UsageKind, UsageReading, UsageRule};
use serde_json::Value;

/// The longest header value that is read, in bytes.
const LONGEST: usize = 16 * 1024;
/// Most JSON values that one pointer may visit.
const MOST_VISITS: usize = 1_000;
/// Greater figures are nonsense; this one is far beyond any.
const LARGEST: f64 = 1e15;

/// The figures of one answer: by the manifest's rules, and `Retry-After` where the answer is a refusal.
pub fn read<'h>(rules: &[UsageRule], status: u16, header: impl Fn(&str) -> Option<&'h str>) -> Vec<UsageReading> {
    let mut readings = Vec::new();
    if status >= 400
        && let Some((kind, value)) = header("retry-after").and_then(retry_after)
    {
        readings.push(UsageReading { scope: None, kind, value, per: None });
    }
    for rule in rules {
        let Some(text) = header(&rule.header).filter(|text| text.len() <= LONGEST) else { continue };
        let value = match &rule.at {
            None => leading_number(text).map(|number| whole(number, rule.tells)),
            Some(at) => serde_json::from_str(text).ok().and_then(|json| worst(&json, at, rule.tells)),
        };
        if let Some(value) = value {
            readings.push(UsageReading { scope: Some(rule.scope), kind: rule.tells, value, per: rule.per });
        }
    }
    readings
}

/// `Retry-After`: seconds, or an HTTP date.
fn retry_after(text: &str) -> Option<(UsageKind, u64)> {
    let text = text.trim();
    match text.bytes().next()?.is_ascii_digit() {
        true => leading_number(text).map(|seconds| (UsageKind::RetryIn, whole(seconds, UsageKind::RetryIn))),
        false => http_date(text).map(|at| (UsageKind::RetryAt, at)),
    }
}

/// The number at the beginning of a text such as `100` or `100;w=1`.
fn leading_number(text: &str) -> Option<f64> {
    let first = text.trim().split([',', ';', ' ']).next()?;
    let is_plain = first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    first.parse().ok().filter(|number| is_plain && is_sound(*number))
}

fn is_sound(number: f64) -> bool {
    (0.0..=LARGEST).contains(&number)
}

/// Rounded so that we are rather too careful.
fn whole(number: f64, kind: UsageKind) -> u64 {
    match kind {
        UsageKind::Limit | UsageKind::Remaining => number.floor() as u64,
        _ => number.ceil() as u64,
    }
}

/// Of all figures that the pointer reaches the one that asks for the most care.
fn worst(json: &Value, pointer: &str, kind: UsageKind) -> Option<u64> {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let mut visits = MOST_VISITS;
    let mut found: Option<f64> = None;
    visit(json, &steps, &mut visits, &mut |number| {
        let smaller = matches!(kind, UsageKind::Limit | UsageKind::Remaining);
        found = Some(found.map_or(number, |known| if smaller { known.min(number) } else { known.max(number) }));
    });
    found.map(|number| whole(number, kind))
}

fn visit(json: &Value, steps: &[String], visits: &mut usize, take: &mut impl FnMut(f64)) {
    if *visits == 0 {
        return;
    }
    *visits -= 1;
    let Some((step, rest)) = steps.split_first() else {
        let number = match json {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => leading_number(text),
            _ => None,
        };
        number.filter(|number| is_sound(*number)).into_iter().for_each(take);
        return;
    };
    match json {
        Value::Array(elements) if step == "*" => {
            elements.iter().for_each(|element| visit(element, rest, visits, take));
        }
        Value::Array(elements) => {
            if let Some(element) = step.parse().ok().and_then(|at: usize| elements.get(at)) {
                visit(element, rest, visits, take);
            }
        }
        Value::Object(members) if step == "*" => members.values().for_each(|member| visit(member, rest, visits, take)),
        Value::Object(members) => {
            if let Some(member) = members.get(step) {
                visit(member, rest, visits, take);
            }
        }
        _ => {}
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may write (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let mut number = |below: u64| words.next()?.parse::<u64>().ok().filter(|n| *n < below);
    let day = number(32).filter(|day| *day > 0)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|known| *known == name)? as u64 + 1;
    let year = words.next()?.parse::<u64>().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|n| *n < 61));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || hours > 23 {
        return None;
    }
    // Days since 1970, with years that begin in March so that a leap day is the last of its year.
    let years = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * years + years / 4 - years / 100 + years / 400 + day_of_year - 719_468;
    Some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Duration;
    use crate::manifest::QuotaScope;

    fn rule(header: &str, tells: UsageKind, at: Option<&str>) -> UsageRule {
        UsageRule { header: header.into(), scope: QuotaScope::Account, tells, at: at.map(str::to_owned), per: None }
    }

    fn value(rule: &UsageRule, text: &str) -> Option<u64> {
        read(std::slice::from_ref(rule), 200, |_| Some(text)).first().map(|reading| reading.value)
    }

    #[test]
    fn metas_usage_is_read_over_all_businesses_and_types() {
        let text = r#"{"9":[{"type":"custom_audience","call_count":28,"estimated_time_to_regain_access":0},
            {"type":"ads_management","call_count":93.2,"estimated_time_to_regain_access":7}],"8":[]}"#;
        let header = "X-Business-Use-Case-Usage";
        assert_eq!(value(&rule(header, UsageKind::Percent, Some("/*/*/call_count")), text), Some(94));
        let regain = rule(header, UsageKind::RegainIn, Some("/*/*/estimated_time_to_regain_access"));
        assert_eq!(value(&regain, text), Some(7));
        assert_eq!(value(&rule(header, UsageKind::Percent, Some("/*/*/total_time")), text), None);
        assert_eq!(value(&rule(header, UsageKind::Percent, Some("/9/1/call_count")), text), Some(94));
    }

    #[test]
    fn plain_figures_are_read_from_the_beginning_of_the_value() {
        let remaining = rule("x-ratelimit-remaining", UsageKind::Remaining, None);
        assert_eq!(value(&remaining, " 7 "), Some(7));
        assert_eq!(value(&remaining, "7.9;w=1"), Some(7));
        for wrong in ["", "-1", "soon", "1e999", "NaN", ".", "99999999999999999999"] {
            assert_eq!(value(&remaining, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn retry_after_is_read_from_refusals_without_a_rule() {
        let read_it = |status, text| {
            let header = |name: &str| (name == "retry-after").then_some(text);
            read(&[], status, header).first().map(|reading| (reading.kind, reading.value))
        };
        assert_eq!(read_it(429, "120"), Some((UsageKind::RetryIn, 120)));
        assert_eq!(read_it(503, "Sun, 06 Nov 1994 08:49:37 GMT"), Some((UsageKind::RetryAt, 784_111_777)));
        assert_eq!(read_it(503, "Thu, 29 Feb 2024 00:00:00 GMT"), Some((UsageKind::RetryAt, 1_709_164_800)));
        assert_eq!(read_it(200, "120"), None);
        for wrong in ["tomorrow", "Sun, 06 Nov", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 99:00:00 GMT"] {
            assert_eq!(read_it(429, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn huge_and_broken_headers_are_left_out() {
        let all = rule("x", UsageKind::Percent, Some("/*"));
        assert_eq!(value(&all, &format!("[{}1]", " ".repeat(LONGEST))), None);
        assert_eq!(value(&all, "[1,"), None);
        assert_eq!(value(&all, &"[".repeat(5_000)), None);
        let many = format!("[{}99]", "1,".repeat(MOST_VISITS));
        assert_eq!(value(&all, &many), Some(1), "what lies beyond the bound is not visited");
    }

    #[test]
    fn rules_and_quotas_are_checked_when_a_manifest_is_loaded() {
        use crate::manifest::{Quota, check_limits};
        let quota = |text: &str| serde_json::from_str::<Quota>(text).unwrap();
        let hour = quota(r#"{"scope":"account","unit":"calls","amount":5,"per":"1h"}"#);
        let limit = UsageRule { per: Some(Duration::HOUR), ..rule("x-limit", UsageKind::Limit, None) };
        assert_eq!(check_limits(std::slice::from_ref(&hour), std::slice::from_ref(&limit)), Ok(()));
        for wrong in [
            rule("x-limit", UsageKind::Limit, None),
            UsageRule { per: Some(Duration::DAY), ..limit.clone() },
            UsageRule { per: Some(Duration::HOUR), ..rule("x", UsageKind::Remaining, None) },
            rule("x y", UsageKind::Remaining, None),
            rule("x", UsageKind::Remaining, Some("a")),
        ] {
            assert!(check_limits(std::slice::from_ref(&hour), std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
        }
        for wrong in [
            r#"{"scope":"app","unit":"calls","amount":0,"per":"1h"}"#,
            r#"{"scope":"app","unit":"calls","amount":1}"#,
            r#"{"scope":"app","unit":"in-flight","amount":1,"per":"1h"}"#,
            r#"{"scope":"app","unit":"calls","amount":1,"per":"1d","resets":"24:00Z"}"#,
            r#"{"scope":"app","unit":"calls","amount":1,"per":"1d","resets":"midnight"}"#,
        ] {
            assert!(check_limits(&[quota(wrong)], &[]).is_err(), "{wrong}");
        }
        let day = quota(r#"{"scope":"app","unit":"calls","amount":1,"per":"1d","resets":"07:30Z"}"#);
        assert_eq!((day.check(), day.resets_at()), (Ok(()), Some(Duration(27_000_000))));
    }
}
