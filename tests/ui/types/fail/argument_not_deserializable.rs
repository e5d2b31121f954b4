use dacapo::activity;

#[derive(serde::Serialize)]
struct Order;

#[activity]
async fn ship(order: Order) {
    drop(order);
}

fn main() {}
