use dacapo::activity;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

#[activity]
async fn pay(amount: u64) -> Result<u64, Declined> {
    Ok(amount)
}

fn main() {}
