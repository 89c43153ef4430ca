//! The usage headers that come with every answer (contract, section 5).
use caravan_sdk::http::Response;
use serde_json::Value;

/// The type of the quota that calls about audiences are counted in.
const CUSTOM_AUDIENCE: &str = "custom_audience";

/// How long until Meta takes calls again, in milliseconds, where it says so: `estimated_time_to_regain_access` is in
/// minutes. There is no `Retry-After`.
pub fn regain_ms(answer: &Response) -> Option<u64> {
    let usages = usages(answer);
    let longest = |ours: bool| {
        let counted = usages.iter().filter(|usage| !ours || usage["type"] == CUSTOM_AUDIENCE);
        counted.filter_map(|usage| usage["estimated_time_to_regain_access"].as_u64()).max()
    };
    let minutes = longest(true).filter(|&minutes| minutes > 0).or_else(|| longest(false))?;
    (minutes > 0).then(|| minutes.saturating_mul(60_000))
}

/// The highest share of any quota of our kind that is used, in per cent.
pub fn busiest(answer: &Response) -> Option<u64> {
    let percent = |usage: &Value| {
        ["call_count", "total_cputime", "total_time"].iter().filter_map(|name| usage[*name].as_u64()).max()
    };
    usages(answer).iter().filter(|usage| usage["type"] == CUSTOM_AUDIENCE).filter_map(percent).max()
}

/// `{"<object>":[{"type":"custom_audience","call_count":28,…}]}`, without the objects.
fn usages(answer: &Response) -> Vec<Value> {
    let header = answer.header("x-business-use-case-usage").unwrap_or_default();
    match serde_json::from_str(header) {
        Ok(Value::Object(objects)) => {
            let lists = objects.into_iter().filter_map(|(_, list)| match list {
                Value::Array(list) => Some(list),
                _ => None,
            });
            lists.flatten().collect()
        }
        _ => Vec::new(),
    }
}
