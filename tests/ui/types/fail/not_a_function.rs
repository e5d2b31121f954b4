#[dacapo::activity]
struct Greet;

fn main() {}
