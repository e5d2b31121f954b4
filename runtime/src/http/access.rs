//! Who may do what.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use subtle::{Choice, ConstantTimeEq as _};

use crate::http::answer::{Refusal, message};
use crate::http::parameters::Parameters;

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
    pub(super) fn check(&self, role: Role, parts: &Parts, parameters: &Parameters) -> Result<(), Refusal> {
        if self.anonymous {
            return Ok(());
        }
        if self.keys.is_empty() {
            let refused = "anonymous access is for direct requests of this machine: give the server a key with \
                           `Api::key`, or serve with `into_make_service_with_connect_info::<SocketAddr>()` and ask at a loopback address";
            return if is_local(parts) { Ok(()) } else { Err(Box::new(message(StatusCode::UNAUTHORIZED, refused))) };
        }
        let presented = presented_key(&parts.headers, parameters).unwrap_or_default().as_bytes();
        // Every key is compared, so that the time says nothing of which one it was.
        let granted = self.keys.iter().fold(None, |granted, (role, key)| {
            let is_same: Choice = key.as_bytes().ct_eq(presented);
            granted.max(bool::from(is_same).then_some(*role))
        });
        match granted.filter(|_| !presented.is_empty()) {
            Some(granted) if granted >= role => Ok(()),
            Some(_) => Err(Box::new(message(StatusCode::FORBIDDEN, "this key is not for requests of this kind"))),
            None => {
                let refused = "a key is needed: `?code=` or the header `x-functions-key`";
                Err(Box::new(message(StatusCode::UNAUTHORIZED, refused)))
            }
        }
    }
}

/// The key that a request shows, right or wrong.
pub(super) fn presented_key<'a>(headers: &'a HeaderMap, parameters: &'a Parameters) -> Option<&'a str> {
    let header = headers.get("x-functions-key").and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    header.filter(|key| !key.is_empty()).or_else(|| parameters.get("code"))
}

/// Whether a request comes straight from a program of this machine: not through a proxy beside the server, not from a page
/// in a browser, and not by a foreign name that was made to lead here.
fn is_local(parts: &Parts) -> bool {
    let from_here =
        parts.extensions.get::<ConnectInfo<SocketAddr>>().is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let headers = &parts.headers;
    let is_forwarded =
        headers.keys().any(|name| OF_PROXIES.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"));
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let host = host.or_else(|| parts.uri.authority().map(Authority::as_str));
    let is_page_of_another = headers
        .get(header::ORIGIN)
        .is_some_and(|origin| origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, origin)| origin) != host);
    // What browsers say of the page, also where they name no origin.
    let is_of_another_site = headers.get("sec-fetch-site").is_some_and(|site| site != "none" && site != "same-origin");
    from_here && !is_forwarded && !is_page_of_another && !is_of_another_site && host.is_none_or(is_loopback_name)
}

/// What proxies add to a request, beside `X-Forwarded-…`.
const OF_PROXIES: [&str; 6] = ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];

fn is_loopback_name(host: &str) -> bool {
    host.parse::<Authority>().is_ok_and(|authority| {
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}
