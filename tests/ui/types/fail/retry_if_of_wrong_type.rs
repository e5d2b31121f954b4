use dacapo::{Error, activity};

fn is_transient(code: &u32) -> bool {
    *code > 499
}

#[activity(retry_if = is_transient)]
async fn fetch(url: String) -> Result<String, Error> {
    Ok(url)
}

#[activity(retry_if = |error: &Error| error.to_string().is_empty())]
async fn cannot_fail(url: String) -> String {
    url
}

fn main() {}
