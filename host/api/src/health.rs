//! Health and readiness.
use crate::server::State;
use axum::http::StatusCode;
use caravan_store::Store;
use std::sync::Arc;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: requests can be done: the store answers, and the host is not on its way out.
pub(crate) async fn ready<S: Store>(
    axum::extract::State(state): axum::extract::State<Arc<State<S>>>,
) -> (StatusCode, &'static str) {
    if state.is_leaving() {
        return (StatusCode::SERVICE_UNAVAILABLE, "leaving\n");
    }
    match state.runner.store().backlog().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}
