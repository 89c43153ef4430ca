//! The OpenAPI document, made from the handlers' own documentation.
use crate::nouns::*;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Caravan",
        description = "Journeys and Audience Sync. Mistakes are answered as `application/problem+json` (RFC 9457) with a \
                       code, the place and the cure. The scopes of `key` are the rights that a call asks for.",
        license(name = "Apache-2.0")
    ),
    paths(
        host::document, host::show,
        sessions::open, sessions::close, sessions::me,
        members::list, members::set, members::remove, members::link,
        keys::list, keys::add, keys::remove,
        canvases::list, canvases::show, canvases::numbers, canvases::check, canvases::forecast, canvases::publish,
        canvases::pause, canvases::resume, canvases::stop, canvases::cap, entries::enter,
        segments::list, segments::show, segments::members, segments::set, segments::count, segments::remove,
        segments::activate,
        lists::list, lists::create, lists::remove, lists::members, lists::add, lists::take,
        profiles::show, profiles::import, profiles::erase,
        queues::list, queues::show, queues::hold, queues::resume, queues::resend,
        audiences::list, audiences::show, audiences::refill, audiences::rebind, audiences::recreate,
        audiences::take_back,
        batches::list, batches::show,
        connections::list, connections::check,
        alerts::open, alerts::list, alerts::set, alerts::remove,
        policy::show, policy::set,
        audit::list, audit::verify,
    ),
    modifiers(&Keys)
)]
struct Api;

struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// The document of everything under `/api`.
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}
