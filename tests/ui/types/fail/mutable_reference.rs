use std::collections::HashMap;

#[dacapo::activity]
async fn bump(counter: &mut u64) {
    *counter += 1;
}

#[dacapo::activity]
async fn sort(items: &mut Vec<u32>, names: &HashMap<String, Option<u8>>) {
    items.sort_by_key(|_| names.len());
}

fn main() {}
