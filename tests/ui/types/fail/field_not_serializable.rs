use dacapo::activity;

struct Order;

#[activity]
async fn ship(orders: Vec<Order>) -> usize {
    orders.len()
}

fn main() {}
