#[dacapo::activity]
async fn pad<const N: usize>(value: u32) -> u32 {
    value + N as u32
}

fn main() {}
