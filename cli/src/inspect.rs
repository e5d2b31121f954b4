//! What only looks: `list`, `show`, `history`, `census`.

use std::fmt::Write as _;

use anstyle::Style;
use dacapo::store::{Event, RegisteredKind, Timestamp, Turn};
use dacapo::{Census, Client, EntityId, ErrorKind, InstanceStatus, Payload, RuntimeError, Status};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::{List, Show};
use crate::end::End;
use crate::output::{self, BAD, DIM, GOOD, HEADER, Table, WAITING, cut, harmless, style_of, styled};
use crate::recorded::{self, ENCRYPTED, Fields};
use crate::time::{duration, precise, short};
use crate::timeline::{Timeline, svg, text};
use crate::view::{self, View};

/// How many a store is asked for at once.
pub(crate) const PAGE: usize = 1000;

/// How many calls have rows of their own where there is no terminal.
const ROWS: usize = 40;

/// How much of a value is shown in a line.
const EXCERPT: usize = 200;

pub(crate) async fn list(client: &Client, list: List, json: bool) -> dacapo::Result<End> {
    let wanted = if list.all { usize::MAX } else { list.limit };
    let query = list.filter.query(client);
    let (mut found, mut after) = (Vec::new(), list.after);
    while found.len() < wanted {
        let mut page = query.clone().page_size(PAGE.min(wanted - found.len()));
        if let Some(token) = after.take() {
            page = page.after(token);
        }
        let page = page.await?;
        found.extend_from_slice(page.instances());
        after = page.next().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    if json {
        output::print_json(&found.iter().map(View::listed).collect::<Vec<_>>())?;
    } else {
        output::print(&table_of(&found).to_string())?;
    }
    if let Some(token) = after {
        output::remark(format_args!("there are more: --all, or --after '{}'", token.replace('\'', r"'\''")));
    }
    Ok(End::Done)
}

fn table_of(found: &[InstanceStatus]) -> Table {
    let mut table = Table::new(["INSTANCE", "ORCHESTRATOR", "STATUS", "CREATED", "UPDATED", "CUSTOM STATUS"]);
    for instance in found {
        let status = instance.runtime_status();
        let said = view::parked(instance).map_or_else(
            || instance.custom_status().map(|said| (cut(said.as_str(), 40), Style::new())).unwrap_or_default(),
            |_| ("parked, see `show`".to_owned(), WAITING),
        );
        table.row([
            (instance.instance_id().to_owned(), Style::new()),
            (instance.name().to_owned(), Style::new()),
            (status.to_string(), style_of(status)),
            (short(instance.created_at()), DIM),
            (short(instance.last_updated_at()), DIM),
            said,
        ]);
    }
    table
}

pub(crate) async fn show(client: &Client, show: &Show, json: bool) -> dacapo::Result<End> {
    let status = client.status(&show.id).await?;
    let (history, unreadable) = readable(client, &show.id).await?;
    let timeline = Timeline::of(&status, &history);
    let state = if unreadable.is_none() { state_of(client, &show.id).await? } else { None };
    if let Some(file) = &show.svg {
        let unwritable = |error| dacapo::Error::msg(format!("could not write the picture `{}`: {error}", file.display()));
        std::fs::write(file, svg::draw(&timeline, show.rows.unwrap_or(ROWS))).map_err(unwritable)?;
        output::remark(format_args!("the timeline is drawn in {}", file.display()));
    }
    if json {
        #[derive(Serialize)]
        struct Shown<'a> {
            #[serde(flatten)]
            instance: View<'a>,
            /// Of an entity.
            #[serde(skip_serializing_if = "Option::is_none")]
            state: Option<Payload>,
            /// Why the timeline is missing, if the history is damaged.
            #[serde(skip_serializing_if = "Option::is_none")]
            unreadable: Option<String>,
            timeline: &'a Timeline,
        }
        output::print_json(&Shown { instance: View::whole(&status)?, state, unreadable, timeline: &timeline })?;
    } else {
        let columns = show.width.map_or_else(text::width_of_terminal, usize::from);
        let mut summary = summary(&status, &history, state.as_ref()) + "\n";
        if let Some(why) = unreadable {
            let _ = writeln!(summary, "  {}\n{}\n", styled("the history cannot be read", WAITING), harmless(why));
        }
        let fitting = || text::height_of_terminal().map_or(ROWS, |height| text::rows_in(height, summary.lines().count()));
        let drawn = text::draw(&timeline, show.rows.unwrap_or_else(fitting), columns);
        output::print(&(summary + &drawn))?;
    }
    Ok(End::Done)
}

