//! What the sets hold: how each run was left, and what comes of it.

use dacapo::Status;

/// All of a set: what it is as it was left, and what comes of it.
pub(crate) struct Left {
    pub(crate) id: &'static str,
    pub(crate) status: Status,
    /// What it returns when it has ended well.
    pub(crate) output: Option<&'static str>,
}

const fn left(id: &'static str, status: Status, output: &'static str) -> Left {
    Left { id, status, output: Some(output) }
}

const fn without_output(id: &'static str, status: Status) -> Left {
    Left { id, status, output: None }
}

/// What a set holds.
pub(crate) fn left_in(version: &str) -> impl Iterator<Item = &'static Left> {
    LEFT.iter().chain(if version == "v1" { ONLY_IN_V1 } else { SINCE_V2 })
}

/// What every set holds.
const LEFT: &[Left] = &[
    without_output("finished", Status::Completed),
    without_output("finished-child", Status::Completed),
    without_output("failed", Status::Failed),
    without_output("failed-locked", Status::Failed),
    without_output("terminated", Status::Terminated),
    without_output("deep", Status::Completed),
    left("odd", Status::Completed, r#"{ "dacapo:sealed":1,"b":1e400,"a":[18446744073709551616,"\u0000"]}"#),
    left("broken", Status::Failed, "17"),
    left("rewound", Status::Running, "129"),
    left("event", Status::Running, "12"),
    left("traced", Status::Running, "104"),
    without_output("doomed", Status::Running),
    left("suspended", Status::Suspended, "48"),
    left("timer", Status::Running, "1"),
    left("long-timer", Status::Running, "100"),
    left("later", Status::Pending, "110"),
    without_output("much-later", Status::Pending),
    left("activity", Status::Running, "39"),
    left("fan-out", Status::Running, "138"),
    left("retries", Status::Running, "2"),
    left("retries-child", Status::Running, "14"),
    left("parent", Status::Running, "230"),
    left("parent-named", Status::Running, "114"),
    left("parent-detached", Status::Running, "114"),
    without_output("deep-waiting", Status::Running),
    without_output("large", Status::Running),
    left("measured", Status::Running, "101"),
    left("measured-large", Status::Running, "200"),
    left("gave-up", Status::Running, "100"),
    left("drifts", Status::Suspended, "116"),
    left("goes-missing", Status::Suspended, "118"),
    left("version-1", Status::Running, "120"),
    left("version-2", Status::Running, "122"),
    left("patched", Status::Running, "124"),
    left("eternal", Status::Running, r#"["one","two","three","four","five","six"]"#),
    left("counts", Status::Running, "104"),
    left("holder", Status::Running, "1"),
    left("queues", Status::Running, "2"),
    left("locked-out", Status::Running, "104"),
    left("killed", Status::Running, "65"),
    left("started-elsewhere", Status::Pending, "43"),
];

/// An event that could not be read was a failure then.
const ONLY_IN_V1: &[Left] = &[without_output("poisoned", Status::Failed)];

const SINCE_V2: &[Left] = &[
    left("poisoned", Status::Suspended, "102"),
    left("poisoned-elsewhere", Status::Running, "104"),
    left("put-aside", Status::Running, "106"),
    left("not-taken", Status::Completed, "9"),
    left("not-taken-yet", Status::Running, "110"),
    left("asks", Status::Running, "2"),
    left("checks", Status::Running, "113"),
    left("hands-over", Status::Running, r#""for the second generation 100""#),
];
