//! An agent with tools: the model answers, its tool calls run side by side, their results go into the next prompt.

use dacapo::{activity, orchestrator};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToolCall {
    id: String,
    tool: String,
    arguments: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    text: String,
    calls: Vec<ToolCall>,
}

#[activity]
async fn complete(messages: Vec<Value>) -> dacapo::Result<Answer> {
    Ok(Answer { text: format!("{} messages read", messages.len()), calls: vec![] })
}

#[activity]
async fn run_tool(tool: String, arguments: Value) -> dacapo::Result<Value> {
    Ok(json!({ "tool": tool, "arguments": arguments }))
}

const MAX_TURNS: usize = 25;

#[orchestrator]
pub async fn agent(task: String) -> dacapo::Result<String> {
    let mut messages =
        vec![json!({ "role": "system", "content": "You are helpful." }), json!({ "role": "user", "content": task })];
    for turn in 0..MAX_TURNS {
        let answer = complete(messages.clone()).await?;
        if answer.calls.is_empty() {
            return Ok(answer.text);
        }
        dacapo::set_custom_status(&json!({ "turn": turn, "tools": answer.calls.len() }));
        messages.push(json!({ "role": "assistant", "content": answer.text, "tool_calls": answer.calls }));
        let results = join_all(answer.calls.iter().map(|call| run_tool(call.tool.clone(), call.arguments.clone()))).await;
        for (call, result) in answer.calls.iter().zip(results) {
            let content = result.unwrap_or_else(|error| json!({ "error": error.to_string() }));
            messages.push(json!({ "role": "tool", "tool_call_id": call.id, "content": content }));
        }
    }
    Err(dacapo::Error::msg(format!("no answer after {MAX_TURNS} turns")))
}

fn main() {}
