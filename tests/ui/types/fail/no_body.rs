trait Greeter {
    #[dacapo::activity]
    async fn greet(name: String) -> String;
}

fn main() {}
