//! A set inside what is given to a call is recorded in hash order.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Ids(HashSet<u32>);

#[derive(Clone, serde::Serialize, serde::Deserialize)]
enum Task {
    Save { name: String, ids: Ids },
    Drop,
}

#[dacapo::activity]
async fn save(task: Task) -> bool {
    matches!(task, Task::Save { name, ids } if name.len() < ids.0.len())
}

#[dacapo::activity]
async fn index(names: HashMap<String, HashSet<u32>>) -> usize {
    names.len()
}

#[dacapo::orchestrator]
async fn save_all(first: Task, tasks: Vec<Task>, names: HashMap<String, HashSet<u32>>) -> usize {
    save(first).await;
    join_all(tasks.iter().map(|task| save(task.clone()))).await;
    join_all(tasks.into_iter().map(save)).await;
    index(names).await
}

fn main() {}