/// A history, or why it cannot be read: what else is known is shown all the same.
async fn readable(client: &Client, id: &str) -> Result<(Vec<Turn>, Option<String>), RuntimeError> {
    match client.history(id).await {
        Err(error) if error.kind() == ErrorKind::Unreadable => Ok((Vec::new(), Some(error.to_string()))),
        history => Ok((history?, None)),
    }
}

/// The state of the entity whose instance id, `@name@key`, this is.
async fn state_of(client: &Client, id: &str) -> dacapo::Result<Option<Payload>> {
    let Some((name, key)) = id.strip_prefix('@').and_then(|entity| entity.split_once('@')) else { return Ok(None) };
    match client.state_named(&EntityId::named(name, key)).await {
        Err(error) if error.kind() == ErrorKind::Unreadable => Ok(Payload::encode(ENCRYPTED).ok()),
        state => Ok(state?),
    }
}

/// When one starts that has not begun. Its first turn is in its history, at that time; one that is suspended meanwhile has no other.
fn not_begun(status: &InstanceStatus, history: &[Turn]) -> Option<Timestamp> {
    let is_suspended = status.runtime_status() == Status::Suspended && view::parked(status).is_none();
    match history {
        [first] if is_suspended || status.runtime_status() == Status::Pending => Some(first.at),
        _ => None,
    }
}

/// What is known of an orchestration beside its course.
fn summary(status: &InstanceStatus, history: &[Turn], state: Option<&Payload>) -> String {
    let runtime_status = status.runtime_status();
    let mut text = format!(
        "{}  {} v{}  {}\n",
        styled(harmless(status.instance_id()), HEADER),
        harmless(status.name()),
        status.version(),
        styled(runtime_status, style_of(runtime_status))
    );
    let mut line = |title: &str, what: String| {
        let _ = writeln!(text, "  {} {what}", styled(format_args!("{title:<14}"), DIM));
    };
    line("created", short(status.created_at()));
    match (not_begun(status, history), status.last_updated_at()) {
        (Some(due), _) => line("starts", short(due)),
        (None, updated) => {
            line(if runtime_status.is_terminal() { "ended" } else { "last turn" }, short(updated));
            if let Ok(length) = updated.duration_since(status.created_at()) {
                line("after", duration(length));
            }
        }
    }
    if status.execution() > 1 {
        line("execution", status.execution().to_string());
    }
    if let Some(parent) = status.parent_id() {
        line("called by", parent.to_owned());
    }
    for (name, value) in status.tags() {
        line("tag", format!("{name}={value}"));
    }
    let values =
        [("input", status.input()), ("custom status", status.custom_status()), ("output", status.output()), ("state", state)];
    for (title, value) in values {
        if let Some(value) = value {
            line(title, cut(value.as_str(), EXCERPT));
        }
    }
    for title in status.unreadable() {
        line(title, ENCRYPTED.to_owned());
    }
    if let Some(failure) = status.failure() {
        line("failure", styled(harmless(view::failure(failure)), if runtime_status == Status::Failed { BAD } else { WAITING }));
    }
    for event in status.events_not_taken() {
        line("never taken", format!("event {} ({})", harmless(&event.name), event.count));
    }
    for event in put_aside(history) {
        line("put aside", event);
    }
    if let Some(report) = view::parked(status) {
        let title = if status.instance_id().starts_with('@') { "report" } else { "parked" };
        let _ = writeln!(text, "  {}\n{}", styled(title, WAITING), harmless(report));
    }
    text
}

