//! Mistakes as RFC 9457 problem details.
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use caravan_model::{Code, Problem};
use serde_json::json;

/// A mistake, or a refusal for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status}: {problem}")]
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong, where, and what to do.
    pub problem: Box<Problem>,
    /// After how many seconds the same may be tried again.
    pub retry_after: Option<u32>,
}

impl Refused {
    /// The request is wrong.
    pub fn bad(problem: Problem) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, problem: Box::new(problem), retry_after: None }
    }

    /// Another status.
    #[must_use]
    pub fn with(mut self, status: StatusCode) -> Refused {
        self.status = status;
        self
    }

    /// The same may be tried again.
    #[must_use]
    pub fn again_after(mut self, seconds: u32) -> Refused {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<caravan_runner::Error> for Refused {
    /// What failed inside is logged with its words, and answered without them.
    fn from(error: caravan_runner::Error) -> Refused {
        tracing::error!(%error, "a request failed");
        let problem = Problem::new(Code::Internal, "the host could not do this just now; nothing was taken in")
            .cure("try again; the host's log says what is wrong");
        Refused::bad(problem).with(StatusCode::SERVICE_UNAVAILABLE).again_after(5)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused { status, problem, retry_after } = self;
        let body = json!({
            "type": format!("urn:caravan:{}", problem.code),
            "title": problem.code.title(),
            "status": status.as_u16(),
            "detail": problem.message,
            "code": problem.code.to_string(),
            "place": problem.path,
            "cure": problem.cure,
        });
        let mut response = (status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
