struct Order;

#[dacapo::activity]
async fn ship(order: Option<&Order>) -> bool {
    order.is_some()
}

fn main() {}
