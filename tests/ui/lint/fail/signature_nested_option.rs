//! JSON has one `null`: what an `Option` holds must not be recorded as that, too.

#[dacapo::orchestrator]
async fn label(note: Option<Option<String>>, tags: Vec<Option<()>>) -> Option<std::option::Option<u32>> {
    Some(note.map(|_| tags.len() as u32))
}

fn main() {}
