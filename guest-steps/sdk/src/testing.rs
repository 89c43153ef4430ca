//! The partner's place in tests on the machine that builds the connector.
//!
//! ```
//! use caravan_sdk::{http, testing};
//!
//! let (answer, calls) = testing::with_partner(
//!     |call| testing::json(200, &format!("{{\"path\":\"{}\"}}", call.path)),
//!     || http::send(http::Request::get("api.acme.example", http::Path::new(["me"]))),
//! );
//! assert_eq!(answer.unwrap().body, br#"{"path":"/me"}"#);
//! assert_eq!(calls[0].method, "GET");
//! ```
use crate::http::{HttpError, Request, Response, write_body};
use crate::{Action, Column, Part, Target};
use std::cell::RefCell;

/// A request as the partner receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path and query.
    pub path: String,
    /// The headers, in lower case as the connector gave them.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

type Partner = Box<dyn FnMut(&Call) -> Result<Response, HttpError>>;

#[derive(Default)]
struct Stage {
    partner: Option<Partner>,
    calls: Vec<Call>,
    lines: Vec<String>,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::default();
}

/// Runs `play` with `partner` answering every request of this thread; gives its outcome and the requests made.
pub fn with_partner<T>(
    mut partner: impl FnMut(&Call) -> Response + 'static,
    play: impl FnOnce() -> T,
) -> (T, Vec<Call>) {
    with_transport(move |call| Ok(partner(call)), play)
}

/// The same with a partner that may also fail to answer.
pub fn with_transport<T>(
    partner: impl FnMut(&Call) -> Result<Response, HttpError> + 'static,
    play: impl FnOnce() -> T,
) -> (T, Vec<Call>) {
    STAGE.with_borrow_mut(|stage| *stage = Stage { partner: Some(Box::new(partner)), ..Stage::default() });
    let outcome = play();
    (outcome, STAGE.take().calls)
}

/// The log lines written by this thread since the last `with_partner` began.
pub fn lines() -> Vec<String> {
    STAGE.with_borrow(|stage| stage.lines.clone())
}

/// A JSON answer.
pub fn json(status: u16, body: &str) -> Response {
    answer(status, "application/json", body)
}

/// An answer of any type.
pub fn answer(status: u16, content_type: &str, body: &str) -> Response {
    let headers = vec![("content-type".to_owned(), content_type.as_bytes().to_vec())];
    Response { status, headers, body: body.as_bytes().to_vec() }
}

/// A part that adds the given columns, one person per row.
pub fn part(group: &str, columns: &[(&str, &[&str])]) -> Part {
    let rows = columns.first().map_or(0, |(_, values)| values.len()) as u32;
    let pack = |(key, values): &(&str, &[&str])| {
        let mut end = 0;
        let ends = values.iter().map(|value| {
            end += value.len() as u32;
            end
        });
        Column { key: (*key).to_owned(), ends: ends.collect(), text: values.concat().into_bytes() }
    };
    Part {
        id: "part-1".to_owned(),
        action: Action::Add,
        group: group.to_owned(),
        rows,
        person_ends: (1..=rows).collect(),
        columns: columns.iter().map(pack).collect(),
        flags: Vec::new(),
    }
}

/// A target with the given settings.
pub fn target(account: &str, audience: &str, settings: &str) -> Target {
    Target {
        account: account.to_owned(),
        audience: audience.to_owned(),
        audience_parts: Vec::new(),
        settings: settings.to_owned(),
    }
}

pub(crate) fn send(request: Request<'_>) -> Result<Response, HttpError> {
    let mut body = Vec::new();
    write_body(&request.body, &mut |bytes| {
        body.extend_from_slice(bytes);
        Ok(())
    })?;
    let call = Call {
        method: request.method.as_str().to_owned(),
        host: request.host.to_owned(),
        path: request.path.to_string(),
        headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        body: String::from_utf8(body).map_err(|_| HttpError::Malformed("body"))?,
    };
    STAGE.with_borrow_mut(|stage| {
        let partner = stage.partner.as_mut().ok_or_else(|| HttpError::failed("no partner in this test"))?;
        let answer = partner(&call);
        stage.calls.push(call);
        let answer = answer?;
        match answer.body.len() > request.answer_limit {
            true => Err(HttpError::AnswerTooLarge),
            false => Ok(answer),
        }
    })
}

pub(crate) fn logged(level: &str, message: &str) {
    STAGE.with_borrow_mut(|stage| stage.lines.push(format!("{level}: {message}")));
}
