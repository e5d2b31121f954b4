//! The access check of the API for routes of the application.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures::future::Either;
use tower_layer::Layer;
use tower_service::Service;

use crate::http::access::{Access, Role};
use crate::http::api::Api;
use crate::http::flight::Flight;
use crate::http::parameters::Parameters;
use crate::http::urls::{Links, original};

/// A layer for routes of the application, made by [`Api::guard`].
#[derive(Clone)]
pub struct Guard {
    access: Arc<Access>,
    links: Links,
    flight: Arc<Flight>,
    role: Role,
}

impl Api {
    /// Protects routes of the application with the API's own access check: keys, roles, and without a key only direct requests from
    /// programs on this machine. A request without the rights of `role` is answered with 401 or 403 and never reaches the handler.
    ///
    /// It uses the settings made on the API before this call. Handlers behind it find the API's [`links`](Self::links) in the extensions of the
    /// request, unless the application has put others there.
    ///
    /// ```standalone_crate
    /// use axum::routing::{get, post};
    /// use dacapo::http::{Api, Role};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> dacapo::Result<()> {
    /// let runtime = dacapo::Runtime::open("memory:").await?;
    /// let api = Api::new(runtime.client()).key(Role::Manage, "for the operator");
    /// let app: axum::Router = axum::Router::new()
    ///     .route("/api/orders", post(async || "started"))
    ///     .route_layer(api.guard(Role::Start))
    ///     // Added after the layer, so open to everybody.
    ///     .route("/health", get(async || "ok"))
    ///     .merge(api.router());
    /// # Ok(())
    /// # }
    /// ```
    pub fn guard(&self, role: Role) -> Guard {
        Guard { access: Arc::new(self.access.clone()), links: self.links(), flight: self.flight.clone(), role }
    }
}

/// Without the keys.
impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("role", &self.role).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// The service behind a [`Guard`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Guarded<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Guard { access, links, flight, role } = &self.guard;
        let (mut parts, body) = request.into_parts();
        if let Err(refusal) = access.check(*role, &parts, &Parameters::of(&original(&parts)), links) {
            return Either::Right(ready(Ok(*refusal)));
        }
        parts.extensions.get_or_insert_with(|| links.clone());
        parts.extensions.insert(flight.clone());
        Either::Left(self.inner.call(Request::from_parts(parts, body)))
    }
}
