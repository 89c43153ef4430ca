//! `/api/alerts`: what is wrong now, and who is told of it.
use super::{EDIT_CANVASES, VIEW_CANVASES};
use crate::caller::Caller;
use crate::input::{At, Json};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{AlertKind, CanvasId, Channel, Code, Problem, Severity, Subscription, SubscriptionId};
use caravan_runner::alerts::AlertBook;
use caravan_store::{DocumentKind, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// An alert that is open.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertView {
    /// What it is about.
    #[schema(value_type = String)]
    pub kind: AlertKind,
    /// How bad.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// The queue, step, connector or connection.
    pub subject: String,
    /// Since when, in milliseconds of UTC.
    pub since: i64,
    /// In plain words.
    pub words: String,
    /// What to do.
    pub cure: Option<String>,
}

/// Who is told of what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionInput {
    /// Only of this canvas.
    #[serde(default)]
    pub canvas: Option<String>,
    /// Only of this connection.
    #[serde(default)]
    pub connection: Option<String>,
    /// Only these kinds; all if empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub kinds: Vec<AlertKind>,
    /// `warning` (default) or `critical`.
    #[serde(default = "warning")]
    #[schema(value_type = String)]
    pub at_least: Severity,
    /// Where to: `mailto:ops@acme.example`, `slack:env:VARIABLE`, … as `caravan alert add --to` takes it; never a secret.
    pub to: String,
}

fn warning() -> Severity {
    Severity::Warning
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Its name.
    pub name: String,
    /// What it is about, and where to.
    #[schema(value_type = Object)]
    pub subscription: Subscription,
}

/// What is wrong now.
#[utoipa::path(get, path = "/api/alerts", tag = "alerts", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<AlertView>)))]
pub(crate) async fn open<S: Store>(caller: Caller<S, VIEW_CANVASES>) -> Result<axum::Json<Vec<AlertView>>, Refused> {
    let store = caller.store();
    let (alerts, notices) = (store.documents(DocumentKind::Alert).await?, store.documents(DocumentKind::Notice).await?);
    let book = AlertBook::from_documents(&alerts, &notices);
    let book = book.map_err(|words| Problem::new(Code::StoreDamaged, words))?;
    let now = SystemClock.now();
    let view = |alert: &caravan_runner::alerts::OpenAlert| AlertView {
        kind: alert.key.kind,
        severity: alert.severity,
        subject: alert.key.subject.clone(),
        since: alert.opened.0,
        words: alert.words(now),
        cure: Some(alert.cure().to_string()).filter(|cure| !cure.is_empty()),
    };
    Ok(axum::Json(book.open().map(view).collect()))
}

/// Who is told of what.
#[utoipa::path(get, path = "/api/subscriptions", tag = "alerts", security(("key" = ["view-canvases"])),
    responses((status = 200, body = Vec<SubscriptionView>)))]
pub(crate) async fn list<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
) -> Result<axum::Json<Vec<SubscriptionView>>, Refused> {
    let mut views = Vec::new();
    for (name, text) in caller.store().documents(DocumentKind::Subscription).await? {
        let subscription = serde_json::from_str(&text)
            .map_err(|_| Problem::new(Code::StoreDamaged, format!("the subscription `{name}` cannot be read")))?;
        views.push(SubscriptionView { name, subscription });
    }
    Ok(axum::Json(views))
}

/// Keeps a subscription, new or changed.
#[utoipa::path(put, path = "/api/subscriptions/{name}", tag = "alerts", params(("name" = String, Path)),
    request_body = SubscriptionInput, security(("key" = ["edit-canvases"])),
    responses((status = 200, body = SubscriptionView)))]
pub(crate) async fn set<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At(name): At<String>,
    Json(input): Json<SubscriptionInput>,
) -> Result<axum::Json<SubscriptionView>, Refused> {
    let wrong = |at: &str, words: String| Problem::new(Code::BadValue, words).at_path(at);
    let subscription = Subscription {
        id: SubscriptionId::new(name.clone()).map_err(|words| wrong("name", words))?,
        canvas: input.canvas.map(CanvasId::new).transpose().map_err(|words| wrong("canvas", words))?,
        connection: input.connection,
        kinds: input.kinds,
        at_least: input.at_least,
        to: input.to.parse::<Channel>().map_err(|words| wrong("to", words))?,
    };
    let text =
        serde_json::to_string(&subscription).map_err(|error| caravan_runner::Error::Broken(error.to_string()))?;
    let document = (DocumentKind::Subscription, name.clone(), Some(text));
    caller.acting().put(vec![document], "alert.add", &format!("subscription {name}"), json!({})).await?;
    Ok(axum::Json(SubscriptionView { name, subscription }))
}

/// Ends a subscription.
#[utoipa::path(delete, path = "/api/subscriptions/{name}", tag = "alerts", params(("name" = String, Path)),
    security(("key" = ["edit-canvases"])), responses((status = 204)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At(name): At<String>,
) -> Result<StatusCode, Refused> {
    let known = caller.store().documents(DocumentKind::Subscription).await?;
    if !known.iter().any(|(id, _)| *id == name) {
        return Err(Refused::missing(format!("there is no subscription `{name}`")));
    }
    let document = (DocumentKind::Subscription, name.clone(), None);
    caller.acting().put(vec![document], "alert.remove", &format!("subscription {name}"), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a subscription was told, and what is still to be sent.
#[utoipa::path(get, path = "/api/subscriptions/{name}", tag = "alerts", params(("name" = String, Path)),
    security(("key" = ["view-canvases"])), responses((status = 200, body = Object)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_CANVASES>,
    At(name): At<String>,
) -> Result<axum::Json<serde_json::Value>, Refused> {
    Ok(axum::Json(caller.place.bench.subscription(name).await?))
}

/// Sends a test notice to a subscription and says whether it left.
#[utoipa::path(post, path = "/api/subscriptions/{name}/test", tag = "alerts", params(("name" = String, Path)),
    security(("key" = ["edit-canvases"])), responses((status = 200, body = Object)))]
pub(crate) async fn test<S: Store>(
    caller: Caller<S, EDIT_CANVASES>,
    At(name): At<String>,
) -> Result<axum::Json<serde_json::Value>, Refused> {
    Ok(axum::Json(caller.place.bench.try_subscription(name).await?))
}
