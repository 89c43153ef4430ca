//! What leads where under `/api`.
use crate::nouns::*;
use crate::problem::Refused;
use crate::server::State;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{delete, get, post, put};
use caravan_model::{Code, Problem};
use caravan_store::Store;
use std::sync::Arc;

/// The most bytes of a request.
const MOST_BYTES: usize = 16 << 20;

/// The routes under `/api`.
pub(crate) fn routes<S: Store>() -> Router<Arc<State<S>>> {
    let access = Router::new()
        .route("/api/openapi.json", get(host::document))
        .route("/api/host", get(host::show::<S>))
        .route("/api/host/drain", post(host::drain::<S>))
        .route("/api/workspaces", get(workspaces::list::<S>))
        .route("/api/store/check", post(keeping::check::<S>))
        .route("/api/store/prune", post(keeping::prune::<S>))
        .route("/api/store/backup", get(keeping::backup::<S>))
        .route("/api/catalogue", get(keeping::catalogue::<S>))
        .route("/api/me", get(sessions::me::<S>))
        .route("/api/sessions", post(sessions::open::<S>).delete(sessions::close::<S>))
        .route("/api/sessions/link", post(sessions::ask_for_link::<S>))
        .route("/api/sessions/oidc", get(oidc::go::<S>))
        .route("/api/sessions/oidc/callback", get(oidc::come_back::<S>))
        .route("/api/members", get(members::list::<S>))
        .route("/api/members/{email}", put(members::set::<S>).delete(members::remove::<S>))
        .route("/api/members/{email}/links", post(members::link::<S>))
        .route("/api/keys", get(keys::list::<S>).post(keys::add::<S>))
        .route("/api/keys/{key}", delete(keys::remove::<S>))
        .route("/api/audit", get(audit::list::<S>))
        .route("/api/audit/verify", get(audit::verify::<S>));
    let journeys = Router::new()
        .route("/api/canvases", get(canvases::list::<S>).post(canvases::publish::<S>))
        .route("/api/canvases/check", post(canvases::check::<S>))
        .route("/api/canvases/preview", post(trials::preview::<S>))
        .route("/api/canvases/dry-run", post(trials::dry_run::<S>))
        .route("/api/canvases/forecast", post(canvases::forecast::<S>))
        .route("/api/canvases/move-plan", post(canvases::plan_moves::<S>))
        .route("/api/canvases/replay", post(canvases::replay::<S>))
        .route("/api/canvases/{canvas}", get(canvases::show::<S>))
        .route("/api/canvases/{canvas}/numbers", get(canvases::numbers::<S>))
        .route("/api/canvases/{canvas}/pause", post(canvases::pause::<S>))
        .route("/api/canvases/{canvas}/resume", post(canvases::resume::<S>))
        .route("/api/canvases/{canvas}/stop", post(canvases::stop::<S>))
        .route("/api/canvases/{canvas}/caps", put(canvases::cap::<S>))
        .route("/api/canvases/{canvas}/entries", post(entries::enter::<S>))
        .route("/api/canvases/{canvas}/exits", post(entries::leave::<S>))
        .route(
            "/api/canvases/{canvas}/draft",
            get(versions::show_draft::<S>).put(versions::save_draft::<S>).delete(versions::drop_draft::<S>),
        )
        .route("/api/canvases/{canvas}/versions", get(versions::list::<S>))
        .route("/api/canvases/{canvas}/versions/{version}", get(versions::show::<S>))
        .route("/api/canvases/{canvas}/versions/{version}/restore", post(versions::restore::<S>))
        .route("/api/canvases/{canvas}/diff", get(versions::compare::<S>))
        .route("/api/canvases/{canvas}/archive", post(versions::archive::<S>))
        .route("/api/segments", get(segments::list::<S>).post(segments::set::<S>))
        .route("/api/segments/count", post(segments::count::<S>))
        .route("/api/segments/{segment}", get(segments::show::<S>).delete(segments::remove::<S>))
        .route("/api/segments/{segment}/members", get(segments::members::<S>))
        .route("/api/segments/{segment}/activations", post(segments::activate::<S>))
        .route("/api/lists", get(lists::list::<S>))
        .route("/api/lists/{list}", put(lists::create::<S>).delete(lists::remove::<S>))
        .route("/api/lists/{list}/members", get(lists::members::<S>).post(lists::add::<S>))
        .route("/api/lists/{list}/imports", get(imports::list::<S>).post(imports::set::<S>))
        .route("/api/lists/{list}/imports/{import}", delete(imports::end::<S>))
        .route("/api/lists/{list}/unlinked", get(imports::unlinked::<S>))
        .route("/api/lists/{list}/members/remove", post(lists::take::<S>))
        .route("/api/events", post(events::receive::<S>))
        .route("/api/profiles", post(profiles::import::<S>))
        .route("/api/profiles/{identifier}", get(profiles::show::<S>).delete(profiles::erase::<S>));
    let delivery = Router::new()
        .route("/api/queues", get(queues::list::<S>))
        .route("/api/holds", get(queues::holds::<S>))
        .route("/api/queues/hold", post(queues::hold::<S>))
        .route("/api/queues/resume", post(queues::resume::<S>))
        .route("/api/queues/resend", post(queues::resend::<S>))
        .route("/api/queues/{queue}", get(queues::show::<S>))
        .route("/api/audiences", get(audiences::list::<S>))
        .route("/api/audiences/takeback", post(audiences::take_back::<S>))
        .route("/api/audiences/{audience}", get(audiences::show::<S>))
        .route("/api/audiences/{audience}/refill", post(audiences::refill::<S>))
        .route("/api/audiences/{audience}/rebind", post(audiences::rebind::<S>))
        .route("/api/audiences/{audience}/recreate", post(audiences::recreate::<S>))
        .route("/api/batches", get(batches::list::<S>))
        .route("/api/batches/{batch}", get(batches::show::<S>))
        .route("/api/connections", get(connections::list::<S>).post(connections::create::<S>))
        .route(
            "/api/connections/{connection}",
            get(connections::show::<S>).put(connections::change::<S>).delete(connections::forget::<S>),
        )
        .route("/api/connections/{connection}/accounts/{account}", put(connections::switch::<S>))
        .route("/api/connections/{connection}/check", post(connections::check::<S>))
        .route("/api/connections/{connection}/accounts", post(connections::accounts::<S>))
        .route("/api/connections/{connection}/audiences", post(connections::audiences::<S>))
        .route("/api/connections/{connection}/connect", post(consents::connect::<S>))
        .route(
            "/api/connections/{connection}/token",
            get(consents::show::<S>).put(consents::set_token::<S>).delete(consents::disconnect::<S>),
        )
        .route(
            "/api/connectors/{connector}/app",
            get(consents::show_app::<S>).put(consents::set_app::<S>).delete(consents::remove_app::<S>),
        )
        .route("/oauth/callback", get(consents::came_back::<S>))
        .route("/api/connections/{connection}/pin", put(connectors::pin::<S>))
        .route("/api/connectors/{connector}", get(connectors::inspect::<S>).delete(connectors::uninstall::<S>))
        .route("/api/connectors/{connector}/comparison", get(connectors::compare::<S>))
        .route("/api/connectors/{connector}/logs", get(connectors::logs::<S>))
        .route("/api/connectors/{connector}/grant", put(connectors::grant::<S>))
        .route("/api/connectors/{connector}/upgrade", post(connectors::upgrade::<S>))
        .route("/api/connectors/{connector}/rollback", post(connectors::roll_back::<S>))
        .route("/api/alerts", get(alerts::open::<S>))
        .route("/api/subscriptions", get(alerts::list::<S>))
        .route("/api/subscriptions/{name}", get(alerts::show::<S>).put(alerts::set::<S>).delete(alerts::remove::<S>))
        .route("/api/subscriptions/{name}/test", post(alerts::test::<S>))
        .route("/api/entitlements", get(entitlements::list::<S>))
        .route("/api/entitlements/slots/{partner}", put(entitlements::add::<S>).delete(entitlements::remove::<S>))
        .route("/api/entitlements/purchases", put(entitlements::purchases::<S>))
        .route("/api/policy/check", post(policy::check::<S>))
        .route("/api/policy", get(policy::show::<S>).put(policy::set::<S>));
    let components = Router::new()
        .route("/api/connectors", get(connectors::list::<S>).post(connectors::install::<S>))
        .layer(DefaultBodyLimit::max(connectors::LARGEST));
    access.merge(journeys).merge(delivery).layer(DefaultBodyLimit::max(MOST_BYTES)).merge(components)
}

/// Nothing is there.
pub(crate) async fn nowhere(uri: Uri) -> Refused {
    let problem = Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path()));
    Refused::bad(problem.cure("/api/openapi.json lists what there is"))
}

/// Something is there, and does not do this.
pub(crate) async fn not_so(method: Method, uri: Uri) -> Refused {
    let problem = Problem::new(Code::Usage, format!("{} cannot be asked by {method}", uri.path()));
    Refused::bad(problem.cure("/api/openapi.json lists what can be asked")).with(StatusCode::METHOD_NOT_ALLOWED)
}
