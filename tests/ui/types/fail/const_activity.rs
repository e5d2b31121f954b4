#[dacapo::activity]
const fn double(n: u32) -> u32 {
    2 * n
}

fn main() {}
