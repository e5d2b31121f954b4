struct Mailer;

impl Mailer {
    #[dacapo::activity]
    async fn send(&self, to: String) -> bool {
        to.is_empty()
    }
}

fn main() {}
