//! An orchestration as JSON shows it. The names are those of the HTTP API, and a few more.

use std::collections::BTreeMap;

use dacapo::store::NotTaken;
use dacapo::{Failure, InstanceStatus, Payload, Status};
use serde::Serialize;

use crate::recorded::{self, Fields};
use crate::time::rfc3339;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View<'a> {
    instance_id: &'a str,
    name: &'a str,
    runtime_status: Status,
    created_time: String,
    last_updated_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_instance_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    custom_status: Option<&'a Payload>,
    /// Why it is parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a str>,
    #[serde(flatten)]
    whole: Option<Whole<'a>>,
}

/// What only the history tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    version: u32,
    execution: u32,
    input: Option<&'a Payload>,
    output: Option<&'a Payload>,
    /// Which values there are that cannot be read here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    encrypted: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Fields>,
    /// What was raised and never taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    events_not_taken: &'a [NotTaken],
}

impl<'a> View<'a> {
    /// One of a page, of which less is known.
    pub(crate) fn listed(status: &'a InstanceStatus) -> Self {
        Self {
            instance_id: status.instance_id(),
            name: status.name(),
            runtime_status: status.runtime_status(),
            created_time: rfc3339(status.created_at()),
            last_updated_time: rfc3339(status.last_updated_at()),
            parent_instance_id: status.parent_id(),
            tags: status.tags(),
            custom_status: status.custom_status(),
            report: parked(status),
            whole: None,
        }
    }

    pub(crate) fn whole(status: &'a InstanceStatus) -> serde_json::Result<Self> {
        let whole = Whole {
            version: status.version(),
            execution: status.execution(),
            input: status.input(),
            output: status.output(),
            encrypted: status.unreadable(),
            failure: status.failure().map(recorded::failure).transpose()?,
            events_not_taken: status.events_not_taken(),
        };
        Ok(Self { whole: Some(whole), ..Self::listed(status) })
    }
}

/// Why it is parked, if it is. What has ended is not, whatever it was before.
pub(crate) fn parked(status: &InstanceStatus) -> Option<&str> {
    status.report().filter(|_| !status.runtime_status().is_terminal())
}

/// A failure with its causes.
pub(crate) fn failure(failure: &Failure) -> String {
    failure.causes().iter().fold(failure.to_string(), |said, cause| format!("{said}: {cause}"))
}
