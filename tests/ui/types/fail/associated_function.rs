struct Shop;

impl Shop {
    #[dacapo::activity]
    async fn open() {}
}

fn main() {}
