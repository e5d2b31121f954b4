//! The durable vocabulary: what the functions and macros of `dacapo` and `futures` do when they are awaited.

/// What awaiting something means for the flow of an orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// An activity or a sub-orchestration.
    Call,
    /// A timer.
    Timer,
    /// An event.
    Event,
    /// `dacapo::lock`.
    Lock,
    /// Several things at once: `join_all`, `fan_out`, `select!`.
    FanIn,
    /// The next item of a stream.
    Stream,
    /// A handle that was started before.
    Started,
    /// `continue_as_new`: nothing comes after it.
    Terminal,
    /// `timeout(duration, inner)`: what the inner future is.
    Timeout,
}

const FAN_IN: &[&str] = &[
    "join_all",
    "try_join_all",
    "fan_out",
    "try_fan_out",
    "select_all",
    "select_ok",
    "join",
    "join3",
    "join4",
    "join5",
    "try_join",
    "try_join3",
    "try_join4",
    "try_join5",
    "select",
    "try_select",
    "join!",
    "try_join!",
    "select!",
    "select_biased!",
];

/// Names that belong to `dacapo` or `futures`, by which a glob import of them is recognised.
const FURTHER: &[&str] = &["Event", "Retry", "now", "new_uuid", "rng", "set_custom_status", "instance_id", "is_replaying"];

/// What calling the function (or macro, with `!`) at `path` gives. A name that the file does not declare itself is taken by its
/// last segment, as it may come through a re-export.
pub(crate) fn class_of(path: &[String]) -> Option<Class> {
    let name = path.last()?.as_str();
    if path.first().is_some_and(|first| first == "tokio") && !name.ends_with('!') {
        return matches!(name, "sleep" | "sleep_until").then_some(Class::Timer);
    }
    // Many things have a function of this name.
    if name == "lock" {
        return (path.len() == 1 || path == ["dacapo", "lock"]).then_some(Class::Lock);
    }
    Some(match name {
        "sleep" | "sleep_until" => Class::Timer,
        "timeout" | "timeout_at" => Class::Timeout,
        "continue_as_new" => Class::Terminal,
        name if FAN_IN.contains(&name) => Class::FanIn,
        _ => return None,
    })
}

/// Whether `path` is a name of `dacapo` or `futures` that the rules know.
pub(crate) fn is_vocabulary(path: &[String]) -> bool {
    let ours = path.first().is_some_and(|first| first == "dacapo" || first == "futures");
    ours && path.last().is_some_and(|last| class_of(path).is_some() || FURTHER.contains(&last.as_str()))
}
