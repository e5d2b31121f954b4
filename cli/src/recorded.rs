//! Turns as JSON. The values of users in them stay text, as they were recorded: a number may be too large for any type, a key be there
//! twice, and a nesting be deeper than a reader goes.

use std::collections::BTreeMap;

use dacapo::store::{Event, Timestamp, Turn};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::time::rfc3339;

/// The fields of an event.
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(Serialize)]
pub(crate) struct Recorded {
    turn: usize,
    at: String,
    events: Vec<BTreeMap<String, Fields>>,
}

pub(crate) fn turns(history: &[Turn]) -> serde_json::Result<Vec<Recorded>> {
    let turn = |(index, turn): (usize, &Turn)| {
        let events = turn.events.iter().map(|event| named(event, rfc3339)).collect::<Result<_, _>>()?;
        Ok(Recorded { turn: index + 1, at: rfc3339(turn.at), events })
    };
    history.iter().enumerate().map(turn).collect()
}

/// An event as an object with the event's name as its only key, as in the store, but with times as `time` writes them.
pub(crate) fn named(event: &Event, time: fn(Timestamp) -> String) -> serde_json::Result<BTreeMap<String, Fields>> {
    let mut event: BTreeMap<String, Fields> = serde_json::from_str(&serde_json::to_string(event)?)?;
    event.values_mut().try_for_each(|fields| write_times(fields, time))?;
    event.values_mut().try_for_each(hide_encrypted)?;
    Ok(event)
}

/// The fields of a failure.
pub(crate) fn failure(failure: &dacapo::Failure) -> serde_json::Result<Fields> {
    let mut fields = serde_json::from_str(&serde_json::to_string(failure)?)?;
    hide_encrypted(&mut fields)?;
    Ok(fields)
}

/// What stands in the place of a value that was encoded by the codec of the worker.
pub(crate) const ENCRYPTED: &str = "encrypted, not readable here";

fn hide_encrypted(fields: &mut Fields) -> serde_json::Result<()> {
    for (name, value) in fields {
        if serde_json::from_str(value.get()).is_ok_and(|value: dacapo::Payload| !value.is_readable()) {
            *value = to_raw_value(ENCRYPTED)?;
        } else if matches!(name.as_str(), "failure" | "continued")
            && let Ok(mut inner) = serde_json::from_str::<Fields>(value.get())
        {
            hide_encrypted(&mut inner)?;
            *value = to_raw_value(&inner)?;
        } else if name == "events"
            && let Ok(mut raised) = serde_json::from_str::<Vec<Fields>>(value.get())
        {
            raised.iter_mut().try_for_each(hide_encrypted)?;
            *value = to_raw_value(&raised)?;
        }
    }
    Ok(())
}

fn write_times(fields: &mut Fields, time: fn(Timestamp) -> String) -> serde_json::Result<()> {
    for (name, value) in fields {
        match name.as_str() {
            "fire_at" | "retry_at" | "run" => {
                if let Ok(micros) = serde_json::from_str(value.get()) {
                    *value = to_raw_value(&time(Timestamp(micros)))?;
                }
            }
            "caller" | "lock" | "holder" => {
                if let Ok(mut inner) = serde_json::from_str(value.get()) {
                    write_times(&mut inner, time)?;
                    *value = to_raw_value(&inner)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// JSON text without the white space that means nothing, so that it is one line.
pub(crate) fn on_one_line(json: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    let means_something = |char: &char| {
        let is_quote = *char == '"' && !is_escaped;
        is_escaped = in_text && *char == '\\' && !is_escaped;
        in_text ^= is_quote;
        in_text || !matches!(char, ' ' | '\t' | '\n' | '\r')
    };
    json.chars().filter(means_something).collect()
}

#[cfg(test)]
mod tests {
    use dacapo::store::Event;

    use super::{named, on_one_line};
    use crate::time::rfc3339;

    #[test]
    fn what_is_within_a_text_stays_when_white_space_goes() {
        assert_eq!(
            on_one_line("{ \"a b\" :\t[1,\r\n 2], \"\\\" \\\\\": \" \\\\\\\" \" }\n"),
            r#"{"a b":[1,2],"\" \\":" \\\" "}"#
        );
    }

    #[test]
    fn times_are_text_and_values_are_left() {
        let written = |text: &str| {
            let event: Event = serde_json::from_str(text).expect("it is an event");
            serde_json::to_string(&named(&event, rfc3339).expect("it has fields")).expect("it can be written")
        };
        let input = r#"{"run":1,"fire_at":1e400,"fire_at":2}"#;
        let text = format!(
            r#"{{"EntityOperationCalled":{{"at":"a.rs:1","caller":{{"instance":"i","run":1}},"entity":"@e@k","id":1,"input":{input},"operation":"o"}}}}"#
        );
        assert_eq!(written(&text), text.replace(r#""run":1}"#, r#""run":"1970-01-01T00:00:00.000001Z"}"#));
        let timer = r#"{"TimerCreated":{"at":"a.rs:1","fire_at":1000000,"id":1}}"#;
        assert_eq!(written(timer), timer.replace("1000000", r#""1970-01-01T00:00:01.000000Z""#));
    }
}
