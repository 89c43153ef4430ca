//! Mistakes as RFC 9457 problem details.
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use caravan_model::{Code, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// How a mistake is answered, as `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemView {
    /// `urn:caravan:CODE`.
    pub r#type: String,
    /// What kind of mistake it is, in one line.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong.
    pub detail: String,
    /// The code: `caravan explain CODE` tells more.
    pub code: String,
    /// Where, within what was sent.
    pub place: Option<String>,
    /// In which line of it, from 1.
    pub line: Option<u32>,
    /// What to do.
    pub cure: Option<String>,
    /// Where several things are wrong: all of them.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// A mistake, or a refusal for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status}: {problem}")]
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong, where, and what to do.
    pub problem: Box<Problem>,
    /// Where several things are wrong: all of them, the first one among them.
    pub all: Vec<Problem>,
    /// After how many seconds the same may be tried again.
    pub retry_after: Option<u32>,
}

impl Refused {
    /// The request is wrong.
    pub fn bad(problem: Problem) -> Refused {
        let status = status_of(problem.code);
        Refused { status, problem: Box::new(problem), all: Vec::new(), retry_after: None }
    }

    /// Several things are wrong at once; `None` where nothing is.
    pub fn several(problems: Vec<Problem>) -> Option<Refused> {
        let first = problems.first()?.clone();
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Some(Refused { status, problem: Box::new(first), all: problems, retry_after: None })
    }

    /// There is no such thing.
    pub fn missing(words: impl Into<String>) -> Refused {
        Refused::bad(Problem::new(Code::NotFound, words))
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

/// The status of a problem that a person can mend.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::NotFound | Code::UnknownGroup => StatusCode::NOT_FOUND,
        Code::NotSigned => StatusCode::UNAUTHORIZED,
        Code::NoRight => StatusCode::FORBIDDEN,
        Code::StoreInUse | Code::ConnectionTwice | Code::ConnectionInUse | Code::KeptInFile => StatusCode::CONFLICT,
        Code::Unreached => StatusCode::BAD_GATEWAY,
        Code::StoreDamaged | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::BadSyntax | Code::BadValue | Code::UnknownField | Code::Usage => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::bad(problem)
    }
}

impl From<caravan_store::Error> for Refused {
    fn from(error: caravan_store::Error) -> Refused {
        caravan_runner::Error::from(error).into()
    }
}

impl From<caravan_runner::Error> for Refused {
    /// What a person can mend is said; what failed inside is logged with its words, and answered without them.
    fn from(error: caravan_runner::Error) -> Refused {
        if let caravan_runner::Error::Problem(problem)
        | caravan_runner::Error::Store(caravan_store::Error::Problem(problem)) = &error
            && status_of(problem.code) != StatusCode::INTERNAL_SERVER_ERROR
        {
            return Refused::bad(problem.clone());
        }
        tracing::error!(%error, "a request failed");
        let problem = Problem::new(Code::Internal, "the host could not do this just now; nothing was taken in")
            .cure("try again; the host's log says what is wrong");
        Refused::bad(problem).with(StatusCode::SERVICE_UNAVAILABLE).again_after(5)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused { status, problem, all, retry_after } = self;
        let Problem { code, message, path, line, cure, .. } = *problem;
        let body = ProblemView {
            r#type: format!("urn:caravan:{code}"),
            title: code.title().to_owned(),
            status: status.as_u16(),
            detail: message,
            code: code.to_string(),
            place: path,
            line,
            cure,
            problems: all,
        };
        let mut response = (status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Millis;
    use caravan_store::{OpenOptions, Slots, Sqlite, Store as _};

    #[tokio::test]
    async fn whoever_sends_to_a_full_disk_is_told_to_come_again_and_nothing_of_the_inside() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions { most_pages: 200, ..OpenOptions::default() };
        let store = Sqlite::open(folder.path().join("full.caravan"), options).unwrap();
        let lease = store.lease("test", Slots::ALL, Millis(1)).await.unwrap();
        let error = loop {
            if let Err(error) = store.receive(lease, vec![(None, "x".repeat(10_000)); 20], Millis(1)).await {
                break error;
            }
        };
        let answer = Refused::from(error).into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "CV099");
        assert!(!body.to_string().contains("SQL") && !body.to_string().contains("full.caravan"), "{body}");
    }
}
