//! Who may do what.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use subtle::{Choice, ConstantTimeEq as _};

use crate::http::answer::{Refusal, message};
use crate::http::parameters::Parameters;
use crate::http::urls::Links;

/// What the holder of a key may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read statuses, histories, states of entities, and lists.
    Read,
    /// Start orchestrations, raise events, signal entities.
    Start,
    /// Everything: terminate, suspend, resume, rewind, restart, purge, delete entities.
    Manage,
}

/// The keys, and what is allowed without one.
#[derive(Clone, Default)]
pub(super) struct Access {
    pub(super) keys: Vec<(Role, String)>,
    pub(super) anonymous: bool,
}

impl Access {
    /// Lets a request pass that may do what needs `role`.
    pub(super) fn check(&self, role: Role, parts: &Parts, parameters: &Parameters, links: &Links) -> Result<(), Refusal> {
        let refuse = |status, why| Err(Box::new(message(status, why)));
        let granted = self.granted(parameters.key(&parts.headers).unwrap_or_default());
        if granted.is_some_and(|granted| granted >= role) {
            return Ok(());
        }
        if self.anonymous {
            return match is_from_another_site(parts, links) {
                false => Ok(()),
                true => refuse(StatusCode::UNAUTHORIZED, "requests from pages of other sites need a key"),
            };
        }
        match granted {
            Some(_) => refuse(StatusCode::FORBIDDEN, "this key does not allow this request"),
            None if !self.keys.is_empty() => {
                refuse(StatusCode::UNAUTHORIZED, "a key is required: `?code=` or the header `x-functions-key`")
            }
            None if is_local(parts, links) => Ok(()),
            None => refuse(
                StatusCode::UNAUTHORIZED,
                "without a key only direct requests from programs on this machine are allowed: add a key with `Api::key`, or serve \
                 with `into_make_service_with_connect_info::<SocketAddr>()` and send the request to a loopback address",
            ),
        }
    }

    /// What the presented key allows. Every key is compared, so that the time does not tell which one matched.
    fn granted(&self, presented: &str) -> Option<Role> {
        let granted = self.keys.iter().fold(None, |granted, (role, key)| {
            let is_same: Choice = key.as_bytes().ct_eq(presented.as_bytes());
            granted.max(bool::from(is_same).then_some(*role))
        });
        granted.filter(|_| !presented.is_empty())
    }
}

/// Whether a request comes straight from a program on this machine: not through a proxy beside the server, not from a page of another
/// site in a browser, and not by a foreign name that was made to resolve to this machine.
fn is_local(parts: &Parts, links: &Links) -> bool {
    let from_here =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let is_of_proxies = |name: &HeaderName| OF_PROXIES.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-");
    let is_forwarded = parts.headers.keys().any(is_of_proxies);
    from_here && !is_forwarded && !is_from_another_site(parts, links) && host(parts).is_none_or(is_loopback_name)
}

/// Whether a browser sent the request for a page that another site has served.
fn is_from_another_site(parts: &Parts, links: &Links) -> bool {
    let is_own = |origin: &HeaderValue| {
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        let public = links.origin(parts).parse::<Uri>().ok();
        let own = [host(parts), public.as_ref().and_then(Uri::authority).map(Authority::as_str)];
        authority.is_some_and(|authority| own.iter().flatten().any(|own| own.eq_ignore_ascii_case(authority)))
    };
    // Browsers also tell the site of the page, even where they name no origin.
    let is_same = |site: &HeaderValue| site == "none" || site == "same-origin";
    let headers = &parts.headers;
    !headers.get_all(header::ORIGIN).iter().all(is_own) || !headers.get_all("sec-fetch-site").iter().all(is_same)
}

/// The host that the request was sent to.
fn host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    host.or_else(|| parts.uri.authority().map(Authority::as_str))
}

/// The headers that proxies add to a request, beside `X-Forwarded-…`.
const OF_PROXIES: [&str; 6] = ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];

fn is_loopback_name(host: &str) -> bool {
    host.parse::<Authority>().is_ok_and(|authority| {
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}
