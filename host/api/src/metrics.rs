//! `GET /metrics`: how the host is, in Prometheus' text form. Codes and names of ours, never people.
use crate::caller::bearer;
use crate::problem::Refused;
use crate::server::{ServerOptions, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Millis, Problem};
use caravan_store::{LaneState, Store};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What this process counted since it began.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Messages taken in.
    pub received: AtomicU64,
    /// Messages whose id was known.
    pub repeated: AtomicU64,
    /// Messages that could not be read.
    pub unreadable: AtomicU64,
    /// Requests that were put off because too much waits.
    pub put_off: AtomicU64,
}

impl Counts {
    /// Adds to one of them.
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

type Labels = Vec<(String, String)>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Headers by which a proxy says that a request comes from elsewhere.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether a request may see the names of all workspaces' canvases, connections and audiences: by the key for metrics; without
/// one, from this machine, where nobody else reaches the host and no proxy brings others.
fn may_see(options: &ServerOptions, headers: &HeaderMap) -> bool {
    match options.metrics_key.is_empty() {
        false => bearer(headers).is_some_and(|key| options.metrics_key.know(key)),
        true => options.loopback && !FORWARDED.iter().any(|name| headers.contains_key(*name)),
    }
}

/// Everything, read at this moment.
pub(crate) async fn show<S: Store>(
    axum::extract::State(state): axum::extract::State<Arc<State<S>>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refused> {
    if !may_see(&state.options, &headers) {
        let problem =
            Problem::new(Code::NotSigned, "metrics name what all workspaces have, and this is no key for them")
                .cure("set `[metrics] key` in caravan.toml, and send it as `Authorization: Bearer …`");
        return Err(problem.into());
    }
    let text = text(&state).await.map_err(Refused::from)?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

async fn text<S: Store>(state: &State<S>) -> caravan_runner::Result<String> {
    let now = SystemClock.now();
    let mut registry = Registry::with_prefix("caravan");
    let messages = Family::<Labels, Gauge>::default();
    registry.register(
        "messages",
        "Messages of the tracking API since the start, by what became of them",
        messages.clone(),
    );
    let counts = &state.counts;
    for (outcome, counter) in [
        ("taken-in", &counts.received),
        ("known-already", &counts.repeated),
        ("unreadable", &counts.unreadable),
        ("put-off-request", &counts.put_off),
    ] {
        messages.get_or_create(&labels(&[("outcome", outcome)])).set(whole(counter.load(Ordering::Relaxed)));
    }
    let (waiting, age) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    registry.register("inbox_messages", "Messages that wait to be worked off", waiting.clone());
    registry.register("inbox_oldest_seconds", "How long the oldest of them has waited", age.clone());
    let (taken, free) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    registry.register("store_bytes", "Bytes that a store takes", taken.clone());
    registry.register("store_free_bytes", "Bytes that are left where a store lies", free.clone());
    let profiles = Family::<Labels, Gauge>::default();
    registry.register(
        "merges",
        "Profiles that went on in another, and those that should and cannot: they are in audiences, or wait in a queue",
        profiles.clone(),
    );
    let queue = Family::<Labels, Gauge>::default();
    let (held, oldest) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    registry.register("queue_waiting", "People who wait in a queue", queue.clone());
    registry.register("queue_held", "1 where a queue is held, by a fault or by a person", held.clone());
    registry.register("queue_oldest_seconds", "How long the oldest unsent operation has waited", oldest.clone());
    let visits = Family::<Labels, Gauge>::default();
    let (entered, inside) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    registry.register("visits", "Visits of a step by status and reason", visits.clone());
    registry.register("entered", "Entries into a version of a canvas", entered.clone());
    registry.register("inside", "Entries that have not ended", inside.clone());
    for place in &state.workspaces {
        let (store, workspace) = (place.runner.store(), place.name.as_str());
        let backlog = store.backlog().await?;
        let of = labels(&[("workspace", workspace)]);
        waiting.get_or_create(&of).set(whole(backlog.messages));
        age.get_or_create(&of).set(backlog.oldest.map_or(0, |oldest| seconds(now, oldest)));
        let space = store.space().await?;
        taken.get_or_create(&of).set(whole(space.bytes));
        if let Some(left) = space.free {
            free.get_or_create(&of).set(whole(left));
        }
        let merges = store.merges().await?;
        for (outcome, n) in [("merged", merges.merged), ("waiting", merges.waiting)] {
            profiles.get_or_create(&labels(&[("workspace", workspace), ("outcome", outcome)])).set(whole(n));
        }
        for lane in store.lanes().await? {
            let of = labels(&[
                ("workspace", workspace),
                ("connector", &lane.key.connector),
                ("connection", &lane.connection),
                ("account", &lane.key.account),
                ("audience", &lane.key.audience),
                ("stripe", &lane.stripe.to_string()),
            ]);
            queue.get_or_create(&of).set(whole(lane.waiting));
            let is_held = matches!(lane.state, LaneState::Held { .. }) || !lane.held_by.is_empty();
            held.get_or_create(&of).set(i64::from(is_held));
            oldest.get_or_create(&of).set(lane.oldest.map_or(0, |at| seconds(now, at)));
        }
        for version in store.versions().await? {
            let counters = store.counters(version.id).await?;
            let (canvas, number) = (version.canvas.canvas.as_str(), version.number.to_string());
            let of = labels(&[("workspace", workspace), ("canvas", canvas), ("version", &number)]);
            entered.get_or_create(&of).set(whole(counters.entered));
            inside.get_or_create(&of).set(whole(counters.open));
            for count in &counters.counts {
                let step = version.canvas.steps.at(count.step).map_or("", |(id, _)| id.as_str());
                let of = labels(&[
                    ("workspace", workspace),
                    ("canvas", canvas),
                    ("version", &number),
                    ("step", step),
                    ("status", count.status.word()),
                    ("reason", &count.reason.code),
                ]);
                visits.get_or_create(&of).inc_by(whole(count.n));
            }
        }
    }
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = encode(&mut text, &registry);
    Ok(text)
}

fn seconds(now: Millis, then: Millis) -> i64 {
    whole(now.since(then).0 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriteKeys;
    use axum::http::HeaderValue;

    #[test]
    fn metrics_are_for_whoever_has_their_key_and_without_one_for_this_machine_alone() {
        let options = |key: &str, loopback| ServerOptions {
            metrics_key: WriteKeys::new([key]),
            loopback,
            ..ServerOptions::default()
        };
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let (open, scraper) = (HeaderMap::new(), with("authorization", "Bearer m-key"));
        assert!(may_see(&options("", true), &open) && !may_see(&options("", false), &open));
        assert!(!may_see(&options("", true), &with("x-forwarded-for", "203.0.113.7")), "a proxy brings somebody");
        assert!(!may_see(&options("m-key", true), &open) && may_see(&options("m-key", false), &scraper));
        assert!(!may_see(&options("m-key", true), &with("authorization", "Bearer other")));
        assert!(!may_see(&options("", false), &scraper));
    }
}
