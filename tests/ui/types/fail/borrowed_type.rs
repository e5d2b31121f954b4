use std::borrow::Cow;

#[dacapo::activity]
async fn shout(text: Cow<'_, str>) -> String {
    text.to_uppercase()
}

fn main() {}
