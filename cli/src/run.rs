//! What makes orchestrations run: `start`, `raise`, `wait`.

use std::convert::Infallible;
use std::future::ready;
use std::io::Read as _;
use std::pin::pin;
use std::time::{Duration, Instant};

use dacapo::{Client, InstanceStatus, Payload, RuntimeError, Status};
use futures::stream::FuturesUnordered;
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use crate::cli::{ReuseArg, Start};
use crate::end::End;
use crate::output::{self, cut, style_of, styled};
use crate::view::{self, View};

/// What takes longer than this is said to be waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// What a start takes at most that waits for nobody.
const BRIEF: Duration = Duration::from_millis(500);

pub(crate) async fn start(client: &Client, start: Start, json: bool) -> dacapo::Result<End> {
    let input = read_json(start.input, "the input")?;
    let mut request = client.start_named(start.name, input).reuse_id(start.reuse_id.into());
    request = start.tag.into_iter().fold(request, |request, (name, value)| request.tag(name, value));
    let replaced = start.id.clone();
    if let Some(id) = start.id {
        request = request.id(id);
    }
    if let Some(at) = start.at {
        request = request.at(at);
    }
    if let Some(delay) = start.after {
        request = request.after(delay);
    }
    if let Some(version) = start.version {
        request = request.version(version);
    }
    let began = Instant::now();
    let started = match (replaced, start.reuse_id) {
        (Some(id), ReuseArg::ReplaceTerminal | ReuseArg::ReplaceAny) => {
            match replace(request.into_future(), &id, start.timeout).await {
                Some(started) => started,
                None => return Ok(End::TimedOut),
            }
        }
        _ => request.await,
    };
    let way_out = "give another `--id`, or say with `--reuse-id` what is to become of it";
    let run = started.map_err(|error| taken(&error, way_out))?;
    if start.wait {
        let left = start.timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        return await_end(client, run.id(), left, json).await;
    }
    if json {
        output::print_json(&json!({ "instanceId": run.id() }))?
    } else {
        output::print(&format!("{}\n", run.id()))?
    }
    Ok(End::Done)
}

/// Waits for the end of a run and shows what it has returned.
async fn await_end(client: &Client, id: &str, left: Option<Duration>, json: bool) -> dacapo::Result<End> {
    let waiting = output::progress(None, "waiting for its end");
    let ended = match look(client, id).await {
        None => in_time(ended(client, id, &waiting), left).await,
        known => known,
    };
    waiting.finish_and_clear();
    let Some(ended) = ended else {
        let state = if is_parked(client, id).await { "is parked, see `show`" } else { "goes on" };
        output::complain(&format_args!("`{id}` has not ended in time; it {state}"));
        return Ok(End::TimedOut);
    };
    let status = ended?;
    if json {
        output::print_json(&View::whole(&status)?)?;
    } else if let Some(said) = status.output() {
        output::print_json_text(said.as_str())?;
    }
    if let Some(failure) = status.failure() {
        output::complain(&format_args!(
            "`{id}` has {}: {}",
            status.runtime_status().to_string().to_lowercase(),
            view::failure(failure)
        ));
    }
    Ok(end_of(&status))
}

pub(crate) async fn raise(client: &Client, id: &str, event: &str, value: String, json: bool) -> dacapo::Result<End> {
    client.raise_named(id, event, read_json(value, "the value")?).await?;
    if json {
        output::print_json(&json!({ "instanceId": id, "done": "raised" }))?;
    } else {
        output::print(&format!("{id}: `{event}` raised\n"))?;
    }
    Ok(End::Done)
}

pub(crate) async fn wait(client: &Client, ids: Vec<String>, timeout: Option<Duration>, json: bool) -> dacapo::Result<End> {
    let mut missing = ids.clone();
    let bar = output::progress(Some(ids.len() as u64).filter(|count| *count > 1), "waiting");
    let mut answers = Vec::new();
    let mut take = |id: &str, answer| {
        missing.retain(|missing| missing != id);
        if !json {
            bar.suspend(|| tell(&answer))?;
        }
        bar.inc(1);
        answers.push((id.to_owned(), answer));
        Ok::<_, dacapo::Error>(())
    };
    let wait_for = async |id| (id, ended(client, id, &bar).await);
    let waiting = FuturesUnordered::new();
    for id in &ids {
        match look(client, id).await {
            Some(answer) => take(id, answer)?,
            None => waiting.push(wait_for(id)),
        }
    }
    let in_time = in_time(waiting.map(Ok).try_for_each(|(id, answer)| ready(take(id, answer))), timeout).await;
    bar.finish_and_clear();
    in_time.transpose()?;
    if json {
        let rows = answers.iter().map(|(id, answer)| match answer {
            Ok(status) => Ok(Waited::Ended(Box::new(View::whole(status)?))),
            Err(error) => Ok(Waited::Refused { instance_id: id, error: error.to_string() }),
        });
        output::print_json(&rows.collect::<serde_json::Result<Vec<_>>>()?)?;
    }
    if !missing.is_empty() {
        for id in &mut missing {
            if is_parked(client, id).await {
                id.push_str(" (parked, see `show`)");
            }
        }
        output::complain(&format_args!("not ended in time: {}", missing.join(", ")));
    }
    let is_good = |status: &InstanceStatus| status.runtime_status() == Status::Completed;
    Ok(match answers.into_iter().map(|(_, answer)| answer).collect::<Result<Vec<_>, _>>() {
        Err(_) => End::Refused,
        Ok(_) if !missing.is_empty() => End::TimedOut,
        Ok(ended) if ended.iter().all(is_good) => End::Done,
        Ok(_) => End::EndedBadly,
    })
}

