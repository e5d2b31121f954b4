use dacapo::activity;

struct Order {
    _id: u64,
}

#[activity]
async fn ship(express: bool, order: Order) -> bool {
    drop(order);
    express
}

fn main() {}
