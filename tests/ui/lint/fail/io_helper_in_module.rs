//! A helper in a module of the file is reported at the token that is called, not where its path begins.

mod writer {
    pub mod disk {
        pub fn keep(text: &str) -> std::io::Result<()> {
            std::fs::write("note", text)
        }
    }
}

#[dacapo::orchestrator]
async fn save(text: String) -> dacapo::Result<()> {
    writer::disk::keep(&text)?;
    Ok(())
}

fn main() {}
