use dacapo::activity;

#[derive(serde::Serialize, serde::Deserialize)]
struct Declined;

impl From<dacapo::Failure> for Declined {
    fn from(_: dacapo::Failure) -> Self {
        Self
    }
}

#[activity]
async fn pay(amount: u64) -> Result<u64, Declined> {
    Ok(amount)
}

fn main() {}