/// What was waited for, as JSON shows it.
#[derive(Serialize)]
#[serde(untagged)]
enum Waited<'a> {
    Ended(Box<View<'a>>),
    #[serde(rename_all = "camelCase")]
    Refused {
        instance_id: &'a str,
        error: String,
    },
}

fn tell(answer: &dacapo::Result<InstanceStatus>) -> dacapo::Result<()> {
    match answer {
        Ok(status) => output::print(&line(status)),
        Err(error) => {
            output::complain(error);
            Ok(())
        }
    }
}

/// Has a start wait for the end of the run that it takes the place of, and says so once it takes longer than a moment. `None` when it
/// takes longer than it may.
async fn replace<T>(start: impl Future<Output = T>, id: &str, timeout: Option<Duration>) -> Option<T> {
    let mut start = pin!(start);
    // A start that waits for nobody is not cut off.
    let timeout = timeout.map(|timeout| timeout.max(BRIEF));
    let moment = MOMENT.min(timeout.unwrap_or(MOMENT));
    let mut started = in_time(&mut start, Some(moment)).await;
    let left = timeout.map(|timeout| timeout.saturating_sub(moment));
    if started.is_none() && left.is_none_or(|left| !left.is_zero()) {
        output::remark(format_args!("waits for a worker to end the earlier run `{id}`"));
        started = in_time(start, left).await;
    }
    if started.is_none() {
        let why = "the earlier run has been asked to end, and no worker has ended it in time";
        output::complain(&format_args!("`{id}` has not been started: {why}"));
    }
    started
}

/// How one has ended, or why it is not waited for; nothing when it goes on.
async fn look(client: &Client, id: &str) -> Option<dacapo::Result<InstanceStatus>> {
    if id.starts_with('@') {
        let message = format!("`{id}` is an entity, not an orchestration; it has no end to wait for");
        return Some(Err(dacapo::Error::msg(message)));
    }
    let found = client.status(id).await.map_err(Into::into);
    Some(found).filter(|found| found.as_ref().map_or(true, |status| status.runtime_status().is_terminal()))
}

/// Waits for an end, and says once if it is parked meanwhile: then it does not end before somebody has mended and resumed it.
async fn ended(client: &Client, id: &str, bar: &ProgressBar) -> dacapo::Result<InstanceStatus> {
    let mut watch = client.watch(id);
    let tell_parked = async {
        while let Ok(Some(status)) = watch.next().await {
            if view::parked(&status).is_some() {
                bar.suspend(|| output::remark(format_args!("`{id}` is parked, see `show`; it is still waited for")));
                break;
            }
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        ended = client.wait(id) => Ok(ended?),
        never = tell_parked => match never {},
    }
}

async fn is_parked(client: &Client, id: &str) -> bool {
    client.status(id).await.is_ok_and(|status| view::parked(&status).is_some())
}

/// That an id is taken, with the way out that the tool has in place of the library's.
pub(crate) fn taken(error: &RuntimeError, way_out: &str) -> dacapo::Error {
    let said = error.to_string();
    match said.split_once("; give another `.id(..)`") {
        Some((what, _)) if error.is_already_exists() => dacapo::Error::msg(format!("{what}; {way_out}")),
        _ => dacapo::Error::msg(said),
    }
}

fn line(status: &InstanceStatus) -> String {
    let said = status.output().map(|output| output.as_str().to_owned());
    let said = said.or_else(|| Some(view::failure(status.failure()?))).unwrap_or_default();
    let ended = status.runtime_status();
    format!("{}  {}  {}\n", status.instance_id(), styled(ended, style_of(ended)), cut(&said, 100))
}

fn end_of(status: &InstanceStatus) -> End {
    if status.runtime_status() == Status::Completed { End::Done } else { End::EndedBadly }
}

/// `None` when it takes longer.
async fn in_time<T>(work: impl Future<Output = T>, timeout: Option<Duration>) -> Option<T> {
    match timeout {
        Some(timeout) => tokio::time::timeout(timeout, work).await.ok(),
        None => Some(work.await),
    }
}

/// JSON from an argument, or from standard input for `-`.
fn read_json(argument: String, what: &str) -> dacapo::Result<Payload> {
    let text = match argument.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        _ => argument,
    };
    Payload::from_json(text.trim().to_owned()).map_err(|failure| {
        if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
            return dacapo::Error::msg(format!("invalid {}: {failure}", what.trim_start_matches("the ")));
        }
        let text = cut(text.trim(), 60);
        dacapo::Error::msg(format!("{what} is not valid JSON: {text}; put a string in quotes, as in '\"{}\"'", cut(&text, 20)))
    })
}
