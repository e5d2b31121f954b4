#[dacapo::activity]
async unsafe fn poke(address: usize) -> u8 {
    address as u8
}

fn main() {}
