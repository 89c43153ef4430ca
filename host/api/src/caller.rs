//! Who calls, and whether they may: a handler names the right that it asks for in its arguments, so that nothing of the
//! request is looked at before.
use crate::problem::Refused;
use crate::server::State;
use crate::workspace::Workspace;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use caravan_model::{Code, Problem, Right, Rights};
use caravan_runner::Runner;
use caravan_runner::control::{Acting, Signed};
use caravan_store::Store;
use std::sync::Arc;

/// Someone with a right, and where a call asks for it with a second one; the numbers are the rights' ([`Right`] as a number).
pub(crate) struct Caller<S: Store, const RIGHT: u8, const BESIDE: u8 = ANY> {
    /// Who.
    pub signed: Signed,
    /// The host.
    pub host: Arc<State<S>>,
    /// The workspace that they belong to.
    pub place: Arc<Workspace<S>>,
}

/// Someone who is known, whatever they may do.
pub(crate) const ANY: u8 = u8::MAX;

impl<S: Store, const RIGHT: u8, const BESIDE: u8> Caller<S, RIGHT, BESIDE> {
    /// The runner.
    pub(crate) fn runner(&self) -> &Runner<S> {
        &self.place.runner
    }

    /// The store.
    pub(crate) fn store(&self) -> &S {
        self.place.runner.store()
    }

    /// The runner in the caller's hands.
    pub(crate) fn acting(&self) -> Acting<'_, S> {
        self.place.runner.acting(self.signed.who.clone())
    }

    /// Refuses what goes beyond a further right.
    pub(crate) fn need(&self, right: Right) -> Result<(), Refused> {
        match self.signed.rights.has(right) {
            true => Ok(()),
            false => Err(forbidden(right)),
        }
    }

    /// Refuses to give rights that the caller does not have.
    pub(crate) fn may_give(&self, rights: &Rights) -> Result<(), Refused> {
        match rights.iter().find(|right| !self.signed.rights.has(*right)) {
            None => Ok(()),
            Some(beyond) => {
                let words = format!("you cannot give the right `{beyond}`: you do not have it");
                let problem = Problem::new(Code::NoRight, words).at_path("rights");
                Err(Refused::bad(problem.cure("ask an admin")).with(StatusCode::FORBIDDEN))
            }
        }
    }
}

fn forbidden(right: Right) -> Refused {
    let problem = Problem::new(Code::NoRight, format!("this needs the right `{right}`, which you do not have"));
    Refused::bad(problem.cure("ask an admin of the workspace for it")).with(StatusCode::FORBIDDEN)
}

/// The secret of a request: a bearer token.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// Who a request comes from, and the workspace that they belong to.
async fn signed<S: Store>(host: &State<S>, headers: &HeaderMap) -> Result<(Signed, Arc<Workspace<S>>), Refused> {
    let known = match bearer(headers) {
        Some(secret) => host.signed(secret).await?,
        None => None,
    };
    known.ok_or_else(|| {
        let problem = Problem::new(Code::NotSigned, "the key or session is missing, unknown or over")
            .cure("send a key of this workspace as `Authorization: Bearer …`, or sign in");
        Refused::bad(problem).with(StatusCode::UNAUTHORIZED)
    })
}

impl<S: Store, const RIGHT: u8, const BESIDE: u8> FromRequestParts<Arc<State<S>>> for Caller<S, RIGHT, BESIDE> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, host: &Arc<State<S>>) -> Result<Self, Refused> {
        let (signed, place) = signed(host, &parts.headers).await?;
        for number in [RIGHT, BESIDE].into_iter().filter(|number| *number != ANY) {
            let right = Right::ALL.iter().copied().find(|right| *right as u8 == number);
            match right.filter(|right| signed.rights.has(*right)) {
                Some(_) => {}
                None => return Err(right.map_or_else(|| forbidden(Right::ManageMembers), forbidden)),
            }
        }
        Ok(Caller { signed, host: host.clone(), place })
    }
}
