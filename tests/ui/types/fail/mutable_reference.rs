#[dacapo::activity]
async fn bump(counter: &mut u64) {
    *counter += 1;
}

fn main() {}
