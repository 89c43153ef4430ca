//! The OpenAPI document, made from the handlers' own documentation.
use crate::nouns::*;
use crate::problem::ProblemView;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::Ref;
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
        host::document, host::show, host::drain, workspaces::list, keeping::backup, keeping::catalogue, keeping::check, keeping::prune,
        sessions::open, sessions::ask_for_link, sessions::close, sessions::me, oidc::go, oidc::come_back,
        members::list, members::set, members::remove, members::link,
        keys::list, keys::add, keys::remove,
        canvases::list, canvases::show, canvases::numbers, canvases::check, canvases::forecast, canvases::replay,
        canvases::plan_moves,
        trials::preview, trials::dry_run, canvases::publish, events::receive,
        canvases::pause, canvases::resume, canvases::stop, canvases::cap, entries::enter, entries::leave,
        versions::show_draft, versions::save_draft, versions::drop_draft, versions::list, versions::show,
        versions::restore, versions::compare, versions::archive,
        segments::list, segments::show, segments::members, segments::set, segments::count, segments::remove,
        segments::activate,
        lists::list, lists::create, lists::remove, lists::members, lists::add, lists::take,
        imports::list, imports::set, imports::end, imports::unlinked,
        profiles::show, profiles::import, profiles::erase,
        queues::list, queues::show, queues::holds, queues::hold, queues::resume, queues::resend,
        audiences::list, audiences::show, audiences::refill, audiences::rebind, audiences::recreate,
        audiences::take_back,
        batches::list, batches::show,
        connections::list, connections::show, connections::create, connections::change, connections::forget,
        connections::switch, connections::check, connections::accounts, connections::audiences,
        consents::set_app, consents::show_app, consents::remove_app, consents::set_token, consents::show,
        consents::connect, consents::disconnect,
        connectors::list, connectors::inspect, connectors::logs, connectors::compare,
        connectors::install, connectors::grant, connectors::upgrade,
        connectors::roll_back, connectors::pin, connectors::uninstall,
        alerts::open, alerts::list, alerts::show, alerts::set, alerts::remove, alerts::test,
        policy::show, policy::set, policy::check,
        entitlements::list, entitlements::add, entitlements::remove, entitlements::purchases,
        audit::list, audit::verify,
    ),
    components(schemas(ProblemView)),
    modifiers(&Whole)
)]
struct Api;

/// What every call has: a name of its own, the way keys are sent, and how mistakes are answered.
struct Whole;

impl Modify for Whole {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        let mistake = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemView"))).build();
        let mistake = ResponseBuilder::new()
            .description("Something is wrong: code, place, cure")
            .content("application/problem+json", mistake)
            .build();
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in
                [("get", &mut item.get), ("post", &mut item.post), ("put", &mut item.put), ("delete", &mut item.delete)]
            {
                if let Some(operation) = operation {
                    operation.operation_id = Some(name(method, path));
                    operation.responses.responses.insert("default".to_owned(), mistake.clone().into());
                }
            }
        }
    }
}

/// `getCanvas`, `postCanvasPause`: from the method and the path's words.
fn name(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api").split(['/', '.']).filter(|word| !word.is_empty());
    let mut name = method.to_owned();
    for word in words {
        let word = match word.strip_prefix('{') {
            Some(place) => format!("By-{}", place.trim_end_matches('}')),
            None => word.to_owned(),
        };
        for piece in word.split('-') {
            let mut letters = piece.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
    }
    name
}

/// The document of everything under `/api`.
pub fn document() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_call_has_a_name_of_its_own() {
        let document = serde_json::to_value(document()).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let calls = paths.values().flat_map(|item| item.as_object().expect("calls").values());
        let names: Vec<&str> = calls.filter_map(|call| call["operationId"].as_str()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.contains(&"postCanvasesByCanvasPause") && names.len() > 50, "{names:?}");
    }
}
