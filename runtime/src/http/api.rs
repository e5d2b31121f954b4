//! The settings of the HTTP API.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;

use crate::client::{Client, ReuseId};
use crate::http::access::{Access, Role};
use crate::http::flight::Flight;
use crate::http::urls::Links;
use crate::kernel::error::{ErrorKind, RuntimeError};

/// The HTTP API of a client, with its settings.
///
/// ```standalone_crate
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> dacapo::Result<()> {
/// use dacapo::http::{Api, Role};
///
/// let runtime = dacapo::Runtime::open("memory:").await?;
/// let api = Api::new(runtime.client())
///     .key(Role::Read, std::env::var("READ_KEY").unwrap_or_else(|_| "for the dashboard".into()))
///     .key(Role::Manage, std::env::var("MANAGE_KEY").unwrap_or_else(|_| "for the operator".into()))
///     .public_url("https://orders.example.com")?;
/// let app: axum::Router = api.router();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "an API is served by its `.router()`"]
pub struct Api {
    pub(super) client: Client,
    pub(super) access: Access,
    pub(super) links: Links,
    pub(super) flight: Arc<Flight>,
    pub(super) max_body_bytes: usize,
    pub(super) read_timeout: Duration,
    pub(super) longest_wait: Duration,
    pub(super) reuse: ReuseId,
}

impl Api {
    /// The API of a client: that of a worker, or one that is [connected](Client::connect) and leaves the work to a worker elsewhere.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            access: Access::default(),
            links: Links::default(),
            flight: Arc::new(Flight::new(256 << 20)),
            max_body_bytes: 16 << 20,
            read_timeout: Duration::from_secs(30),
            longest_wait: Duration::from_secs(230),
            reuse: ReuseId::ReplaceTerminal,
        }
    }

    /// Adds a key, asked for as `?code=` or as the header `x-functions-key`. From the first key on every request needs one.
    pub fn key(mut self, role: Role, key: impl Into<String>) -> Self {
        self.access.keys.push((role, key.into()));
        self
    }

    /// Whether everybody who reaches the server may do everything without a key, except pages of other sites in a browser. Default: no.
    ///
    /// Without it and without a key, requests are served that come straight from a program of this machine, by a loopback address. The
    /// server must know the address for that: `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`.
    pub fn allow_anonymous(mut self, allow: bool) -> Self {
        self.access.anonymous = allow;
        self
    }

    /// How the server is reached from outside, for the URLs in its answers. Default: as the request says.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the URL is not `http` or `https`, has no host, or has a query or a fragment.
    pub fn public_url(mut self, url: &str) -> Result<Self, RuntimeError> {
        let is_base = |uri: &Uri| {
            let is_web = uri.scheme_str().is_some_and(|scheme| ["http", "https"].contains(&scheme));
            is_web && uri.authority().is_some() && uri.query().is_none()
        };
        // A `Uri` forgets its fragment.
        if !url.contains('#') && url.parse().as_ref().is_ok_and(is_base) {
            self.links.public_url = Some(url.trim_end_matches('/').to_owned());
            return Ok(self);
        }
        let message = format!("`{url}` is not where a server is reached; write one like https://orders.example.com");
        Err(RuntimeError::new(ErrorKind::Invalid, message))
    }

    /// Whether to believe `Forwarded`, or `X-Forwarded-Host` with `X-Forwarded-Proto`, for the URLs in answers: only behind a proxy that
    /// sets them itself. Default: no.
    pub fn trust_forwarded(mut self, trust: bool) -> Self {
        self.links.trusts_forwarded = trust;
        self
    }

    /// How long a body may be. Default: 16 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// How many bytes of request bodies and responses may be in memory at once. Default: 256 MiB.
    ///
    /// A body or response that would exceed the bound waits until others have been read or sent, first come, first served; up to 64 KiB
    /// never wait. One that is larger than the bound waits until it is the only one. Clones of the API share the bound.
    pub fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.flight = Arc::new(Flight::new(bytes));
        self
    }

    /// How long a body may take to arrive. Default: 30 seconds.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long a start may wait for its end at most, whatever its `timeout` says. Default: 230 seconds, as with Azure's load balancer.
    pub fn longest_wait(mut self, longest: Duration) -> Self {
        self.longest_wait = longest;
        self
    }

    /// What a start does whose instance id exists. Default: [`ReuseId::ReplaceTerminal`], the original's `NonRunningStates`; its
    /// `AnyState` is [`ReuseId::ReplaceAny`].
    pub fn reuse_id(mut self, reuse: ReuseId) -> Self {
        self.reuse = reuse;
        self
    }

    /// How the server is reached, for the answers of your own handlers: `app.layer(axum::Extension(api.links()))`.
    #[must_use]
    pub fn links(&self) -> Links {
        self.links.clone()
    }
}
