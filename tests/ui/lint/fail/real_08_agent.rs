//! The outer loop of an agent is a chain, its tools are not: they run one after another.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ToolCall {
    id: String,
    tool: String,
    arguments: Value,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    text: String,
    calls: Vec<ToolCall>,
}

#[activity]
async fn complete(messages: Vec<Value>) -> dacapo::Result<Answer> {
    Ok(Answer { text: messages.len().to_string(), calls: vec![] })
}

#[activity]
async fn run_tool(tool: String, arguments: Value) -> dacapo::Result<Value> {
    Ok(json!([tool, arguments]))
}

#[orchestrator]
async fn agent(task: String) -> dacapo::Result<String> {
    let mut messages = vec![json!({ "role": "user", "content": task })];
    for _ in 0..25 {
        let answer = complete(messages.clone()).await?;
        if answer.calls.is_empty() {
            return Ok(answer.text);
        }
        messages.push(json!({ "role": "assistant", "tool_calls": answer.calls }));
        for call in answer.calls {
            let content = match run_tool(call.tool, call.arguments).await {
                Ok(value) => value,
                Err(error) => json!({ "error": error.to_string() }),
            };
            messages.push(json!({ "role": "tool", "tool_call_id": call.id, "content": content }));
        }
    }
    Err(dacapo::Error::msg("no answer"))
}

fn main() {}
