//! What makes orchestrations run: `start`, `raise`, `wait`.

use std::io::Read as _;
use std::time::Duration;

use dacapo::{Client, InstanceStatus, Payload, Status};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;

use crate::End;
use crate::cli::Start;
use crate::output::{self, cut, style_of, styled};
use crate::view::{self, View};

pub(crate) async fn start(client: &Client, start: Start, json: bool) -> dacapo::Result<End> {
    let input = read_json(start.input, "the input")?;
    let mut request = client.start_named(start.name, input).reuse_id(start.reuse_id.into());
    request = start.tag.into_iter().fold(request, |request, (name, value)| request.tag(name, value));
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
    let run = request.await?;
    let id = run.id();
    if !start.wait {
        if json {
            output::print_json(&json!({ "instanceId": id }))?
        } else {
            output::print(&format!("{id}\n"))?
        }
        return Ok(End::Done);
    }
    let waiting = output::progress(None, "waiting for its end");
    let ended = in_time(client.wait(id), start.timeout).await;
    waiting.finish_and_clear();
    let Some(ended) = ended else {
        output::complain(&format_args!("`{id}` has not ended in time; it goes on"));
        return Ok(End::TimedOut);
    };
    let status = ended?;
    if json {
        output::print_json(&View::whole(&status))?;
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
    let mut waiting: FuturesUnordered<_> = ids.iter().map(|id| client.wait(id)).collect();
    let mut ended = Vec::new();
    let all = async {
        while let Some(status) = waiting.next().await {
            let status = status?;
            missing.retain(|id| id != status.instance_id());
            if !json {
                bar.suspend(|| output::print(&line(&status)))?;
            }
            bar.inc(1);
            ended.push(status);
        }
        Ok(())
    };
    let in_time = in_time(all, timeout).await;
    bar.finish_and_clear();
    in_time.transpose().map_err(|error: dacapo::Error| error)?;
    if json {
        output::print_json(&ended.iter().map(View::whole).collect::<Vec<_>>())?;
    }
    if !missing.is_empty() {
        output::complain(&format_args!("not ended in time: {}", missing.join(", ")));
        return Ok(End::TimedOut);
    }
    let is_good = |status: &InstanceStatus| status.runtime_status() == Status::Completed;
    Ok(if ended.iter().all(is_good) { End::Done } else { End::EndedBadly })
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
    Payload::from_json(text.trim().to_owned()).map_err(|_| {
        let text = cut(text.trim(), 60);
        dacapo::Error::msg(format!("{what} is no JSON: {text}; a text has quotes of its own, as in '\"{}\"'", cut(&text, 20)))
    })
}
