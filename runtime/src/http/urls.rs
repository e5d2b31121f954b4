//! The URLs an answer sends its reader to.

use std::fmt;

use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

use crate::http::parameters::Parameters;

/// Where the routes lie: since Functions 2, and in version 1.
const BASES: [&str; 2] = ["runtime/webhooks/durabletask", "admin/extensions/DurableTaskExtension"];

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How the server is reached from outside. [`check_status`](crate::http::check_status) finds it in the extensions of a request; without
/// it the address the request was sent to is taken.
#[derive(Clone, Default)]
pub struct Links {
    pub(super) public_url: Option<String>,
    pub(super) trusts_forwarded: bool,
    pub(super) prefix: String,
    pub(super) key: Option<String>,
}

/// Without the key.
impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { public_url, trusts_forwarded, prefix, key: _ } = self;
        let mut shown = f.debug_struct("Links");
        shown.field("public_url", public_url).field("trusts_forwarded", trusts_forwarded).field("prefix", prefix);
        shown.finish_non_exhaustive()
    }
}

impl Links {
    /// The path at which the router is nested, if it is: `/durable` for `.nest("/durable", api.router())`.
    #[must_use]
    pub fn nested_at(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        self
    }

    /// The key that the URLs carry as their `code`. Without one it is that of the request.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Scheme, host, and the path of a public URL.
    pub(super) fn origin(&self, parts: &Parts) -> String {
        if let Some(public) = &self.public_url {
            return public.clone();
        }
        let forwarded = || self.trusts_forwarded.then(|| forwarded(&parts.headers)).flatten();
        forwarded().unwrap_or_else(|| {
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
            let host = host.or_else(|| parts.uri.authority().cloned());
            let scheme = parts.uri.scheme().unwrap_or(&Scheme::HTTP);
            format!("{scheme}://{}", host.as_ref().map_or("localhost", Authority::as_str))
        })
    }

    /// The URLs for a request to a handler of the user's own.
    pub(super) fn urls(&self, parts: &Parts) -> Urls {
        self.urls_at(parts, &format!("{}/{}", self.prefix, BASES[0]))
    }

    pub(super) fn urls_at(&self, parts: &Parts, path: &str) -> Urls {
        let parameters = Parameters::of(&original(parts));
        let key = self.key.as_deref().or_else(|| parameters.key(&parts.headers));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("taskHub", parameters.get("taskHub").unwrap_or("dacapo"));
        query.append_pair("connection", parameters.get("connection").unwrap_or("Storage"));
        if let Some(key) = key {
            query.append_pair("code", key);
        }
        // A handler of the application has refused what it cannot use, or does not care.
        let shows_failure = parameters.flag("returnInternalServerErrorOnFailure", false).unwrap_or(false);
        Urls { base: format!("{}{path}", self.origin(parts)), query: query.finish(), shows_failure }
    }
}

/// The host and scheme that a proxy says it was asked for: by RFC 7239, or by the older headers, of which both are needed.
fn forwarded(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let first = |name: &str| Some(text(name)?.split(',').next()?.trim().to_owned());
    // The first element is that of the proxy the client has asked; one that says less is no answer.
    let by_rfc = text("forwarded").and_then(|forwarded| {
        let element = unquoted(forwarded, ',').next()?;
        let value = |wanted: &str| {
            let mut pairs = unquoted(element, ';').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
            Some(value.trim().trim_matches('"').to_owned())
        };
        Some((value("host")?, value("proto")?))
    });
    let (host, scheme) = match by_rfc {
        Some(found) => found,
        None => (first("x-forwarded-host")?, first("x-forwarded-proto")?),
    };
    let host: Authority = host.parse().ok()?;
    let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    Some(format!("{scheme}://{host}"))
}

/// The parts between separators that stand in no quotes.
fn unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

/// The URI as the client sent it, also where a router is nested.
pub(super) fn original(parts: &Parts) -> Uri {
    parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.clone(), |OriginalUri(uri)| uri.clone())
}

/// Splits the path of a request at the base: what comes before it and the base, and the segments after it, decoded once. Nothing may come
/// before the base but the path at which the router is nested.
pub(super) fn split(parts: &Parts) -> Option<(String, Vec<String>)> {
    let uri = original(parts);
    let segments = |path: &'_ str| path.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let sent = segments(uri.path());
    let decode = |segment: &String| Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
    let decoded = sent.iter().map(decode).collect::<Option<Vec<_>>>()?;
    let nested = sent.len().saturating_sub(segments(parts.uri.path()).len());
    let (start, base) = (0..=nested).find_map(|start| {
        let three = decoded.get(start..start + 3)?.join("/");
        Some((start, *BASES.iter().find(|base| base.eq_ignore_ascii_case(&three))?))
    })?;
    let mut before = String::new();
    for segment in sent[..start].iter().map(String::as_str).chain([base]) {
        before.push('/');
        before.push_str(segment);
    }
    Some((before, decoded[start + 3..].to_vec()))
}

/// Makes the URLs of one answer.
pub(super) struct Urls {
    base: String,
    query: String,
    shows_failure: bool,
}

/// The management URLs of an instance.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Management<'a> {
    id: &'a str,
    pub(super) status_query_get_uri: String,
    send_event_post_uri: String,
    terminate_post_uri: String,
    purge_history_delete_uri: String,
    restart_post_uri: String,
    suspend_post_uri: String,
    resume_post_uri: String,
    rewind_post_uri: String,
}

impl Urls {
    pub(super) fn shows_failure(&self) -> bool {
        self.shows_failure
    }

    pub(super) fn of<'a>(&self, id: &'a str) -> Management<'a> {
        let Self { base, query, shows_failure } = self;
        let instance = format!("{base}/instances/{}", utf8_percent_encode(id, SEGMENT));
        let with_reason = |operation: &str| format!("{instance}/{operation}?reason={{text}}&{query}");
        let flag = if *shows_failure { "&returnInternalServerErrorOnFailure=true" } else { "" };
        Management {
            id,
            status_query_get_uri: format!("{instance}?{query}{flag}"),
            send_event_post_uri: format!("{instance}/raiseEvent/{{eventName}}?{query}"),
            terminate_post_uri: with_reason("terminate"),
            purge_history_delete_uri: format!("{instance}?{query}"),
            restart_post_uri: format!("{instance}/restart?{query}"),
            suspend_post_uri: with_reason("suspend"),
            resume_post_uri: with_reason("resume"),
            rewind_post_uri: with_reason("rewind"),
        }
    }
}
