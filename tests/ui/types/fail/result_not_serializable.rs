use dacapo::activity;

struct Receipt;

#[activity]
async fn pay(amount: u64) -> Receipt {
    drop(amount);
    Receipt
}

fn main() {}
