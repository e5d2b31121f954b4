#[dacapo::activity]
async fn first<'a>(text: &'a str) -> String {
    text[..1].to_owned()
}

fn main() {}