/// The external events that no wait takes, with their values.
fn put_aside(history: &[Turn]) -> Vec<String> {
    let events = || history.iter().flat_map(|turn| &turn.events);
    let numbers: Vec<u64> = events()
        .flat_map(|event| match event {
            Event::ExecutionResumed { without_events, .. } => without_events.clone(),
            _ => Vec::new(),
        })
        .collect();
    let raised = events().flat_map(|event| match event {
        Event::EventRaised { name, input } => vec![(name, input)],
        Event::ExecutionStarted { continued: Some(continued), .. } => {
            continued.events.iter().map(|raised| (&raised.name, &raised.input)).collect()
        }
        _ => Vec::new(),
    });
    let is_put_aside = |(number, _): &(u64, _)| numbers.contains(number);
    (1..)
        .zip(raised)
        .filter(is_put_aside)
        .map(|(number, (name, value))| {
            let value = if value.is_readable() { cut(value.as_str(), EXCERPT) } else { ENCRYPTED.to_owned() };
            format!("event {number} {name} {value}")
        })
        .collect()
}

pub(crate) async fn history(client: &Client, id: &str, json: bool) -> dacapo::Result<End> {
    let history = client.history(id).await?;
    if json {
        output::print_json(&recorded::turns(&history)?)?;
        return Ok(End::Done);
    }
    let mut table = Table::new(["TURN", "AT", "EVENT", "DETAIL"]);
    for (index, turn) in history.iter().enumerate() {
        for event in &turn.events {
            for (name, fields) in recorded::named(event, precise)? {
                let style = if name.ends_with("Failed") { BAD } else { Style::new() };
                table.row([
                    ((index + 1).to_string(), DIM),
                    (precise(turn.at), DIM),
                    (name, style),
                    (cut(&detail_of(&fields), EXCERPT), Style::new()),
                ]);
            }
        }
    }
    output::print(&table.to_string())?;
    Ok(End::Done)
}

/// The fields of an event on one line: those that tell it from others first. Values are as they were recorded: `5` is not `"5"`.
fn detail_of(fields: &Fields) -> String {
    let recorded = |value: &RawValue| value.get().to_owned();
    let text = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_else(|_| recorded(value));
    let first = ["id", "name", "instance", "entity", "operation"];
    let known = first.iter().filter_map(|field| fields.get(*field)).map(|value| text(value));
    let rest = fields.iter().filter(|(field, _)| !first.contains(&field.as_str()) && *field != "shape");
    let rest = rest.map(|(field, value)| match field.as_str() {
        "at" | "fire_at" | "retry_at" => format!("{field} {}", text(value)),
        _ => format!("{field} {}", recorded(value)),
    });
    known.chain(rest).collect::<Vec<String>>().join("  ")
}

pub(crate) async fn census(client: &Client, json: bool) -> dacapo::Result<End> {
    let registered = client.registered().await?;
    let code_of = |row: &Census| {
        let version = registered.iter().find(|found| {
            found.kind == RegisteredKind::Orchestrator && (found.name.as_str(), found.version) == (&row.name, row.version)
        });
        match version {
            _ if registered.is_empty() => ("unknown", WAITING),
            None => ("missing", BAD),
            Some(_) if row.shape == 0 => ("registered", Style::new()),
            Some(found) if found.shape == row.shape => ("there", GOOD),
            Some(_) => ("changed", WAITING),
        }
    };
    let census = client.census().await?;
    if json {
        let rows = census.iter().map(|row| {
            json!({
                "name": row.name,
                "version": row.version,
                "shape": format!("{:016x}", row.shape),
                "instances": row.instances,
                "workerCode": code_of(row).0,
            })
        });
        output::print_json(&rows.collect::<Vec<_>>())?;
        return Ok(End::Done);
    }
    let mut table = Table::new(["ORCHESTRATOR", "VERSION", "CODE", "UNFINISHED", "IN THE WORKER"]);
    for row in &census {
        let (code, style) = code_of(row);
        table.row([
            (row.name.clone(), Style::new()),
            (row.version.to_string(), Style::new()),
            (if row.shape == 0 { "unknown".to_owned() } else { format!("{:016x}", row.shape) }, DIM),
            (row.instances.to_string(), Style::new()),
            (code.to_owned(), style),
        ]);
    }
    output::print(&table.to_string())?;
    Ok(End::Done)
}
