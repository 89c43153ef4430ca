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
    for workspace in &state.workspaces {
        if workspace.backlog().await.is_err() {
            return (StatusCode::SERVICE_UNAVAILABLE, "a store does not answer\n");
        }
    }
    (StatusCode::OK, "ready\n")
}
