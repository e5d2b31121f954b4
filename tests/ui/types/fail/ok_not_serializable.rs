use dacapo::activity;

struct Receipt;

#[activity]
async fn pay(amount: u64) -> dacapo::Result<Receipt> {
    drop(amount);
    Ok(Receipt)
}

fn main() {}
