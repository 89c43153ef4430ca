//! Pages of consent: the lab's person consents at once, and the browser goes back with a code. The code remembers where it
//! belongs: address and proof key must fit when it becomes a token.

use std::collections::HashMap;

use bytes::Bytes;
use http::{Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::call::{Call, Partner, Route};
use crate::form::{Params, encode};
use crate::reply::{Class, Reply};
use crate::tokens::{Tokens, base64};
use crate::world::{Job, Plan, World};

/// The first characters of a code.
const PREFIX: &str = "lab-code-";

/// What the lab's person does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// Consents to all that is asked.
    #[default]
    Granted,
    /// Says no.
    Declined,
    /// Consents to the first scope alone.
    Narrow,
}

/// Questions that were answered.
#[derive(Debug, Default)]
pub(crate) struct Consents {
    codes: HashMap<String, Asked>,
    answers: HashMap<Partner, Answer>,
    /// Tokens at Meta, whose state has none of its own.
    pub(crate) meta: Tokens,
}

#[derive(Debug)]
struct Asked {
    partner: Partner,
    redirect: String,
    challenge: Option<String>,
}

/// Body of `POST /_lab/consents`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// What the person does from now on.
    answer: Option<Answer>,
    /// All consents are taken back.
    #[serde(default)]
    revoke: bool,
}

/// Whether a path is the partner's page of consent.
fn is_page(partner: Partner, path: &str) -> bool {
    match partner {
        Partner::Criteo => path == "/request",
        Partner::Google => path == "/o/oauth2/v2/auth",
        // Apps act for themselves there.
        Partner::Marketo | Partner::Platform => false,
        Partner::Meta => path.ends_with("/dialog/oauth"),
        Partner::Pinterest => path == "/oauth/",
        Partner::Snapchat => path == "/login/oauth2/authorize",
        Partner::TikTok => path == "/portal/auth",
    }
}

/// The partner's names of the app's id and of the code.
fn names(partner: Partner) -> (&'static str, &'static str) {
    match partner {
        Partner::TikTok => ("app_id", "auth_code"),
        _ => ("client_id", "code"),
    }
}

/// A page of consent, or a code that does not belong to whoever shows it; `None` for all else.
pub(crate) fn plan<'a>(world: &World, partner: Partner, request: &'a Request<Bytes>) -> Option<Plan<'a>> {
    let params = Params::of(request).ok()?;
    let mut call = Call::of(partner, request.method(), "");
    if request.method() == Method::GET && is_page(partner, request.uri().path()) {
        call.template = "consent";
        let job: Job<'a> = Box::new(move |world, _| page(world, partner, &params));
        return Some(Plan { call, job, counted: false });
    }
    if request.method() != Method::POST {
        return None;
    }
    let code = params.filled(names(partner).1).filter(|code| code.starts_with(PREFIX))?;
    let fits = world.consents().codes.get(code).is_some_and(|asked| {
        let proven = match &asked.challenge {
            None => true,
            Some(challenge) => params.filled("code_verifier").is_some_and(|proof| {
                let standard = challenge.replace('-', "+").replace('_', "/");
                base64(&standard).is_some_and(|digest| digest == Sha256::digest(proof).to_vec())
            }),
        };
        proven && params.filled("redirect_uri").is_none_or(|redirect| redirect == asked.redirect)
    });
    if fits {
        return None;
    }
    call.route = Route::Token;
    call.template = "a code that does not fit";
    let job: Job<'a> = Box::new(|_, _| Reply::json(400, Class::Auth, &json!({"error": "invalid_grant"})));
    Some(Plan { call, job, counted: false })
}

/// The person answers at once.
fn page(world: &World, partner: Partner, params: &Params<'_>) -> Reply {
    let bad = |words: &str| Reply::new(400, Class::BadRequest, "text/plain; charset=utf-8", words.to_owned());
    let (client, code_name) = names(partner);
    if params.filled(client).is_none() {
        return bad("the app's id is missing");
    }
    let Some(redirect) = params.filled("redirect_uri") else { return bad("redirect_uri is missing") };
    let mut consents = world.consents();
    let answer = consents.answers.get(&partner).copied().unwrap_or_default();
    let result = if answer == Answer::Declined {
        "error=access_denied".to_owned()
    } else {
        let code = format!("{PREFIX}{}-{:08}", partner.name(), consents.codes.len() + 1);
        let challenge = params.filled("code_challenge").map(str::to_owned);
        consents.codes.insert(code.clone(), Asked { partner, redirect: redirect.to_owned(), challenge });
        format!("{code_name}={}", encode(&code))
    };
    let state = params.filled("state").map(|state| format!("&state={}", encode(state))).unwrap_or_default();
    let mut reply = Reply::new(302, Class::Ok, "text/plain; charset=utf-8", "");
    let mark = if redirect.contains('?') { '&' } else { '?' };
    reply.header("location", &format!("{redirect}{mark}{result}{state}"));
    reply
}

/// Narrows what a token is good for, where the person consented to less.
pub(crate) fn dress(world: &World, call: &Call, reply: &mut Reply) {
    let narrow = world.consents().answers.get(&call.partner) == Some(&Answer::Narrow);
    if call.route != Route::Token || !narrow {
        return;
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return };
    for at in ["/scope", "/data/scope"] {
        match body.pointer_mut(at) {
            Some(Value::String(text)) => *text = text.split([' ', ',']).next().unwrap_or_default().to_owned(),
            Some(Value::Array(list)) => list.truncate(1),
            _ => {}
        }
    }
    reply.body = body.to_string().into();
}

/// `POST /_lab/consents`.
pub(crate) fn change(world: &World, partner: Partner, change: &Change) {
    if let Some(answer) = change.answer {
        world.consents().answers.insert(partner, answer);
    }
    if !change.revoke {
        return;
    }
    let codes: Vec<String> = {
        let mut consents = world.consents();
        if partner == Partner::Meta {
            consents.meta.revoke_all();
        }
        consents.codes.iter().filter(|(_, asked)| asked.partner == partner).map(|(code, _)| code.clone()).collect()
    };
    match partner {
        Partner::Google => world.google().revoke_all(&codes),
        Partner::TikTok => codes.iter().for_each(|code| world.tiktok().revoke(&format!("lab-{code}"))),
        Partner::Marketo => world.marketo().revoke_all(),
        Partner::Platform => world.platform().tokens.revoke_all(),
        Partner::Meta | Partner::Criteo | Partner::Pinterest | Partner::Snapchat => {
            if let Some(mut shelf) = world.shelf(partner) {
                shelf.tokens.revoke_all();
            }
        }
    }
}
