struct Shop;

impl Shop {
    #[dacapo::orchestrator]
    async fn checkout(self: Box<Self>) {}
}

fn main() {}
