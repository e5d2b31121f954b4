use dacapo::entity;

#[entity]
#[derive(Default)]
struct Counter {
    value: i64,
}

fn main() {
    let _ = Counter::default().value;
}
