//! From a request to its route.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::TryStreamExt as _;

use crate::client::Client;
use crate::http::access::Role;
use crate::http::answer::{Refusal, bad_argument, empty, message};
use crate::http::api::Api;
use crate::http::flight::Room;
use crate::http::parameters::Parameters;
use crate::http::start::Starting;
use crate::http::urls::{original, split};
use crate::http::{entity, manage, status};
use crate::kernel::bounds::check_reason;

/// The description of this API, by OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Start { name: &'a str, id: Option<&'a str> },
    List,
    PurgeMany,
    Status(&'a str),
    Purge(&'a str),
    Raise { id: &'a str, event: &'a str },
    Terminate(&'a str),
    Suspend(&'a str),
    Resume(&'a str),
    Rewind(&'a str),
    Restart(&'a str),
    Entity(&'a str, &'a str),
    Entities(Option<&'a str>),
    Signal(&'a str, &'a str),
    DeleteEntity(&'a str, &'a str),
    MakePrimary,
    Description,
}

impl<'a> Route<'a> {
    /// The route of the segments after the base. The fixed ones are compared without regard to case.
    fn of(method: &Method, segments: &[&'a str]) -> Option<Self> {
        let (first, rest) = segments.split_first()?;
        if rest.contains(&"") {
            return None;
        }
        Some(match (method.as_str(), first.to_ascii_lowercase().as_str(), rest) {
            ("POST", "orchestrators", [name]) => Self::Start { name, id: None },
            ("POST", "orchestrators", [name, id]) => Self::Start { name, id: Some(id) },
            ("GET", "instances", []) => Self::List,
            ("DELETE", "instances", []) => Self::PurgeMany,
            ("GET", "instances", [id]) => Self::Status(id),
            ("DELETE", "instances", [id]) => Self::Purge(id),
            ("POST", "instances", [id, operation, event]) if operation.eq_ignore_ascii_case("raiseEvent") => {
                Self::Raise { id, event }
            }
            ("POST", "instances", [id, operation]) => match operation.to_ascii_lowercase().as_str() {
                "terminate" => Self::Terminate(id),
                "suspend" => Self::Suspend(id),
                "resume" => Self::Resume(id),
                "rewind" => Self::Rewind(id),
                "restart" => Self::Restart(id),
                _ => return None,
            },
            ("GET", "entities", [name, key]) => Self::Entity(name, key),
            ("GET", "entities", [name]) => Self::Entities(Some(name)),
            ("GET", "entities", []) => Self::Entities(None),
            ("POST", "entities", [name, key]) => Self::Signal(name, key),
            ("DELETE", "entities", [name, key]) => Self::DeleteEntity(name, key),
            (_, "makeprimary", []) => Self::MakePrimary,
            ("GET", "openapi.json", []) => Self::Description,
            _ => return None,
        })
    }

    /// The parameters of a request that ends, changes or deletes something; nothing for the others, which ignore what they do not know.
    fn parameters(&self) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::PurgeMany => &["createdTimeFrom", "createdTimeTo", "runtimeStatus"],
            // Its URL is that of the status.
            Self::Purge(_) => &["showInput", "showHistory", "showHistoryOutput", "returnInternalServerErrorOnFailure"],
            Self::Terminate(_) | Self::Suspend(_) | Self::Rewind(_) => &["reason"],
            Self::Resume(_) => &["reason", "withoutEvent"],
            Self::Restart(_) => &[
                "restartWithNewInstanceId",
                "timeout",
                "pollingInterval",
                "returnInternalServerErrorOnFailure",
                "showInput",
                "showHistory",
                "showHistoryOutput",
            ],
            Self::DeleteEntity(..) => &["op"],
            _ => return None,
        })
    }

    fn role(&self) -> Role {
        match self {
            Self::List | Self::Status(_) | Self::Entity(..) | Self::Entities(_) | Self::Description => Role::Read,
            Self::Start { .. } | Self::Raise { .. } | Self::Signal(..) => Role::Start,
            _ => Role::Manage,
        }
    }
}

/// The HTTP API with its default settings: for programs of this machine, at a loopback address.
///
/// See [`Api`] for keys and for what else can be set.
pub fn router(client: Client) -> Router {
    Api::new(client).router()
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    api.answer(request).await.unwrap_or_else(|refusal| *refusal)
}

impl Api {
    /// The router, to be served, merged into an application, or nested.
    ///
    /// It takes every path that nothing else takes, and answers 404 for those that are not its own. An application with a fallback of its
    /// own nests it: `app.nest_service("/runtime/webhooks/durabletask", api.router())`.
    pub fn router(self) -> Router {
        // The only handler finds the route itself: axum compares paths with regard to case.
        Router::new().fallback(serve).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let uri = original(&parts);
        let parameters = Parameters::of(&uri);
        let Some((path, segments)) = split(&parts) else { return Ok(status::nothing()) };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(mut route) = Route::of(&parts.method, &segments) else { return Ok(status::nothing()) };
        let operation = parameters.one("op")?;
        if let (Route::Signal(name, key), Some(operation)) = (&route, operation)
            && operation.eq_ignore_ascii_case("delete")
        {
            route = Route::DeleteEntity(name, key);
        }
        self.access.check(route.role(), &parts, &parameters, &self.links)?;
        if let Some(known) = route.parameters() {
            parameters.only(known)?;
        }

        let (client, links) = (&self.client, &self.links);
        let (body, room) = match &route {
            Route::Start { .. } | Route::Raise { .. } | Route::Signal(..) => self.read(body, &parts.headers).await?,
            Route::DeleteEntity(..) if parts.method == Method::POST => self.read(body, &parts.headers).await?,
            _ => (Vec::new(), None),
        };
        let reason = parameters.get("reason").unwrap_or_default();
        check_reason(reason).map_err(|why| bad_argument(&why.to_string()))?;
        let longest_wait = self.longest_wait;
        let (parts, parameters, flight) = (&parts, &parameters, &self.flight);
        let starting = Starting { client, links, flight, parts, parameters, path: &path, longest_wait };
        Ok(match route {
            Route::Start { name, id } => starting.start(name, id, (body, room), self.reuse).await?,
            Route::Restart(id) => starting.restart(id).await?,
            Route::List => flight.answer(|| status::list(client, parts, parameters, flight.longest_page())).await?,
            Route::Status(id) => status::one(client, links, flight, parts, parameters, id).await?,
            Route::PurgeMany => manage::purge_many(client, parameters).await?,
            Route::Purge(id) => manage::purge(client, id).await,
            Route::Raise { id, event } => manage::raise(client, &parts.headers, id, event, &body).await?,
            Route::Terminate(id) => manage::terminate(client, id, reason).await,
            Route::Suspend(id) => manage::suspend(client, id, reason).await,
            Route::Resume(id) => manage::resume(client, id, reason, &parameters.numbers("withoutEvent")?).await,
            Route::Rewind(id) => manage::rewind(client, id, reason).await,
            Route::Entity(name, key) => flight.answer(async || Ok::<_, Refusal>(entity::state(client, name, key).await)).await?,
            Route::Entities(name) => {
                flight.answer(|| entity::list(client, &parts.headers, parameters, name, flight.longest_page())).await?
            }
            Route::Signal(name, key) => entity::signal(client, &parts.headers, (name, key), operation, &body).await?,
            Route::DeleteEntity(name, key) => entity::delete(client, &parts.headers, (name, key), &body).await?,
            Route::MakePrimary => empty(StatusCode::OK),
            Route::Description => ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], OPENAPI).into_response(),
        })
    }

    /// The whole body, if it is small enough and comes soon enough, and the room it takes.
    async fn read(&self, body: Body, headers: &HeaderMap) -> Result<(Vec<u8>, Room), Refusal> {
        let limit = self.max_body_bytes;
        let too_large = || Box::new(message(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {limit} bytes")));
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let expected = body.size_hint().exact().map_or(limit, |bytes| bytes as usize);
        let room = self.flight.room(expected).await;
        let whole = async {
            let (mut chunks, mut whole) = (body.into_data_stream(), Vec::new());
            let broken = |why| Box::new(message(StatusCode::BAD_REQUEST, &format!("the body could not be read: {why}")));
            while let Some(chunk) = chunks.try_next().await.map_err(broken)? {
                if whole.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                whole.extend_from_slice(&chunk);
            }
            Ok((whole, room))
        };
        let late = |_| Box::new(message(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"));
        tokio::time::timeout(self.read_timeout, whole).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::Method;
    use serde_json::Value;

    use super::{OPENAPI, Route};

    /// What the description says is served, and nothing is served that it does not say.
    #[test]
    fn every_described_route_exists() {
        let description: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let paths: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_value(description["paths"].clone()).expect("paths have methods");
        let mut found = Vec::new();
        for (path, methods) in &paths {
            for method in methods.keys().filter(|key| *key != "parameters") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
                let route = Route::of(&method, &segments);
                found.push(format!("{:?}", route.unwrap_or_else(|| panic!("{method} {path} is described and not served"))));
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 19, "a route is not described: {found:#?}");
    }
}
