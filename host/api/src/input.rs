//! What requests bring, read so that a mistake is answered with its place.
use crate::problem::Refused;
use axum::body::{self, Body};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use caravan_model::{Code, Problem};
use serde::de::DeserializeOwned;

/// A JSON body.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refused> {
        let bytes = body(request, state).await?;
        // An empty body is an empty object: calls whose fields are all optional need none.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Json).map_err(|error| {
            let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
            let code = if error.is_data() { Code::BadValue } else { Code::BadSyntax };
            let problem = Problem::new(code, format!("the body cannot be read: {}", discreet(&error))).at_line(line);
            Refused::bad(problem.cure(LOOK_UP))
        })
    }
}

/// What to do about a request that cannot be read.
const LOOK_UP: &str = "look the call up at /api/openapi.json";

/// What is wrong, without a value of the body: it may be a person's, or a secret.
fn discreet(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.split_once("invalid type: ").or_else(|| words.split_once("invalid value: ")) {
        Some((_, rest)) => {
            let expected = rest.split_once("expected ").map_or("another kind of value", |(_, expected)| expected);
            format!("a value cannot stand there: expected {expected}")
        }
        None => words,
    }
}

/// A body as it is.
pub(crate) struct Bytes(pub Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Bytes {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refused> {
        Ok(Bytes(body(request, state).await?.to_vec()))
    }
}

/// A text body, in UTF-8.
pub(crate) struct Text(pub String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Refused> {
        let bytes = body(request, state).await?;
        let read = String::from_utf8(bytes.to_vec());
        read.map(Text).map_err(|_| Refused::bad(Problem::new(Code::BadSyntax, "the body is not in UTF-8")))
    }
}

/// The body, within the bounds of its route.
pub(crate) async fn body<S: Send + Sync>(request: Request<Body>, state: &S) -> Result<body::Bytes, Refused> {
    body::Bytes::from_request(request, state).await.map_err(|rejection| {
        let status = rejection.status();
        let cure = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "send less at a time",
            _ => "send the request again",
        };
        Refused::bad(Problem::new(Code::BadValue, rejection.body_text()).cure(cure)).with(status)
    })
}

/// What stands behind the `?`.
pub(crate) struct Search<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Search<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(value)| Search(value)).map_err(|_| {
            let problem =
                Problem::new(Code::BadValue, "the query cannot be read: a field is unknown, or not of its kind");
            Refused::bad(problem.cure(LOOK_UP))
        })
    }
}

/// What stands in the path.
pub(crate) struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| At(value)).map_err(|_| {
            let problem = Problem::new(Code::BadValue, "the path cannot be read: a part is not of its kind");
            Refused::bad(problem.cure(LOOK_UP))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[serde(default)]
        n: u32,
    }

    async fn read(text: &str) -> Result<u32, Refused> {
        let request = Request::new(Body::from(text.to_owned()));
        Json::<Wanted>::from_request(request, &()).await.map(|Json(wanted)| wanted.n)
    }

    #[tokio::test]
    async fn a_mistake_repeats_no_value() {
        let wrong = read(r#"{"n": "hunter2"}"#).await.unwrap_err();
        assert!(!wrong.to_string().contains("hunter2") && wrong.to_string().contains("expected u32"), "{wrong}");
        assert!(read("{").await.unwrap_err().to_string().contains("line 1"));
        assert!(read(r#"{"m": 1}"#).await.unwrap_err().to_string().contains("unknown field"));
        assert_eq!(read("").await.unwrap(), 0);
    }
}
