use dacapo::activity;

#[activity]
async fn read(path: String) -> Result<Vec<u8>, std::io::Error> {
    std::fs::read(path)
}

fn main() {}
